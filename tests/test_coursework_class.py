"""A class of good, wrong, broken and hostile submissions: graded once, then looked at."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import classroom
import pytest

from coursework import sandbox

ROOT = classroom.ROOT
SECRET = "the-instructors-own-variable"
#: folders that everybody may write to, where an escaped submission would leave its trace
OPEN = (
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/etc",
    "/usr/lib",
    "/",
    "/root",
    str(ROOT),
    str(ROOT.parent),
)


def command(*arguments, **options):
    """python -m coursework … as a user runs it."""
    env = {**os.environ, "SECRET_OF_THE_INSTRUCTOR": SECRET, **options.pop("env", {})}
    line = [sys.executable, "-m", "coursework", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, **options)


FAST = ("--cell", 5, "--call", 2, "--wall", 60, "--memory", 2048)


def grade(folder, out, *more):
    return command("grade", folder, "--assignment", classroom.DEMO, "--out", out, *FAST, *more)


def table(out: Path) -> dict[str, dict]:
    with (out / "grades.csv").open(newline="", encoding="utf-8") as stream:
        return {row["student"]: row for row in csv.DictReader(stream)}


def snapshot(*folders) -> dict[str, tuple]:
    """Name, size and time of every file below some folders."""
    out = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not {"__pycache__", ".git"} & set(path.parts):
                out[str(path)] = (path.stat().st_size, path.stat().st_mtime_ns)
    return out


class Listener:
    """A server on this machine; what reaches it is kept."""

    def __init__(self):
        self.server, self.reached = socket.create_server(("127.0.0.1", 0)), []
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                connection, address = self.server.accept()
            except OSError:
                return
            self.reached.append(address)
            connection.close()


@pytest.fixture(scope="module")
def bubblewrap():
    if not sandbox.available():
        message = "bubblewrap is not here: hostile submissions are not run without a sandbox"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@pytest.fixture(scope="module")
def graded(bubblewrap, tmp_path_factory):
    """The class, graded once."""
    base = tmp_path_factory.mktemp("class")
    folder, out, place = base / "submissions", base / "graded", base / "open"
    folder.mkdir()
    place.mkdir()
    place.chmod(0o777)
    listener = Listener()
    for name, text in classroom.people(classroom.demo(), listener.port, str(place)).items():
        (folder / name).write_text(text, encoding="utf-8")
    watched = (folder, place, ROOT / "coursework", ROOT / "isolib", ROOT / "book", ROOT / "tests")
    before = snapshot(*watched)
    started = time.perf_counter()
    done = grade(folder, out, "--jobs", 2, "--sandbox", "bwrap")
    done.seconds = time.perf_counter() - started
    listener.server.close()
    print(f"{len(before)} files watched; the class took {done.seconds:.0f} s")
    after = snapshot(*watched)
    changed = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
    return {"folder": folder, "out": out, "done": done, "listener": listener, "changed": changed}


#: student: points of q1, q2, q3; status; what the note says
ALL, NONE = (3, 2, 2), (0, 0, 0)
EXPECTED = {
    "ada": (ALL, "ok", "^$"),
    "ben": (ALL, "ok", "^$"),
    "wrong": (NONE, "ok", "^$"),
    "blank": (NONE, "ok", "^$"),
    "loopcell": (ALL, "look", "cell 7: the time limit was reached"),
    "loopstubborn": (ALL, "look", "cell 7: it did not stop at the time limit and was killed"),
    "loopfunction": ((3, 2, 0), "ok", "^$"),
    "raises": ((0, 2, 2), "ok", "^$"),
    "missing": ((0, 2, 2), "ok", "^$"),
    "hog": (ALL, "ok", "cell 7: MemoryError"),
    "hogslow": (ALL, "ok|look", "cell 7: (MemoryError|the time limit)"),
    "hoganswer": ((3, 2, 0), "ok", "^$"),
    "fork": (ALL, "ok", "^$"),
    "forkbomb": (ALL, "look", "cell 7: "),
    "exitcell": (ALL, "look", r"cell 7: the process ended \(exit code 0\)"),
    "exitfunction": ((3, 2, 0), "look", r"largest was stopped: the process ended \(exit code 0\)"),
    "killed": (ALL, "look", r"cell 7: the process was killed \(SIGKILL"),
    "sysexit": (ALL, "ok", "cell 7: SystemExit"),
    "patched": (NONE, "ok|look", ""),
    "forger": (NONE, "look", "cell 7: it wrote a reply that was not asked for"),
    "equal": (NONE, "ok", "^$"),
    "nan": (NONE, "ok", "^$"),
    "liar": (NONE, "ok", "^$"),
    "spy": ((0, 2, 2), "ok", "^$"),
    "network": (ALL, "ok", "cell 7: URLError"),
    "writer": (ALL, "ok", "^$"),
    "magics": (ALL, "ok", "^$"),
    "recursion": ((0, 2, 2), "look", "edge was stopped: "),
    "otherid": (ALL, "other id", "the notebook says STUDENT = 'ada'"),
    "html": (ALL, "ok", "^$"),
    "lost": (ALL, "ok", "^$"),
    "twice": (ALL, "ok", "q1w: 2 cells with text, put together"),
    "reordered": ((3, 0, 2), "ok", "NameError: name 'layers' is not defined"),
    "cut": ((3, 0, 2), "ok", "^$"),
    "odd": ((0, 2, 0), "ok", "^$"),
    "invalid": (NONE, "unreadable", "not JSON"),
    "empty": (NONE, "unreadable", "the file is empty"),
    "list": (NONE, "unreadable", "not JSON"),
    "nocells": (NONE, "unreadable", "the notebook has no cells"),
}


def test_everybody_is_graded(graded):
    assert graded["done"].returncode == 0, graded["done"].stderr
    assert set(table(graded["out"])) == set(EXPECTED)
    said = graded["done"].stdout
    assert said.startswith(f"{len(EXPECTED)} students, {len(EXPECTED)} graded now, ")
    assert "NOT SANDBOXED" not in graded["done"].stderr


@pytest.mark.parametrize("student", EXPECTED)
def test_each_gets_the_points_of_the_work_and_a_reason(graded, student):
    points, status, note = EXPECTED[student]
    row = table(graded["out"])[student]
    assert tuple(int(row[key]) for key in ("q1", "q2", "q3")) == points, row
    assert int(row["auto"]) == sum(points) and row["total"] == "" and row["q1w"] == ""
    assert re.fullmatch(status, row["status"]), row
    assert re.search(note, row["note"]), row
    assert (graded["out"] / "feedback" / f"{student}.html").is_file()


def hints(graded, student) -> list[str]:
    found = json.loads((graded["out"] / ".grading" / f"{student}.json").read_text())
    return [item["hint"] for item in found["items"]]


def test_hints_name_the_mistake(graded):
    assert hints(graded, "ada") == ["", "", "", ""]
    assert hints(graded, "blank") == ["no answer yet"] * 4
    wrong = hints(graded, "wrong")
    assert wrong[0] == "The factor e is missing." and "layer 0" in wrong[2]
    assert "eigenvalue" in wrong[3]
    assert hints(graded, "missing")[0] == "edge is not defined in the notebook"
    assert hints(graded, "cut")[2] == "lengths is not defined in the notebook"
    assert "RuntimeError: <i>my own</i>" in hints(graded, "raises")[0]
    assert "the time limit was reached" in hints(graded, "loopfunction")[3]
    assert "more than 64 MB" in hints(graded, "hoganswer")[3]
    nan = hints(graded, "nan")
    assert "what edge returned is nan" in nan[0] and "7 of 7" not in nan[0]
    assert "NaN or infinite" in nan[2] and "empty array" in nan[3]


def test_odd_text_is_cleaned_and_cut(graded):
    said = hints(graded, "odd")
    assert said[0].startswith("edge: RuntimeError:") and said[3].startswith("Expected a number")
    assert all(len(hint) <= 600 for hint in said)
    with (graded["out"] / "written.csv").open(newline="", encoding="utf-8") as stream:
        texts = {row["student"]: row["text"] for row in csv.DictReader(stream)}
    assert texts["odd"] == "a lone  , a  "


def test_nothing_outside_has_changed(graded):
    assert graded["changed"] == set()
    assert not [f for f in OPEN if (Path(f) / classroom.TRACE).exists()]


def test_nobody_reached_the_network(graded):
    assert graded["listener"].reached == []


def test_a_submission_sees_nothing_of_the_instructor(graded):
    (said,) = {hint for hint in hints(graded, "spy")[:2]}
    assert "spied: [] " in said and said.split("spied: ")[1].startswith("[]  []"), said
    assert SECRET not in said


def test_nobody_is_left_running(graded):
    left = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        here = f"{ROOT}/isolib".encode() in line  # another checkout may be grading as well
        if b"coursework.worker" in line and here:
            left.append(line)
    assert not left


def test_feedback_escapes_what_students_type(graded):
    page = (graded["out"] / "feedback" / "html.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script" not in page
    page = (graded["out"] / "feedback" / "raises.html").read_text("utf-8")
    assert "&lt;i&gt;my own" in page and "<i>" not in page
    page = (graded["out"] / "feedback" / "ada.html").read_text("utf-8")
    assert "&amp; &lt;b&gt;not&lt;/b&gt; more" in page


def test_feedback_and_summary_need_nothing_and_give_nothing_away(graded):
    demo = classroom.demo()
    secret = [c.source for q in demo.questions.values() for c in q.hidden]
    secret += [w.solution for w in demo.written.values()]
    for path in [graded["out"] / "summary.html", *(graded["out"] / "feedback").iterdir()]:
        page = path.read_text("utf-8")
        assert '<html lang="en">' in page and "color-scheme" in page
        assert not re.search(r"(src|href)=\"(https?:)?//", page) and "@import" not in page
        for source in secret:
            assert max(source.split("\n"), key=len).strip() not in page
    summary = (graded["out"] / "summary.html").read_text("utf-8")
    assert summary.count("<svg") == 3 and 'role="img"' in summary
    assert 'aria-label="q1: 16 with 0, 23 with 3 points"' in summary


def test_the_same_answers_are_listed_for_a_persons_eyes(tmp_path):
    from coursework import overview

    def of(student, **answers):
        return {"student": student, "answers": answers}

    results = [of("a", q1="x"), of("b", q1="x"), of("c", q1="y"), of("d", q1=""), of("e", q1="")]
    assert overview.alike(results) == {"q1": [["a", "b"]]}
    many = [of(str(i), q1="x") for i in range(9)]
    assert overview.alike(many) == {}  # where all write the same, nothing follows


@pytest.mark.browser
def test_feedback_and_summary_are_accessible(graded, browser):
    from axe_playwright_python.sync_playwright import Axe

    for name in ("summary.html", "feedback/wrong.html", "feedback/exitfunction.html"):
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
            page.goto((graded["out"] / name).as_uri())
            found = Axe().run(page).response["violations"]
            assert not found, [(v["id"], v["nodes"][0]["html"]) for v in found]
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
            page.close()


# ---- again, stopped, without a sandbox ------------------------------------------------------
def test_a_finished_grade_is_not_run_again_and_none_is_lost(graded, tmp_path):
    out = Path(shutil.copytree(graded["out"], tmp_path / "graded"))
    first = (out / "grades.csv").read_bytes()
    (out / ".grading" / "ada.json").unlink()
    half = (out / ".grading" / "raises.json").read_text()[:100]
    (out / ".grading" / "raises.json").write_text(half)
    done = grade(graded["folder"], out, "--jobs", 2)
    assert f"{len(EXPECTED)} students, 2 graded now" in done.stdout, done.stderr
    assert (out / "grades.csv").read_bytes() == first  # marks are reproducible
    assert "2 graded now" not in grade(graded["folder"], out).stdout
    # other limits, another file: graded again
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(graded["folder"] / "ada_hw.ipynb", alone)
    assert "1 students, 0 graded now" in grade(alone, out).stdout
    text = (alone / "ada_hw.ipynb").read_text()
    (alone / "ada_hw.ipynb").write_text(text.replace("half_step", "half"))
    assert "1 students, 1 graded now" in grade(alone, out).stdout


def test_ctrl_c_keeps_what_is_graded(bubblewrap, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    made = classroom.people(classroom.demo())
    for name in ("ada_hw.ipynb", "loopcell_hw.ipynb", "loopstubborn_hw.ipynb"):
        (folder / name).write_text(made[name])
    line = [sys.executable, "-m", "coursework", "grade", folder, "--assignment", classroom.DEMO]
    line += ["--out", out, "--jobs", "1", "--cell", "4"]
    process = subprocess.Popen(list(map(str, line)), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not (out / ".grading" / "ada.json").exists() and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130 and "what is graded is kept" in said, said
    done = grade(folder, out, "--cell", "4", "--call", "10", "--wall", "300", "--memory", "6144",
                 "--jobs", 2)  # fmt: skip
    assert "3 students, 2 graded now" in done.stdout, done.stdout + done.stderr


def test_without_a_sandbox_the_limits_hold_and_it_is_said_loudly(graded, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    some = ["ada", "wrong", "loopfunction", "loopstubborn", "exitcell", "hog", "forger", "equal"]
    for student in some:
        shutil.copy(graded["folder"] / f"{student}_hw.ipynb", folder)
    done = grade(folder, out, "--sandbox", "none", "--as-root", "--jobs", 2)
    assert done.returncode == 0 and "NOT SANDBOXED: bubblewrap" in done.stderr
    rows, before = table(out), table(graded["out"])
    assert set(rows) == set(some)
    for student, row in rows.items():
        assert row["note"].startswith("NOT SANDBOXED.")
        assert [row[k] for k in ("q1", "q2", "q3", "status")] == [
            before[student][k] for k in ("q1", "q2", "q3", "status")
        ]
    assert "NOT SANDBOXED" in (out / "summary.html").read_text("utf-8")
    if sandbox.risky():
        done = grade(folder, tmp_path / "other", "--sandbox", "none")
        assert done.returncode == 2 and "would run as root" in done.stderr


def test_bubblewrap_for_a_user_who_is_not_root(bubblewrap, monkeypatch):
    monkeypatch.setattr(sandbox.os, "getuid", lambda: 1000)
    assert "--unshare-all" in sandbox.bwrap_command()
    sandbox.available.cache_clear()
    try:
        assert sandbox.available()
    finally:
        sandbox.available.cache_clear()


def test_where_it_cannot_begin_it_says_why(tmp_path):
    (tmp_path / "in").mkdir()
    done = grade(tmp_path / "in", tmp_path / "out")
    assert done.returncode == 2 and "no .ipynb file in" in done.stderr
    done = grade(tmp_path / "nowhere", tmp_path / "out")
    assert done.returncode == 2 and "no folder" in done.stderr
    (tmp_path / "in" / "ada.ipynb").write_text("{}")
    (tmp_path / "file").write_text("")
    done = grade(tmp_path / "in", tmp_path / "file")
    assert done.returncode == 2 and "cannot write to" in done.stderr
    done = command("grade", tmp_path / "in", "--assignment", "ps0", "--out", tmp_path / "out")
    assert done.returncode == 2 and "no problem set 'ps0'. There are:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "usage:" in command().stderr


# ---- marks by hand --------------------------------------------------------------------------
def fill(path: Path, points: dict, semicolons=False):
    """Type points into written.csv as a spreadsheet would save it."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["points"] = points.get(row["student"], row["points"])
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        out = csv.DictWriter(stream, rows[0], delimiter=";" if semicolons else ",")
        out.writeheader()
        out.writerows(rows)


def test_marks_typed_by_hand_are_merged_and_kept(graded, tmp_path):
    out = Path(shutil.copytree(graded["out"], tmp_path / "graded"))
    with (out / "written.csv").open(newline="") as stream:
        texts = {row["student"]: row["text"] for row in csv.DictReader(stream)}
    assert texts["ada"].startswith("The *saddle*") and texts["blank"] == "(nothing written)"
    fill(out / "written.csv", {"ada": "2.5", "ben": "3"})
    done = command("marks", out)
    assert done.returncode == 0 and f"2 marks merged; {len(EXPECTED) - 2} are still" in done.stdout
    rows = table(out)
    assert (rows["ada"]["q1w"], rows["ada"]["total"]) == ("2.5", "9.5")
    assert rows["ben"]["total"] == "10" and rows["wrong"]["total"] == ""
    assert "In all: <strong>9.5 of 10 points" in (out / "feedback" / "ada.html").read_text()
    fill(out / "written.csv", {"wrong": "0,5"}, semicolons=True)
    assert "3 marks merged" in command("marks", out).stdout
    assert table(out)["wrong"]["total"] == "0.5"
    # graded once more: what was typed stays
    assert grade(graded["folder"], out).returncode == 0
    assert table(out)["ada"]["total"] == "9.5"


@pytest.mark.parametrize(
    "row, said",
    [
        ("zoe,q1w,3,1,x", r"row \d+ \(zoe, q1w\): there is no such student"),
        ("cut,q9,3,1,x", r"\(cut, q9\): there is no such part; there are q1w"),
        ("cut,q1w,3,4,x", r"points must be from 0 to 3, got '4'"),
        ("cut,q1w,3,-1,x", r"from 0 to 3, got '-1'"),
        ("cut,q1w,3,nan,x", r"from 0 to 3, got 'nan'"),
        ("cut,q1w,3,full,x", r"from 0 to 3, got 'full'"),
        ("cut,q1w,3,1,x\ncut,q1w,3,2,x", r"stands there twice"),
    ],
)
def test_a_bad_mark_changes_nothing_and_is_named(graded, tmp_path, row, said):
    out = Path(shutil.copytree(graded["out"], tmp_path / "graded"))
    before = (out / "grades.csv").read_bytes()
    (out / "written.csv").write_text("student,key,max,points,text\n" + row + "\n")
    done = command("marks", out)
    assert done.returncode == 2 and re.search(said, done.stderr), done.stderr
    assert (out / "grades.csv").read_bytes() == before


def test_marks_of_nothing_are_refused(tmp_path):
    done = command("marks", tmp_path)
    assert done.returncode == 2 and "holds no graded class" in done.stderr


def test_a_spreadsheet_takes_no_text_for_a_formula():
    from coursework import sheets

    assert sheets.safe('=HYPERLINK("x")') == '\'=HYPERLINK("x")' and sheets.safe("a=b") == "a=b"
