"""What a dishonest student, a strange file name and a lazy answer must not achieve."""

import csv
import os
import time
from types import SimpleNamespace

import classroom
import numpy as np
import pytest

from coursework import batch, bubblewrap, collect, grading, notebook, seccomp, sheets, source
from coursework.__main__ import main
from coursework.marking import Checks
from coursework.sandbox import Limits
from coursework.session import AnswerError, Code, Session, usable
from coursework.variant import Variants
from isolib import exercises

# in CI nothing is skipped: a sandbox that has stopped working must be seen
sandboxed = pytest.mark.skipif(
    not bubblewrap.available() and not os.environ.get("CI"), reason="bubblewrap is not here"
)


# ---- points without the work ----------------------------------------------------------------
class Lazy:
    """A session whose every answer is one value, or one function of the arguments."""

    limits = SimpleNamespace(check=20)

    def __init__(self, made):
        self.made = made

    def answer(self, name):
        if callable(self.made):
            return lambda *args: usable(self.made(*args), name)
        return self.made

    def stop(self):
        pass


LAZY = {
    **{str(c): lambda *args, c=c: c for c in (0, 1, 2, "none", "outlier", "scale", [1, 1])},
    "the argument": lambda first, *rest: first,
    "huge": lambda *args: np.array([1.7e308, -1.7e308]),
    "beyond a double": lambda *args: np.array(["1e4000", "-1e4000"], dtype=np.longdouble),
    "kernels of the right norm": lambda c, k: np.full((k, c, c), (c * k) ** -0.5),
    "kernels of one place": lambda c, k: np.eye(c) * (np.arange(k) == 0)[:, None, None],
    "a number": 1.0,
    "a list": [0.5, 0.5],
}


# lazy answers are zeros and the like: a check that divides by them may warn, as long as it refuses
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("key", ["demo", *source.known()])
def test_no_point_is_earned_without_the_work(key):
    assignment = classroom.demo() if key == "demo" else source.load(key)
    checks = grading.checks_of(assignment)
    given = Variants(assignment, checks.namespace).given("ada")
    for question in assignment.questions.values():
        for name, made in LAZY.items():
            for item in checks.marks(question, Lazy(made), given):
                assert not item.earned, f"{question.key}, {item.what}: {name} earns a point"


def test_numbers_that_make_a_check_compare_nan_are_refused():
    huge = 1.7e308
    for value in (huge, complex(huge, huge), 10**1000, -(10**80), np.longdouble("1e4000"),
                  np.array([1, -huge]), [np.array(huge * 1j)]):  # fmt: skip
        with pytest.raises(AnswerError, match="above 1e\\+75"):
            usable(value, "it")
    assert usable([10**70, 1e70j, True, np.array([1e70]), np.array([True])], "it")


def test_an_imaginary_part_is_not_dropped():
    assert exercises.number(np.complex128(2 + 3j), 2.0, rtol=1e-6).startswith("2+3j is not it")
    assert exercises.number(np.complex128(2 + 1e-17j), 2.0, rtol=1e-6) is None
    points = np.array([1.0, 2.0])
    assert exercises.function_of(lambda x: x + 3j, points, lambda x: x, rtol=1e-6)
    assert exercises.function_of(lambda x: x + 0j, points, lambda x: x, rtol=1e-6) is None


@sandboxed
def test_a_slow_answer_does_not_cost_the_next_question_its_points():
    demo = classroom.demo()
    checks = Checks(demo)
    given = Variants(demo, checks.namespace).given("ada")
    slow = "import time\ndef edge(depth):\n    time.sleep(2)\n    return 1"
    right = demo.questions["q3"]
    cells = [Code(1, slow), Code(2, right.solution)]
    with Session(demo.setup, given, "ada", cells) as session:
        (first, *_) = demo.questions["q1"].hidden
        said = checks.hint(first, session, "edge", given, 0.5)
        assert said == "the check took more than 0.5 s with your answer"
        assert [item.earned for item in checks.marks(right, session, given)] == [2]
        assert session.notes == []


# ---- harm -----------------------------------------------------------------------------------
HIDDEN_MEMORY = """
import ctypes, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def said(result):
    return os.strerror(ctypes.get_errno()) if result == -1 else "done"
tried = [said(libc.memfd_create(b"x", 0)), said(libc.shmget(0, 1 << 20, 0o1600))]
tried += [said(libc.unshare(0x10000000))]
child = subprocess.run(["python", "-c", "print(6 * 7)"], capture_output=True, text=True).stdout
import threading
threading.Thread(target=lambda: tried.append("thread")).start()
"""


@sandboxed
@pytest.mark.skipif(not seccomp.program(), reason="no filter for this machine")
def test_memory_that_no_process_owns_is_refused():
    with Session("", {}, "ada", [Code(1, HIDDEN_MEMORY)]) as session:
        assert session.notes == []
        assert session.answer("tried") == ["Function not implemented"] * 3 + ["thread"]
        assert session.answer("child") == "42\n"


@sandboxed
def test_a_cell_of_megabytes_costs_itself_and_nothing_else():
    cells = [Code(1, "a = 1"), Code(2, "b = '" + "x" * (9 << 20) + "'"), Code(3, "c = a + 1")]
    with Session("", {}, "ada", cells, limits=Limits(cell=5)) as session:
        assert session.answer("c") == 2
        assert session.notes == ["cell 2: too large: more than 8 MB of lists and text"]


def test_a_text_of_markers_takes_no_time():
    started = time.perf_counter()
    assert not notebook.MARKED.search("<!-- answer a " * 10**5)
    assert time.perf_counter() - started < 5  # quadratic, this was ten minutes


def test_what_python_brings_into_the_sandbox_may_hold_no_submissions(
    tmp_path, monkeypatch, capsys
):
    assert not bubblewrap.shown(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ada.ipynb").write_text("{}")
    monkeypatch.setattr(bubblewrap.sys, "prefix", str(tmp_path))  # python -m venv . in the folder
    monkeypatch.setattr(bubblewrap, "available", lambda: True)
    line = ["grade", f"{tmp_path}/in", "--assignment", str(classroom.DEMO), "--out"]
    assert main([*line, f"{tmp_path}/out"]) == 2
    assert "in lies in a folder that submissions can read" in capsys.readouterr().err


# ---- other students -------------------------------------------------------------------------
def test_no_two_students_have_one_file():
    taken = batch.slug("Ben O")
    names = ["ada", "Ada", "ada.", "Ben O", taken, batch.slug(taken), "..", "../x", "é" * 99, ""]
    files = [batch.slug(name) for name in names]
    assert files[0] == "ada" and len({file.casefold() for file in files}) == len(names)
    assert not any("/" in file or file.startswith((".", "_")) or not file for file in files)


@sandboxed
def test_strange_names_and_links_harm_nobody(tmp_path):
    demo, folder, out = classroom.demo(), tmp_path / "in", tmp_path / "out"
    folder.mkdir()

    def put(name, student, **how):
        text = classroom.as_file(classroom.solved(demo, student, **how))
        with open(os.path.join(os.fsencode(folder), os.fsencode(name)), "w") as stream:
            stream.write(text)

    blanks = {q.key: q.starter for q in demo.questions.values()}
    put("Ben O_1.ipynb", "Ben O", text="fine;=1+1\n@x")
    put(f"{batch.slug('Ben O')}_1.ipynb", "evil", answers=blanks, text="")
    put("class_1.ipynb", "class")
    put(b"\xff\xfe_1.ipynb", "x", answers=blanks)
    put("=1;\n=HYPERLINK(1)_1.ipynb", "x", answers=blanks)
    (folder / "link_1.ipynb").symlink_to(folder / "class_1.ipynb")
    line = ["grade", str(folder), "--assignment", str(classroom.DEMO), "--out", str(out)]
    assert main(line) == 0
    with (out / "grades.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["student"]: row for row in csv.DictReader(stream)}
    assert len(rows) == 6 and r"\xff\xfe" in rows and "'=1; '=HYPERLINK(1)" in rows
    assert rows["Ben O"]["auto"] == rows["class"]["auto"] == "7"
    assert rows[batch.slug("Ben O")]["auto"] == "0"
    assert rows["link"]["status"] == "unreadable" and "is a link" in rows["link"]["note"]
    assert len(list((out / "feedback").iterdir())) == 6
    assert "fine;'=1+1\n'@x" in (out / "written.csv").read_text("utf-8")
    assert main(["marks", str(out)]) == 0
    work = batch.Batch(demo, out, limits=Limits(), sandboxed=True)
    (own,) = [e for e in collect.collect(folder) if e.student == "class"]
    assert batch.stored(work.target(own))["student"] == "class"


def test_a_formula_is_none_where_a_spreadsheet_cuts_the_text_elsewhere():
    assert sheets.safe("a;=1\n +2\t@x") == "a;'=1\n '+2\t'@x"
    assert sheets.safe("x = y; a - b") == "x = y; a - b"
