"""A curator's day in a real Chromium: pull, look, decide, find the gap, withdraw one person,
release with a second person.

    day.py <address of a running `fairframe serve`> <one-time link of an administrator> [folder for screenshots]

Prints one JSON object: what was seen. Exits 1 with what is wrong where something is.
"""

import sys

from looks import DESK
from person import Person, Seen

seen = Seen(sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else None)
base, link = seen.base, sys.argv[2]


def day(browser):
    mira = Person(browser, seen, link)
    page = mira.page
    invited = mira.invite("noor", "curator")
    mira.look("accounts")
    noor = Person(browser, seen, invited)

    # Pull.
    mira.go("/jobs")
    mira.look("jobs")
    row = page.locator("li", has=page.get_by_role("heading", name="demo", exact=True))
    row.get_by_role("button", name="Ingest").click()
    mira.job()
    mira.look("job")
    page.get_by_role("link", name="1.0.0").first.click()

    # Look, and decide with the keyboard alone.
    mira.look("dataset")
    page.get_by_role("link", name="Browse samples").click()
    mira.look("samples")
    page.locator(".tiles a").first.click()
    mira.look("sample")
    first, words = page.url, "the same house twice"
    page.keyboard.press("w")
    page.keyboard.type(words)
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.wait_for_url(lambda url: url != first)
    mira.go("/datasets/demo/decisions")
    mira.says(words, "the list of decisions")
    mira.look("decisions")
    mira.go("/datasets/demo/1.0.0/samples?status=quarantined")
    mira.look("queue")

    # Find the gap: whom a threshold would take out, what is there twice, what is missing where.
    for name in ["quality", "duplicates", "map", "coverage"]:
        mira.go(f"/datasets/demo/1.0.0/{name}")
        mira.look(name)

    # Withdraw one person.
    mira.go("/jobs")
    row = page.locator("li", has=page.get_by_role("heading", name="demo-actors", exact=True))
    row.get_by_role("button", name="Ingest").click()
    mira.job()
    mira.look("actors-job")
    mira.go("/datasets/demo-actors/consents")
    mira.look("consents")
    mira.withdraw("demo-actors", "person-a")
    mira.look("person")
    if not mira.tab_to("Withdraw person-a"):
        page.get_by_role("button", name="Withdraw person-a").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Nothing of this person is served any more").wait_for()
    mira.look("withdrawn")

    # Release with a second person.
    for dataset, notes in [("demo", "One picture is out."), ("demo-actors", "Somebody withdrew.")]:
        mira.go(f"/datasets/{dataset}/release")
        mira.look(f"release-{dataset}")
        mira.propose(dataset, notes)
        noor.go(f"/datasets/{dataset}/release")
        noor.look(f"approve-{dataset}")
        noor.page.get_by_role("button", name="Approve and release").click()
        noor.job()
        noor.look(f"released-{dataset}")
        noor.page.get_by_role("link", name="2.0.0").first.click()
        noor.says(notes, "the new version")
        noor.page.get_by_role("link", name="Every difference from 1.0.0").click()
        noor.says("do not mix results", "the differences")
        noor.look(f"changes-{dataset}")
    recall = noor.page.request.get(f"{base}/data/demo-actors/recall.json").json()
    seen.check(len(recall["entries"]) > 0, "the recall list is empty")
    mira.go("/audit")
    mira.look("audit")
    for who in ["noor", "admin"]:
        mira.says(who, "the audit log")
    mira.go("/account")
    mira.look("account")

    # Somebody contributes; somebody without an account asks for a takedown.
    mira.go("/contribute")
    page.locator("main").get_by_role("link").first.click()
    mira.look("contribute")
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    visitor = context.new_page()
    visitor.goto(base + "/takedown")
    visitor.get_by_label("What is it about?").fill(f"{base}/datasets/demo/2.0.0/")
    visitor.get_by_label("I hold the rights to it").check()
    visitor.get_by_label("Why should it go?").fill("It is mine.")
    visitor.get_by_role("button", name="Send").click()
    seen.check("/takedown/" in visitor.url, f"a request leads to {visitor.url}")
    mira.go("/takedowns")
    mira.look("takedowns")
    page.locator("main").get_by_role("link").first.click()
    mira.look("case")


seen.walk(day)
