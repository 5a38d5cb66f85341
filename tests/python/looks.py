"""How pages are looked at: windows, accessibility rules, what is wider than its window."""

from axe_playwright_python.sync_playwright import Axe

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDER = """() => {
    const page = document.documentElement;
    if (page.scrollWidth <= page.clientWidth) return [];
    return [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > page.clientWidth + 1)
        .map(e => e.outerHTML.slice(0, 120)).slice(0, 5);
}"""


def axe(page):
    """What axe says of a page."""
    return Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response
