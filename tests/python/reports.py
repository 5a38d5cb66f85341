"""Opens reports in a real Chromium from the disk, and judges each as its readers will.

    reports.py <folder of folders with *.html> [folder for screenshots]

Prints one JSON object: what was seen. Exits 1 with what is wrong where something is.
"""

import json
import os
import pathlib
import re
import shutil
import sys

from playwright.sync_api import sync_playwright

from looks import DESK, PHONE, WIDER, axe

folder = pathlib.Path(sys.argv[1])
shots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
problems = []
seen = {}


def judge(page, name, way):
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe(page, way)
    for violation in found["violations"]:
        nodes = [node["html"][:160] for node in violation["nodes"][:4]]
        problems.append(f"{name} ({way}): {violation['id']}: {violation['help']}: {nodes}")
    if over := page.evaluate(WIDER):
        problems.append(f"{name} ({way}): wider than the window: {over}")


def main():
    chromium = os.environ.get("FAIRFRAME_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        ways = {
            "desk": {"viewport": DESK},
            "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True},
            "dark": {"viewport": DESK, "color_scheme": "dark"},
        }
        plain = browser.new_context(java_script_enabled=False).new_page()
        for way, options in ways.items():
            page = browser.new_context(**options).new_page()
            page.on("console", lambda said: problems.append(f"{page.url}: console: {said.text}"))
            for file in sorted(folder.glob("*/*.html")):
                name = str(file.relative_to(folder))
                page.goto(file.as_uri())
                words = page.inner_text("body")
                for wrong in ["NaN", "Some(", "None)", "inf"]:
                    if re.search(rf"(?<!\w){re.escape(wrong)}(?!\w)", words):
                        problems.append(f"{name}: says {wrong}")
                if shots:
                    stem = name.replace("/", "-").removesuffix(".html")
                    page.screenshot(path=shots / f"{stem}.{way}.png", full_page=True)
                judge(page, name, way)
                if way != "desk":
                    continue
                # Nothing in the page runs, so that it reads the same where nothing may.
                plain.goto(file.as_uri())
                scripts = page.locator("script").count()
                loaded = page.evaluate("() => performance.getEntriesByType('resource').map(e => e.name)")
                if scripts or loaded:
                    problems.append(f"{name}: {scripts} scripts, loads {loaded}")
                printed = plain.pdf(format="A4")
                if shots:
                    (shots / f"{stem}.pdf").write_bytes(printed)
                    plain.emulate_media(media="print")
                    plain.set_viewport_size({"width": 688, "height": 1000})
                    plain.screenshot(path=shots / f"{stem}.print.png", full_page=True)
                    plain.emulate_media(media="screen")
                # Each page of a PDF is an object of its own; its text is drawn in a font.
                seen[name] = {
                    "pdf_bytes": len(printed),
                    "pdf_pages": len(re.findall(rb"/Type\s*/Page\b", printed)),
                    "pdf_fonts": len(re.findall(rb"/Type\s*/Font\b", printed)),
                    "sections": page.locator("section").count(),
                    "drawn": page.locator("main svg").count(),
                    "text": len(words),
                }
        browser.close()
    print(json.dumps(seen))
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
