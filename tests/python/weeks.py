"""A competition's weeks in a real Chromium: a host takes the Inclusive Images template, two teams
take part, the truth is corrected, stage 2 opens, closes and has its final board.

    weeks.py <address of a running `fairframe serve`> <one-time link of an administrator> [folder for screenshots]

Weeks pass by the host moving the dates of the stages. Prints one JSON object: what was seen. Exits 1
with what is wrong where something is.
"""

import datetime
import io
import random
import re
import sys
import time
import zipfile

from looks import DESK
from person import Person, Seen

seen = Seen(sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else None)
base, link = seen.base, sys.argv[2]
AT = "/competitions/inclusive-images"
LABELS = ["/m/01g317", "/m/05s2s", "/m/09cjl", "/m/0k5j", "/m/083vt", "/m/07j7r"]
REGIONS = {1: ["Europe", "Latin America"], 2: ["West Africa", "South Asia"]}
ITEMS = 400
HOUR = datetime.timedelta(hours=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def images(stage):
    """The images of a stage: id, label, region."""
    draw = random.Random(stage)
    return [(f"{stage}{n:07x}", draw.choice(LABELS), draw.choice(REGIONS[stage])) for n in range(ITEMS)]


def solution(stage, relabel=()):
    lines = ["image_id,labels,region"]
    for n, (image, label, region) in enumerate(images(stage)):
        lines.append(f"{image},{LABELS[0] if n in relabel else label},{region}")
    return "\n".join(lines) + "\n"


def answers(stage, right):
    """A submission with the labels of that share of the images right."""
    draw = random.Random(stage)
    lines = ["image_id,labels"]
    for image, label, _ in images(stage):
        wrong = LABELS[(LABELS.index(label) + 1) % len(LABELS)]
        lines.append(f"{image},{label if draw.random() < right else wrong}")
    return "\n".join(lines) + "\n"


class Folder:
    """The template as the host fills it in."""

    def __init__(self, archive):
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            self.files = {name.split("/", 1)[1]: packed.read(name).decode() for name in packed.namelist()}
        for stage in (1, 2):
            self.files[f"stage-{stage}/solution.csv"] = solution(stage)
            self.files[f"stage-{stage}/sample_submission.csv"] = answers(stage, 0)
        toml = self.files["competition.toml"]
        toml = toml.replace("# groups = [\"region\", \"country\"]", "groups = [\"region\"]")
        worst = '[[board.column]]\ntitle = "Worst region"\nshows = "worst-group"\ngrouping = "region"\n\n[limits]'
        self.files["competition.toml"] = toml.replace("[limits]", worst, 1)

    def times(self, stage, **of):
        """Sets times of a stage, and of the teams."""
        head, *stages = self.files["competition.toml"].split("[[stage]]")
        own = stages[stage - 1]
        for key, at in of.items():
            line = f'{key} = "{at.isoformat(timespec="seconds")}"'
            own, n = re.subn(rf"^{key} = .*$", line, own, count=1, flags=re.M)
            if n == 0:
                own = own.replace("\nopens", f"\n{line}\nopens", 1)
        stages[stage - 1] = own
        until = f'merge_until = "{(now() + HOUR).isoformat(timespec="seconds")}"'
        head = re.sub(r"^merge_until = .*$", until, head, flags=re.M)
        self.files["competition.toml"] = "[[stage]]".join([head, *stages])

    def packed(self, change=lambda toml: toml):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, text in self.files.items():
                packed.writestr(name, change(text) if name == "competition.toml" else text)
        return {"name": "inclusive-images.zip", "mimeType": "application/zip", "buffer": out.getvalue()}


def csv(name, text):
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


def begin(hana):
    """Template, its own truth, what is wrong with a first try, open, publish."""
    page = hana.page
    hana.go("/competitions")
    page.get_by_role("link", name="Open a competition").click()
    hana.look("hosting")
    folder = Folder(page.request.get(f"{base}/hosting/templates/inclusive-images.zip").body())
    folder.times(1, opens=now() - HOUR, closes=now() + HOUR, reveals=now() + HOUR)
    folder.times(2, opens=now() + HOUR, closes=now() + 2 * HOUR, reveals=now() + 3 * HOUR)
    page.get_by_label("Its folder as a zip archive").set_input_files(
        folder.packed(lambda toml: toml.replace("f2_mean", "f3_mean"))
    )
    page.get_by_role("button", name="Open", exact=True).click()
    hana.says("board.metric", "what is wrong with the folder")
    hana.look("hosting-wrong")
    page.get_by_label("Its folder as a zip archive").set_input_files(folder.packed())
    page.get_by_role("button", name="Open", exact=True).click()
    hana.says("Hosting", "the page of an opened competition")
    page.get_by_role("button", name="Publish").click()
    hana.look("host-new")
    return folder


def take_part(person):
    page = person.page
    person.go("/competitions")
    person.look("competitions")
    page.get_by_role("link", name="Inclusive Images").click()
    person.look("competition")
    page.locator("#accept").get_by_role("link", name="rules").click()
    page.get_by_role("button", name="I have read the rules and accept them").click()
    person.look("submit")


def submit(person, file, note=""):
    """Hands a file in and waits for what becomes of it; gives its number."""
    page = person.page
    person.go(f"{AT}/submit")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Note, for your team only").fill(note)
    page.get_by_label("No", exact=True).check()
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("status").wait_for()
    for _ in range(240):
        said = page.get_by_role("status").inner_text()
        if "score" in said and "being" not in said or "defects" in said:
            break
        time.sleep(0.25)
        page.reload()
    return int(page.url.rsplit("/", 1)[1])


def change(hana, folder):
    page = hana.page
    hana.go(f"{AT}/host")
    page.get_by_text("Change the definition", exact=True).click()
    page.get_by_label("Its folder as a zip archive").set_input_files(folder.packed())
    page.get_by_role("button", name="Change", exact=True).click()
    page.wait_for_url(lambda url: url.endswith("/host"))


def board(person, **query):
    """Teams and ranks, once all that was handed in stands on the board."""
    asked = "&".join(f"{key}={value}" for key, value in query.items())
    answer = person.page.request.get(f"{base}{AT}/board.json?{asked}")
    seen.check(answer.status == 200, f"board.json?{asked}: {answer.status}")
    rows = answer.json()["rows"]
    return {row["team"]: row for row in rows if not row["baseline"]}


def wait(what, holds):
    for _ in range(240):
        if holds():
            return
        time.sleep(0.25)
    seen.problems.append(f"waited a minute for {what}")


def teams(ana, cleo):
    page = ana.page
    ana.go(f"{AT}/team")
    page.get_by_label("Name of the team").fill("North")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Invite a person, by the name of their account").fill("cleo")
    page.get_by_role("button", name="Invite").click()
    ana.says("Your team invited cleo", "the team's page")
    ana.look("team-invites")
    cleo.go(f"{AT}/team")
    cleo.look("team-offer")
    cleo.page.get_by_role("button", name="Accept").click()
    cleo.look("team")
    cleo.says("North", "the team's page")


def stage_one(ana, ben, cleo):
    for person in (ana, ben, cleo):
        take_part(person)
    first = submit(ana, csv("first.csv", answers(1, 0.5)), "labels of the baseline")
    ana.look("submission")
    ana.says("has its score", "the page of a submission")
    # It is written after the score.
    report = ana.page.get_by_role("link", name="Report of the public items")
    wait("the report", lambda: report.count() or ana.page.reload() and report.count())
    report.click()
    ana.look("submission-report")
    ana.says("A Ladder guards this board", "the report of a submission")
    teams(ana, cleo)
    broken = answers(1, 0.9) + f"{images(1)[0][0]},/m/none\n"
    submit(ana, csv("broken.csv", broken))
    ana.look("submission-defects")
    ana.says("It was refused", "the page of a refused submission")
    ana.says(f"row {ITEMS + 2}", "the list of defects")
    better = submit(cleo, csv("better.csv", answers(1, 0.9)))
    submit(ben, csv("ben.csv", answers(1, 0.6)))

    page = ana.page
    ana.go(f"{AT}/submissions?a={better}&b={first}")
    ana.says(f"No. {better} against no. {first}", "two submissions compared")
    page.get_by_label(f"No. {better},").check()
    page.get_by_role("button", name="Choose").click()
    ana.says("chosen", "the list of submissions")
    ana.look("submissions")
    others = page.request.get(f"{base}{AT}/submissions/{first}")
    seen.check(others.status == 200, "a team's own submission is kept from it")
    others = ben.page.request.get(f"{base}{AT}/submissions/{first}")
    seen.check(others.status == 404, f"another team's submission: {others.status}")

    wait("the board", lambda: board(ana, stage="stage-1").keys() >= {"North", "ben"})
    wait("its scores", lambda: board(ana, stage="stage-1")["North"]["value"] > 0.8)
    ana.go(f"{AT}/board")
    ana.says("Worst region", "the board")
    ana.look("board")


def correct(hana):
    """Labels that were wrong in the truth: the board follows."""
    page = hana.page
    before = board(hana, stage="stage-1")["North"]["value"]
    hana.go(f"{AT}/host")
    section = page.locator("section", has=page.get_by_role("heading", name="Stage 1"))
    section.get_by_text("Correct the truth").click()
    section.get_by_label("Corrected solution").set_input_files(csv("solution.csv", solution(1, relabel=range(60))))
    section.get_by_label("Why; participants read it").fill("Sixty labels were wrong.")
    section.get_by_role("button", name="Correct", exact=True).click()
    wait("the corrected board", lambda: board(hana, stage="stage-1")["North"]["value"] != before)
    hana.go(f"{AT}/host")
    hana.says("moved by the last correction", "the host's page")
    hana.look("host")
    hana.page.get_by_role("link", name="moved by the last correction").click()
    changed = sum(label != LABELS[0] for _, label, _ in images(1)[:60])
    hana.says(f"{changed} items changed, 0 were added, 0 withdrawn", "the groups of stage 1")
    hana.says("By region", "the groups of stage 1")
    hana.look("groups")
    hana.go(f"{AT}/board?stage=stage-1")
    hana.says("Sixty labels were wrong.", "the corrected board")


def stage_two(hana, ana, ben, folder):
    folder.times(1, closes=now() - HOUR / 60, reveals=now() - HOUR / 60)
    folder.times(2, opens=now() - HOUR / 60)
    change(hana, folder)
    submit(ana, csv("north.csv", answers(2, 0.7)))
    ana.says("Public", "the page of a submission")
    submit(ben, csv("ben.csv", answers(2, 0.8)))
    wait("the board of stage 2", lambda: board(ana, stage="stage-2").keys() >= {"North", "ben"})
    kept = ana.page.request.get(f"{base}{AT}/board.json?stage=stage-2&side=private")
    seen.check(kept.status in (403, 404), f"the private board before its time: {kept.status}")

    folder.times(2, opens=now() - HOUR, closes=now() - HOUR / 60, reveals=now() - HOUR / 120)
    folder.times(1, opens=now() - 3 * HOUR, closes=now() - 2 * HOUR, reveals=now() - 2 * HOUR)
    change(hana, folder)
    hana.look("host-final")
    ana.go(AT)
    ana.says("ended; the final board is shown", "the competition's page")
    ana.go(f"{AT}/submit")
    ana.look("submit-closed")
    seen.check(ana.page.get_by_label("File", exact=True).count() == 0, "a closed competition takes files")


def final(browser):
    """What anybody sees, without a script."""
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    visitor = context.new_page()
    visitor.goto(f"{base}{AT}/board?stage=stage-2&side=private")
    rows = visitor.locator("main table tbody tr:not(.baseline)")
    seen.more["final"] = [[cell.strip() for cell in row.locator("td, th").all_inner_texts()][:2] for row in rows.all()]
    for kind in ["csv", "svg", "json"]:
        file = visitor.request.get(f"{base}{AT}/board.{kind}?stage=stage-2&side=private")
        seen.check(file.status == 200 and "North" in file.text(), f"board.{kind}: {file.status}")


def weeks(browser):
    mira = Person(browser, seen, link)
    hana = Person(browser, seen, mira.invite("hana", "host"))
    ana, ben, cleo = (Person(browser, seen, mira.invite(name, "participant")) for name in ("ana", "ben", "cleo"))
    folder = begin(hana)
    stage_one(ana, ben, cleo)
    correct(hana)
    stage_two(hana, ana, ben, folder)
    ana.go(f"{AT}/board?stage=stage-2&side=private")
    ana.look("final-board")
    final(browser)
    mira.go("/audit")
    mira.says("hana", "the audit log")


seen.walk(weeks)
