"""Walks the web interface in a real Chromium as a curator would, and judges every page.

    browse.py <address of a running `fairframe serve`> [folder for screenshots]

Prints one JSON object: what was seen. Exits 1 with what is wrong where something is.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import urllib.error
import urllib.request
from urllib.parse import urljoin, urlsplit, urldefrag

from playwright.sync_api import sync_playwright

from looks import DESK, PHONE, WIDER, axe

# Single samples of one release that are looked at; all are asked for.
MAX_SAMPLES = 3

# Most pages walked; more mean that the walk does not end.
MAX_PAGES = 200

base = sys.argv[1].rstrip("/")
shots = sys.argv[2] if len(sys.argv) > 2 else None
problems = []
seen = {"pages": [], "files": 0, "axe_passes": 0}


def check(holds, problem):
    if not holds:
        problems.append(problem)
    return holds


def fetch(path, **headers):
    request = urllib.request.Request(base + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def watch(page):
    """Console words, errors and requests to elsewhere are problems."""

    def requested(request):
        outside = not request.url.startswith((base + "/", "data:"))
        check(not outside, f"{page.url}: asked for {request.url}")

    def said(message):
        # Chromium reports the status of a page that is not there; that page is one of ours.
        if "the server responded with a status of 404" not in message.text:
            problems.append(f"{page.url}: console {message.type}: {message.text}")

    page.on("request", requested)
    page.on("console", said)
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    return page


def width(page, name):
    over = page.evaluate(WIDER)
    check(not over, f"{page.url}: wider than the {name}: {over}")


def judge(page, path, way):
    # Everything that can be opened is: what is folded away must be right as well.
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe(page, way)
    for violation in found["violations"]:
        nodes = [node["html"][:160] for node in violation["nodes"][:4]]
        problems.append(f"{path} ({way}): {violation['id']}: {violation['help']}: {nodes}")
    seen["axe_passes"] += len(found["passes"])


def crawl(desk, phone, plain):
    """Every page that can be reached from the first, in four ways of looking at it."""
    samples = "/datasets/demo/1.0.0/samples"
    todo = ["/", "/datasets/no-such", f"{samples}?label=tree&country!=DE&view=list", f"{samples}?more=label"]
    known, checked, singles = set(), set(), {}
    while todo:
        path = todo.pop(0)
        if path in known:
            continue
        known.add(path)
        if not check(len(known) <= MAX_PAGES, "the pages do not end"):
            return
        wanted = 404 if path.endswith("no-such") else 200
        stem = re.sub(r"\W+", "-", path).strip("-") or "home"
        answer = desk.goto(base + path)
        check(answer.status == wanted, f"{path}: status {answer.status}")
        policy = answer.headers.get("content-security-policy", "")
        check("default-src 'none'" in policy, f"{path}: policy {policy!r}")
        check(desk.title(), f"{path}: no title")
        text = desk.inner_text("body")
        for wrong in ["NaN", "Some("]:
            check(wrong not in text, f"{path}: says {wrong}")
        judge(desk, path, "light")
        width(desk, "desk")
        links = desk.eval_on_selector_all(
            # Filters make no end of pages.
            "a[href]:not([rel~=nofollow])", "all => all.map(a => [a.getAttribute('href'), a.innerText || a.title])"
        )
        desk.emulate_media(color_scheme="dark")
        judge(desk, path, "dark")
        if shots:
            desk.screenshot(path=f"{shots}/{stem}.dark.png", full_page=True)
        desk.emulate_media(color_scheme="light")
        phone.goto(base + path)
        judge(phone, path, "phone")
        width(phone, "phone")
        plain.goto(base + path)
        bare = plain.evaluate("() => document.body.innerText")
        check(bare == text, f"{path}: says something else without scripts")
        if shots:
            desk.screenshot(path=f"{shots}/{stem}.wide.png", full_page=True)
            phone.screenshot(path=f"{shots}/{stem}.phone.png", full_page=True)
        seen["pages"].append(path)

        for href, words in links:
            url, anchor = urldefrag(urljoin(base + path, href))
            if not url.startswith(base + "/"):
                check(urlsplit(url).scheme in ("http", "https"), f"{path}: link to {href}")
                continue
            target = url[len(base) :]
            if target == path:
                there = not anchor or desk.query_selector(f'[id="{anchor}"]')
                check(there, f"{path}: link to #{anchor}, which is not there")
                continue
            if target in known or target in checked or target in todo:
                continue
            status, headers, _ = fetch(target)
            release, single, _ = urlsplit(target).path.partition("/samples/")
            # An older version's rows lead on to those that were withdrawn since: gone, and said so.
            told = (200, 410) if single else (200,)
            check(status in told, f"{path}: {words!r} leads to {target}: {status}")
            if single:
                singles[release] = singles.get(release, 0) + 1
            # Of filters one of each kind is looked at, above; all are asked for.
            if status == 410 or singles.get(release, 0) > MAX_SAMPLES or urlsplit(target).query:
                checked.add(target)
            elif headers.get_content_type() == "text/html":
                todo.append(target)
            else:
                checked.add(target)
                seen["files"] += 1


def curator(page):
    """Index, dataset, older release, card and back, samples, a download; reports."""
    page.goto(base + "/")
    page.get_by_role("link", name="Fairframe demo: actors").click()
    check("2.0.0" in page.inner_text(".crumbs"), "the dataset does not open at its latest version")
    check(page.get_by_text("5 samples withdrawn in this version").count() == 1, "no word of 5 withdrawn")
    page.get_by_role("link", name="1.0.0", exact=True).click()
    check(page.get_by_text("This is an older version").count() == 1, "an older version does not say so")
    page.get_by_role("link", name="Go to 2.0.0").click()
    page.get_by_role("link", name="Dataset card", exact=True).click()
    check("A person shown has withdrawn consent" in page.inner_text("main"), "the card lacks a reason")
    page.get_by_role("link", name="Duplicates").click()
    check(page.url.endswith("#duplicates"), "the card's contents do not lead on")

    page.goto(base + "/")
    page.get_by_role("link", name="Fairframe demo", exact=True).click()
    page.get_by_role("link", name="Browse samples").click()
    pictures = page.locator(".tiles img")
    check(pictures.count() == 11, f"{pictures.count()} pictures instead of 11")
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        # Waiting inside the page would need scripts.
        for _ in range(100):
            if loaded := picture.evaluate("i => i.complete && i.naturalWidth > 0"):
                break
            page.wait_for_timeout(100)
        check(loaded, f"no picture at {picture.get_attribute('src')}")
    page.locator(".crumbs").get_by_role("link", name="1.0.0").click()

    # What the browser saves is what SHA256SUMS says.
    digest = page.locator("tr", has_text="part-00000.parquet").locator("code").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="part-00000.parquet").click()
    with open(download.value.path(), "rb") as file:
        bytes_saved = file.read()
    check(bytes_saved[:4] == b"PAR1", "no Parquet was downloaded")
    check(hashlib.sha256(bytes_saved).hexdigest() == digest, "the download has another digest")
    part = urlsplit(download.value.url).path

    page.get_by_role("link", name="Reports", exact=True).click()
    check("worst of" in page.inner_text("main"), "the list of reports names no worst group")
    page.locator("main").get_by_role("link", name="dfdc", exact=True).click()
    page.get_by_role("link", name="Read the report").click()
    words = page.inner_text("main")
    for word in ["Worst group: fold 0", "95% interval", "n = "]:
        check(word in words, f"the report lacks {word!r}")
    check(page.locator("table.groups .dot").count() == 4, "the report draws no intervals")
    return part, bytes_saved


def ranges(part, whole):
    status, headers, body = fetch(part, Range="bytes=4-11")
    check((status, body) == (206, whole[4:12]), f"{part}: a range gives {status} {body!r}")
    check(headers["Content-Range"] == f"bytes 4-11/{len(whole)}", f"{part}: {headers['Content-Range']}")
    tag = headers["ETag"]
    check(tag and not tag.startswith("W/"), f"{part}: tag {tag!r}")
    check(fetch(part, **{"If-None-Match": tag})[0] == 304, f"{part}: sent again to who has it")
    status, _, body = fetch(part, Range="bytes=4-11", **{"If-Range": '"other"'})
    check((status, body) == (200, whole), f"{part}: a range of other bytes gives {status}")
    check(fetch(part, Range=f"bytes={len(whole)}-")[0] == 416, f"{part}: a range past the end")


def keyboard(page):
    """The first stop is the skip link; it can be seen, and leads to the content."""
    for path in ["/", "/data/demo/1.0.0/card.html", "/data/demo/1.0.0/ATTRIBUTION.html", "/reports/dfdc/report.html"]:
        page.goto(base + path)
        page.keyboard.press("Tab")
        box = page.evaluate(
            """() => { const e = document.activeElement, b = e.getBoundingClientRect();
                return [e.className, b.left >= 0 && b.top >= 0, getComputedStyle(e).outlineStyle,
                    !!document.getElementById((e.getAttribute('href') || '').slice(1))]; }"""
        )
        check(box == ["skip", True, "solid", True], f"{path}: the first stop of the keyboard is {box}")


def main():
    chromium = os.environ.get("FAIRFRAME_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        seen["browser"] = browser.version

        def page(**options):
            context = browser.new_context(**options)
            context.set_default_timeout(60_000)
            return watch(context.new_page())

        desk, phone = {"viewport": DESK}, {"viewport": PHONE, "is_mobile": True, "has_touch": True}
        plain = page(**desk, java_script_enabled=False)
        for walker in [page(**desk), plain, page(**phone)]:
            ranges(*curator(walker))
        keyboard(page(**desk))
        # The judge is a script, which our policy lets nobody run. Without the policy, a page
        # that asks for something elsewhere would also get as far as asking.
        judged = {"bypass_csp": True}
        crawl(page(**desk, **judged), page(**phone, **judged), plain)
        browser.close()
    if shots:
        seen["screenshots"] = shots
    print(json.dumps(seen))
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
