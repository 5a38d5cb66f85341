"""A curator's day in a real Chromium: pull, look, decide, find the gap, withdraw one person,
release with a second person.

    day.py <address of a running `fairframe serve`> <one-time link of an administrator> [folder for screenshots]

Prints one JSON object: what was seen. Exits 1 with what is wrong where something is.
"""

import json
import os
import re
import shutil
import sys

from playwright.sync_api import Error, sync_playwright

from looks import DESK, PHONE, WIDER, axe

base, link = sys.argv[1].rstrip("/"), sys.argv[2]
shots = sys.argv[3] if len(sys.argv) > 3 else None
problems, seen = [], {"pages": [], "axe_passes": 0}
PASSWORD = "otter lantern gravel mosaic"


def check(holds, problem):
    if not holds:
        problems.append(problem)
    return holds


class Person:
    """Somebody at a desk, whose pages are judged in light, in dark and on a phone."""

    def __init__(self, browser, link):
        # The judge is a script, which our policy lets nobody run.
        context = browser.new_context(viewport=DESK, bypass_csp=True)
        context.set_default_timeout(20_000)
        self.page = context.new_page()
        self.page.on("console", lambda m: check(m.type not in ("error", "warning"), f"console: {m.text}"))
        self.page.on("pageerror", lambda e: problems.append(f"{self.page.url}: {e}"))
        self.page.on("request", lambda r: check(r.url.startswith((base + "/", "data:")), f"asked for {r.url}"))
        self.go(link)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_label("again").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("button", name="Log out").wait_for()

    def go(self, path):
        answer = self.page.goto(base + path)
        check(answer.status == 200, f"{path}: status {answer.status}")

    def look(self, name):
        """Judges the page that is open."""
        page = self.page
        page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
        for way, scheme, window in [("light", "light", DESK), ("dark", "dark", DESK), ("phone", "light", PHONE)]:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(window)
            found = axe(page)
            for violation in found["violations"]:
                nodes = [node["html"][:160] for node in violation["nodes"][:4]]
                problems.append(f"{name} ({way}): {violation['id']}: {violation['help']}: {nodes}")
            seen["axe_passes"] += len(found["passes"])
            over = page.evaluate(WIDER)
            check(not over, f"{name}: wider than the {way}: {over}")
            if shots:
                page.screenshot(path=f"{shots}/{name}.{way}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESK)
        words = page.inner_text("body")
        for wrong in ["NaN", "Some("]:
            check(wrong not in words, f"{name}: says {wrong}")
        seen["pages"].append(name)
        return words

    def says(self, text, where):
        words = self.page.inner_text("main")
        check(text in words, f"{where} lacks {text!r}: {words[:600]}")

    def tab_to(self, name):
        """Goes on with the keyboard alone until something of that name has the focus."""
        for _ in range(200):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate("() => (document.activeElement.innerText || document.activeElement.value || '').trim()")
            if at == name:
                return True
        return check(False, f"{self.page.url}: the keyboard does not reach {name!r}")

    def job(self, name):
        """Waits for the job whose page is open; live, and after a reload."""
        try:
            self.page.reload()
        except Error:
            pass  # It was over at that moment, and the page had gone on by itself.
        self.page.get_by_text("Done:").wait_for(timeout=120_000)
        check(self.page.locator("[data-events]").count() == 0, f"{name}: still followed")
        return self.look(name)


def day(browser):
    mira = Person(browser, link)
    page = mira.page
    mira.go("/admin/accounts")
    invite = page.locator("form[action='/admin/accounts']")
    invite.get_by_label("Name").fill("noor")
    invite.get_by_label("curator").check()
    invite.get_by_role("button").click()
    invited = re.search(r"/welcome/[0-9a-f]{64}", page.inner_text("main"))
    mira.look("accounts")
    noor = Person(browser, invited.group(0))

    # Pull.
    mira.go("/jobs")
    mira.look("jobs")
    row = page.locator("li", has=page.get_by_role("heading", name="demo", exact=True))
    row.get_by_role("button", name="Ingest").click()
    mira.job("job")
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
    mira.job("actors-job")
    mira.go("/datasets/demo-actors/consents")
    mira.look("consents")
    page.locator("main").get_by_role("link", name="person-a").first.click()
    mira.look("person")
    page.get_by_label("Reason").fill("Asked by letter.")
    if not mira.tab_to("Withdraw person-a"):
        page.get_by_role("button", name="Withdraw person-a").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Nothing of this person is served any more").wait_for()
    mira.look("withdrawn")

    # Release with a second person.
    for dataset, notes in [("demo", "One picture is out."), ("demo-actors", "Somebody withdrew.")]:
        mira.go(f"/datasets/{dataset}/release")
        mira.look(f"release-{dataset}")
        page.get_by_label("Release notes").fill(notes)
        page.get_by_role("button", name="Propose").click()
        mira.says("Somebody else must approve it", "the proposal")
        noor.go(f"/datasets/{dataset}/release")
        noor.look(f"approve-{dataset}")
        noor.page.get_by_role("button", name="Approve and release").click()
        noor.job(f"released-{dataset}")
        noor.page.get_by_role("link", name="2.0.0").first.click()
        noor.says(notes, "the new version")
        noor.page.get_by_role("link", name="Every difference from 1.0.0").click()
        noor.says("do not mix results", "the differences")
        noor.look(f"changes-{dataset}")
    recall = noor.page.request.get(f"{base}/data/demo-actors/recall.json").json()
    check(len(recall["entries"]) > 0, "the recall list is empty")
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
    check("/takedown/" in visitor.url, f"a request leads to {visitor.url}")
    mira.go("/takedowns")
    mira.look("takedowns")
    page.locator("main").get_by_role("link").first.click()
    mira.look("case")


def main():
    chromium = os.environ.get("FAIRFRAME_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        try:
            day(browser)
        except Exception as error:  # what was found before is wanted as well
            problems.append(f"{type(error).__name__}: {error}")
        browser.close()
    print(json.dumps(seen))
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
