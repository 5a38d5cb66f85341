"""Somebody at a desk, whose pages are judged in light, in dark and on a phone."""

import json
import os
import re
import shutil
import sys

from playwright.sync_api import Error, sync_playwright

from looks import DESK, PHONE, WIDER, axe

PASSWORD = "otter lantern gravel mosaic"


class Seen:
    """What was seen of a server, and what is wrong with it."""

    def __init__(self, base, shots=None):
        self.base, self.shots = base.rstrip("/"), shots
        self.problems, self.pages, self.axe_passes, self.more = [], [], 0, {}

    def check(self, holds, problem):
        if not holds:
            self.problems.append(problem)
        return holds

    def walk(self, story):
        """Tells the story to a browser; ends the program, with 1 where something is wrong."""
        chromium = os.environ.get("FAIRFRAME_CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium)
            try:
                story(browser)
            except Exception as error:  # what was found before is wanted as well
                self.problems.append(f"{type(error).__name__}: {error}")
            browser.close()
        print(json.dumps({"pages": self.pages, "axe_passes": self.axe_passes, **self.more}))
        for problem in self.problems:
            print(problem, file=sys.stderr)
        sys.exit(1 if self.problems else 0)


class Person:
    def __init__(self, browser, seen, link):
        self.seen = seen
        # The judge is a script, which our policy lets nobody run.
        context = browser.new_context(viewport=DESK, bypass_csp=True)
        context.set_default_timeout(20_000)
        self.page = context.new_page()
        check, base = seen.check, seen.base
        # A form that was refused is shown again with 422, which Chromium calls an error.
        self.page.on("console", lambda m: check(m.type not in ("error", "warning") or "422" in m.text, f"console: {m.text}"))
        self.page.on("response", lambda r: r.status in (404, 500) and seen.problems.append(f"{self.page.url}: {r.url}: {r.status}"))
        self.page.on("pageerror", lambda e: seen.problems.append(f"{self.page.url}: {e}"))
        self.page.on("request", lambda r: check(r.url.startswith((base + "/", "data:")), f"asked for {r.url}"))
        self.go(link)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_label("again").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("button", name="Log out").wait_for()

    def go(self, path):
        answer = self.page.goto(self.seen.base + path)
        self.seen.check(answer.status == 200, f"{path}: status {answer.status}")

    def look(self, name):
        """Judges the page that is open."""
        page, seen = self.page, self.seen
        page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
        for way, scheme, window in [("light", "light", DESK), ("dark", "dark", DESK), ("phone", "light", PHONE)]:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(window)
            found = axe(page, way)
            for violation in found["violations"]:
                nodes = [node["html"][:160] for node in violation["nodes"][:4]]
                seen.problems.append(f"{name} ({way}): {violation['id']}: {violation['help']}: {nodes}")
            seen.axe_passes += len(found["passes"])
            over = page.evaluate(WIDER)
            seen.check(not over, f"{name}: wider than the {way}: {over}")
            if seen.shots:
                page.screenshot(path=f"{seen.shots}/{name}.{way}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESK)
        words = page.inner_text("body")
        for wrong in ["NaN", "Some("]:
            seen.check(wrong not in words, f"{name}: says {wrong}")
        seen.pages.append(name)
        return words

    def says(self, text, where):
        words = self.page.inner_text("main")
        self.seen.check(text in words, f"{where} lacks {text!r}: {words[:600]}")

    def tab_to(self, name):
        """Goes on with the keyboard alone until something of that name has the focus."""
        for _ in range(200):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate("() => (document.activeElement.innerText || document.activeElement.value || '').trim()")
            if at == name:
                return True
        return self.seen.check(False, f"{self.page.url}: the keyboard does not reach {name!r}")

    def job(self):
        """Waits for the job whose page is open; live, and after a reload."""
        try:
            self.page.reload()
        except Error:
            pass  # It was over at that moment, and the page had gone on by itself.
        self.page.get_by_text("Done:").wait_for(timeout=120_000)
        self.seen.check(self.page.locator("[data-events]").count() == 0, f"{self.page.url}: still followed")

    def invite(self, name, role):
        """The one-time link of a new account."""
        self.go("/admin/accounts")
        form = self.page.locator("form[action='/admin/accounts']")
        form.get_by_label("Name").fill(name)
        form.get_by_label(role).check()
        form.get_by_role("button").click()
        return re.search(r"/welcome/[0-9a-f]{64}", self.page.inner_text("main")).group(0)

    def withdraw(self, dataset, subject):
        """Opens the page on which a person's consent is withdrawn, and fills it in."""
        self.go(f"/datasets/{dataset}/consents")
        self.page.locator("main").get_by_role("link", name=subject).first.click()
        self.page.get_by_label("Reason").fill("Asked by letter.")

    def propose(self, dataset, notes):
        self.go(f"/datasets/{dataset}/release")
        self.page.get_by_label("Release notes").fill(notes)
        self.page.get_by_role("button", name="Propose").click()
        self.says("Somebody else must approve it", "the proposal")
