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


# In the dark a page has other colours and nothing else: what of axe's rules looks at those.
COLOURS = ["color-contrast", "link-in-text-block"]


def axe(page, way):
    """What axe says of a page; `way` is how it is looked at: light, dark, phone."""
    only = {"type": "rule", "values": COLOURS} if way == "dark" else {"type": "tag", "values": RULES}
    # Of what is right one node a rule is named: all of them make megabytes of a large page.
    options = {"runOnly": only, "resultTypes": ["violations"]}
    return Axe().run(page, options=options).response
