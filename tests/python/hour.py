"""A researcher's hour in a real Chromium and with the real tools: find, read the card, accept the
terms, download with five tools by the page's own lines, pull and verify, follow a withdrawal.

    hour.py <address of a running `fairframe serve`> <one-time link of an administrator> \
        <the program `fairframe`> <an empty folder> [folder for screenshots]

Prints one JSON object: what was seen. Exits 1 with what is wrong where something is.
"""

import json
import pathlib
import shlex
import sys
import urllib.request
import xml.etree.ElementTree as xml

import tools
from person import Person, Seen

seen = Seen(sys.argv[1], sys.argv[5] if len(sys.argv) > 5 else None)
base, link = seen.base, sys.argv[2]
fairframe, folder = pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
ATOM = "{http://www.w3.org/2005/Atom}"
TERMS = "For research on faces. Nobody shown may be named or sought for."


def feed(address):
    """Each withdrawal a reader of feeds is told of: its title."""
    read = xml.fromstring(urllib.request.urlopen(address).read())
    return [entry.findtext(f"{ATOM}title") for entry in read.iter(f"{ATOM}entry")]


def asks_for_terms(browser):
    """What stood before the researcher came: three people, and a dataset with terms."""
    mira = Person(browser, seen, link)
    noor = Person(browser, seen, mira.invite("noor", "curator"))
    rosa = Person(browser, seen, mira.invite("rosa", "researcher"))
    mira.go("/datasets/demo-actors/terms")
    mira.page.get_by_label("Terms", exact=True).fill(TERMS)
    mira.page.get_by_role("button", name="Save").click()
    return mira, noor, rosa


def find(rosa):
    page = rosa.page
    rosa.go("/")
    rosa.look("home")
    page.locator("main").get_by_role("link", name="Fairframe demo: actors").click()
    rosa.look("dataset")
    rosa.says("10 ", "the dataset's page")
    page.get_by_role("link", name="Dataset card", exact=True).click()
    for word in ["CC-BY-4.0", "People and consent", "Where in the world", "People"]:
        rosa.says(word, "the card")
    page.go_back()
    for name, words in [("Columns", ["media_sha256", "consent_state"]), ("Statistics", ["Licence", "Country"]), ("Coverage", ["wanted"])]:
        page.locator("main").get_by_role("link", name=name, exact=True).click()
        for word in words:
            rosa.says(word, name)
        rosa.look(name.lower())
        page.go_back()


def accept(rosa):
    """The rows are for who accepts the terms; a token then stands for her."""
    page = rosa.page
    rows = f"{base}/data/demo-actors/1.0.0/part-00000.parquet"
    seen.check(page.request.get(rows).status == 403, "rows are handed on before the terms are accepted")
    page.get_by_role("link", name="Read and accept them").click()
    rosa.says(TERMS, "the page of terms")
    rosa.look("terms")
    rosa.tab_to("I accept these terms")
    page.keyboard.press("Enter")
    page.get_by_text("which you accepted").wait_for()
    page.get_by_role("link", name="Rows", exact=True).click()
    rosa.says("sample_id", "the rows")
    rosa.look("rows")
    rosa.go("/account")
    page.get_by_label("Name of a new token").fill("my laptop")
    page.get_by_role("button", name="Make a token").click()
    page.get_by_text("Copy the new token now").wait_for()
    token = page.locator("main .notice pre code").inner_text()
    rosa.look("token")
    seen.check(page.request.get(rows).status == 200, "rows are kept from who accepted the terms")
    return token


def download(rosa, token):
    page = rosa.page
    rosa.go("/datasets/demo-actors")
    rosa.look("lines")
    lines = tools.lines_of(page.content())
    seen.check(token not in page.content(), "the page holds a token")
    env = tools.environment(folder, token, fairframe)
    seen.more["rows"] = tools.with_five_tools(lines, folder, env)
    tools.run(["sh", "-ec", lines["everything, media included"]], folder, env)
    release = folder / "copy/manifests/demo-actors/1.0.0"
    said = tools.run(["fairframe", "verify", str(release), "--root", "copy", "--media"], folder, env)
    seen.check("10 media" in said, f"verify says {said}")
    return env


def croissant(rosa):
    """The page's own JSON-LD, as a dataset search engine finds it, read with its rows by mlcroissant."""
    import mlcroissant

    rosa.go("/datasets/demo")
    described = json.loads(rosa.page.locator("script[type='application/ld+json']").text_content())
    at = folder / "croissant.json"
    at.write_text(json.dumps(described))
    dataset = mlcroissant.Dataset(jsonld=at)
    records = dataset.records(record_set="samples")
    seen.more["croissant"] = sum(1 for _ in records)


def follow(mira, noor, rosa, env):
    """Somebody withdraws, it is released, a reader of feeds tells the researcher, her copy follows."""
    page = rosa.page
    rosa.go("/datasets/demo-actors")
    atom = base + page.locator("link[type='application/atom+xml']").first.get_attribute("href")
    before = feed(atom)
    mira.withdraw("demo-actors", "person-a")
    mira.page.get_by_role("button", name="Withdraw person-a").click()
    mira.page.get_by_text("Nothing of this person is served any more").wait_for()
    mira.propose("demo-actors", "One person has withdrawn.")
    noor.go("/datasets/demo-actors/release")
    noor.page.get_by_role("button", name="Approve and release").click()
    noor.job()
    told = [title for title in feed(atom) if title not in before]
    seen.check(len(told) == 1 and "2.0.0" in told[0], f"the feed tells {told}")
    rosa.go("/datasets/demo-actors")
    rosa.says("One person has withdrawn.", "the new version")
    both = [f"{base}/data/demo-actors/{version}/" for version in ("1.0.0", "2.0.0")]
    said = tools.run(["fairframe", "diff", *both], folder, env)
    seen.check("0 added, 6 removed" in said and "Major" in said, f"diff says {said}")
    page.get_by_role("link", name="Dataset card", exact=True).click()
    rosa.says("One person has withdrawn.", "the new card")
    page.go_back()
    page.get_by_role("link", name="What was withdrawn").click()
    rosa.look("recalls")
    line = page.locator("main pre code").first.inner_text()
    media = lambda: sum(1 for path in (folder / "copy/store").rglob("*") if path.is_file())
    held = media()
    said = tools.run(shlex.split(line), folder, env)
    seen.more["recalled"] = held - media()
    seen.check("removed" in said, f"recall says {said}")
    tools.run(shlex.split(line), folder, env)  # Nothing is left to do, and that is no error.


def hour(browser):
    mira, noor, rosa = asks_for_terms(browser)
    find(rosa)
    token = accept(rosa)
    env = download(rosa, token)
    croissant(rosa)
    follow(mira, noor, rosa, env)


seen.walk(hour)
