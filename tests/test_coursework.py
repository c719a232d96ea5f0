"""Problem sets as sources, as notebooks and as archives; every mistake an author can make."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import classroom
import jupytext
import nbformat
import numpy as np
import pytest

from coursework import (
    blanks,
    build,
    collect,
    gradescope,
    leaks,
    notebook,
    protocol,
    sandbox,
    selftest,
    source,
    submission,
    variant,
)
from coursework.__main__ import main
from coursework.marking import Checks
from coursework.reading import SourceError, read
from coursework.session import AnswerError, Code, Session, usable

ROOT = Path(__file__).resolve().parent.parent
TEXT = classroom.DEMO.read_text(encoding="utf-8")
SETS = [classroom.DEMO, *(source.FOLDER / f"{key}.md" for key in source.known())]


@pytest.fixture(scope="module")
def demo():
    return classroom.demo()


@pytest.fixture
def edited(tmp_path):
    """The demo with some text changed: a path."""

    def change(old: str, new: str, count: int = 1):
        assert old in TEXT
        path = tmp_path / "demo.md"
        path.write_text(TEXT.replace(old, new, count), encoding="utf-8")
        return path

    return change


# ---- sources --------------------------------------------------------------------------------
def test_the_demo_is_read(demo):
    assert (demo.key, demo.points, demo.auto_points, demo.hours) == ("demo", 10, 7, 1)
    assert list(demo.questions) == ["q1", "q2", "q3"] and list(demo.written) == ["q1w"]
    q1 = demo.questions["q1"]
    assert q1.title == "Question 1: the edge" and len(q1.hidden) == 2 and q1.points == 3
    assert 'raise NotImplementedError("edge: yours to write")' in q1.starter
    assert "half_step" in q1.solution and "SOLUTION" not in q1.solution
    assert demo.questions["q2"].starter == "lengths = ...  # yours to write"
    assert "model answer" in demo.written["q1w"].solution


@pytest.mark.parametrize("path", SETS, ids=lambda p: p.stem)
def test_jupytext_reads_the_same_cells(path):
    theirs = jupytext.read(path, fmt="md:myst")
    _, ours = read(path)
    assert [(c.kind, c.source.strip()) for c in ours] == [
        (c.cell_type, c.source.strip()) for c in theirs.cells
    ]
    assert [c.meta for c in ours] == [dict(c.metadata) for c in theirs.cells]
    lines = path.read_text("utf-8").split("\n")
    for cell in ours:
        if cell.source:
            assert lines[cell.line - 1] == cell.source.split("\n")[0]


HIDDEN = ":tags: [hidden]\n:key: q1\n:points: 2\n"
MISTAKES = [
    ("---\nkernel", "kernel", "no front matter"),
    ("assignment: {", "assignmint: {", "front matter has no entry such as assignment:"),
    ("hours: 1}", "hours: 1", "front matter: "),
    ("hours: 1}", "hours: -2}", "hours must be a positive number, got -2"),
    ("key: demo", "key: Demo 1", "key 'Demo 1' must be small letters"),
    (', hours: 1}', "}", "lacks 'hours'"),
    (', hours: 1}', ", hours: 1, color: red}", "unknown entry 'color'"),
    ("[setup]", "[setpu]", r"line \d+ \(cell 2, setpu\): unknown tag 'setpu'.*mean 'setup'"),
    ("[setup]", "[written]", "belongs to a \\+\\+\\+ line"),
    ("[setup]", "[setup, variant]", "one tag a cell, got setup, variant"),
    ("[variant]", "[setup]", "no cell tagged 'variant'"),
    ("def variant(rng)", "def variants(rng)", r"must define the function variant\(rng\)"),
    (":name: edge\n", "", "needs the option 'name'"),
    (":name: edge", ":name: edge-1", "'edge-1' is not a Python name"),
    (":name: edge", ":name: ledge", "does not define 'ledge'"),
    (":name: edge", ":name: edge\n:nmae: edge", "has no option 'nmae'"),
    (":name: largest", ":name: edge", "does not define 'edge'"),
    ("    # BEGIN SOLUTION\n", "", "END SOLUTION without BEGIN"),
    ("    # END SOLUTION\n", "", "BEGIN SOLUTION without END"),
    ("    # BEGIN SOLUTION\n    half", "    # BEGIN SOLUTION\n    # BEGIN SOLUTION\n    half",
     "BEGIN SOLUTION inside"),
    ("return np.e * half_step", "return np.e * (half_step", r"answer q1\): not Python"),
    (HIDDEN, HIDDEN.replace("2", "none"), "points must be a positive number, got 'none'"),
    (HIDDEN, HIDDEN.replace("2", "-1"), "points must be a positive number, got -1"),
    (HIDDEN, HIDDEN.replace("q1", "q7"), r"hidden q7\): no answer .*'q7' stands above it"),
    (HIDDEN, HIDDEN.replace("q1", "q1w"), "no answer or written part 'q1w' stands above"),
    (":what: the edge at your own depth\n", "", "needs the option 'what'"),
    (":what: the edge at your", ":what: the edge: at your", "put a value that holds a colon"),
    ("def check(answer, given):\n    depth", "def check(answer):\n    depth",
     r"must define the function check\(answer, given\)"),
    ("    depth = given", "    depth == = given", r"hidden q1\): not Python"),
    (":key: q2\n:name: lengths", ":key: q1\n:name: lengths", "key 'q1' is used twice"),
    ('"points": 3}', '"points": 3', "what follows \\+\\+\\+ must be JSON"),
    ('"points": 3}', '"points": 0}', "points must be a positive number, got 0"),
    ('{"tags": ["marking"], "key": "q1w"}', "", "'q1w' has no cell tagged 'marking'"),
    ('{"tags": ["solution"], "key": "q1w"}', '{"tags": ["solution"], "key": "q1"}',
     "'q1' is an answer cell"),
    ("Write `edge(depth)`", "See {eq}`eq-x`", r"'\{eq\}`' shows in the book only"),
    ("Write `edge(depth)`", "```{note}\nx\n```\n", "'```{' shows in the book only"),
    ("## Question 1: the edge", "No heading", "stands before the first heading"),
    ("## Question 1: the edge", "## Question 1: the edge (9 points)", r"should say \(6 points\)"),
    ("## Question 1: the edge", "There are 12 points.\n\n## Question 1: the edge", "add up to 10"),
    ("    return float(np.sqrt(np.linalg.eigvalsh(matrix.T @ matrix)[-1]))\n```",
     "    return 1", "this code cell is not closed"),
]  # fmt: skip


@pytest.mark.parametrize("old, new, said", MISTAKES, ids=[m[2][:40] for m in MISTAKES])
def test_a_mistake_in_a_source_is_named_with_its_place(edited, old, new, said):
    with pytest.raises(SourceError, match=said) as caught:
        source.load(edited(old, new))
    assert all(line.startswith("demo.md, ") or line.startswith("demo.md:") for line in
               caught.value.mistakes)  # fmt: skip


def test_all_mistakes_are_said_at_once(edited):
    path = edited("[setup]", "[setpu]")
    path.write_text(path.read_text().replace(":name: edge", ":name: wedge"))
    with pytest.raises(SourceError) as caught:
        source.load(path)
    assert len(caught.value.mistakes) == 2


def test_an_unknown_set_lists_the_known(capsys):
    assert main(["check", "ps77"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("no problem set 'ps77'. There are: ")
    assert all(key in said for key in source.known())


# ---- blanks ---------------------------------------------------------------------------------
def test_blanks_keep_what_is_given():
    cell = (
        "def f(x):\n    y = 1\n    for i in x:\n        # BEGIN SOLUTION\n        y += i\n"
        "        # END SOLUTION\n    return y\n%matplotlib inline\nz = (\n    # BEGIN SOLUTION\n"
        "    5\n    # END SOLUTION\n)"
    )
    starter, solution = blanks.split(cell, "f")
    assert '        raise NotImplementedError("f: yours to write")\n    return y' in starter
    assert "z = (\n    ...  # yours to write\n)" in starter and "y += i" not in starter
    assert "        y += i\n    return y" in solution


def test_a_starter_must_be_python():
    with pytest.raises(ValueError, match="without its solution it is not Python"):
        blanks.split("# BEGIN SOLUTION\nx = (1 +\n# END SOLUTION\n2)", "x")


# ---- variants -------------------------------------------------------------------------------
def test_variants_are_the_students_own_and_the_same_everywhere(demo):
    variants = variant.Variants(demo, {})
    assert variants.given("ada") == variants.given(" ADA ") == {"depth": 6, "gain": 1.5}
    made = {json.dumps(variants.given(f"s{i}")) for i in range(200)}
    assert len(made) > 30


def test_the_notebook_draws_the_same_numbers(demo):
    space = {"STUDENT": " Ben"}
    exec(demo.variant + "\n" + variant.NOTEBOOK.format(key="demo"), space)
    assert space["given"] == variant.Variants(demo, {}).given("ben")


@pytest.mark.parametrize(
    "new, said",
    [
        ("return {'depth': rng.integers(5)}", "type int64: make it a plain number"),
        ("return [1]", "must return a dict"),
        ("return {}['x']", "variant for the student 'ada': 'x'"),
    ],
)
def test_a_variant_that_is_not_plain_is_refused(edited, new, said):
    old = 'return {"depth": int(rng.integers(5, 10)), "gain": float(rng.integers(11, 19)) / 10}'
    with pytest.raises(SourceError, match=said):
        variant.Variants(source.load(edited(old, new)), {}).given("ada")


# ---- the protocol ---------------------------------------------------------------------------
def across(value, callables=False):
    data = protocol.pack({"id": 1}, value, callables)
    sizes = protocol.HEADER.unpack(data[: protocol.HEADER.size])
    body = data[protocol.HEADER.size :][: sizes[1]]
    blob = data[protocol.HEADER.size + sizes[1] :]
    return protocol.unpack(body, blob, function=lambda path: ("function", path))["value"]


@pytest.mark.parametrize(
    "value",
    [None, True, 3, -(2**200), 2.5, float("inf"), 1 + 2j, "ß", [1, (2.0, "x")], {"a": {1: [None]}},
     (), {}, [[]]],
    ids=repr,
)  # fmt: skip
def test_plain_values_cross_unchanged(value):
    assert across(value) == value and type(across(value)) is type(value)


def test_arrays_and_tensors_cross_unchanged():
    import torch

    for array in (
        np.arange(6).reshape(2, 3).T,
        np.zeros((0, 3)),
        np.array(3.0),
        np.array([True]),
        np.ones(2, complex),
        np.arange(3, dtype=">f4"),
        np.float32(1.5),
    ):
        got = across(array)
        assert np.array_equal(got, array) and got.shape == array.shape
        assert got.dtype.newbyteorder("=") == np.asarray(array).dtype.newbyteorder("=")
    for tensor in (torch.eye(2, requires_grad=True), torch.arange(3), torch.ones(1).double()):
        got = across(tensor)
        assert torch.equal(got, tensor) and got.dtype == tensor.dtype
    assert across({"f": len, "x": 1}, callables=True) == {"f": ("function", ["f"]), "x": 1}


def test_only_the_plain_part_of_a_clever_value_crosses():
    class Number(float):
        def __eq__(self, other):
            return True

        __hash__ = float.__hash__

    class Text(str):
        pass

    class Array(np.ndarray):
        def __array_ufunc__(self, *_, **__):
            return True

    for value in (Number(2.5), Text("x"), np.arange(3).view(Array), {Text("k"): [Number(1)]}):
        got = across(value)
        assert type(got) in (float, str, np.ndarray, dict)
    assert across(Number(2.5)) != 3.0 and type(across([Number(1)])[0]) is float


@pytest.mark.parametrize(
    "value, said",
    [
        (object(), "type object cannot be sent"),
        (len, "type builtin_function_or_method cannot be sent"),
        (np.array([None]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        ({(1, 2): 3}, "key of type tuple"),
        (2**5000, "more than 4096 bits"),
        ([0] * 300_000, "too many parts"),
        (np.zeros(10**7), "more than 64 MB"),
        ("x" * 10**7, "more than 8 MB"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_what_cannot_cross_is_said(value, said):
    with pytest.raises(protocol.ProtocolError, match=said):
        protocol.pack({}, value)


def test_nothing_that_is_forged_is_believed():
    deep = b'{"value":' + b'{"l":[' * 3000 + b"]}" * 3000 + b"}"
    for body in (
        b"", b"[]", b"\xff", b"{", deep, b"[" * 10**5,
        b'{"value": {"a": ["O", [1], 0]}}', b'{"value": {"a": ["<f8", [9], 0]}}',
        b'{"value": {"a": ["<f8", [-1], 0]}}', b'{"value": {"a": ["<f8", [1e9, 1e9], 0]}}',
        b'{"value": {"a": ["<f8", [99999999, 99999999, 99999999], 0]}}',
        b'{"value": {"a": ["V8", [1], 0]}}', b'{"value": {"i": "0xzz"}}',
        b'{"value": {"d": [[{"l": []}, 1]]}}', b'{"value": {"x": 1}}', b'{"value": {}}',
        b'{"value": {"F": ["a"]}}', b'{"value": [1]}', b'{"value": {"c": [1]}}',
    ):  # fmt: skip
        with pytest.raises(protocol.ProtocolError):
            protocol.unpack(body, b"\0" * 8)
    with pytest.raises(protocol.ProtocolError, match="no message"):
        protocol.receive(lambda n: b"ALL PASSED  "[:n])
    with pytest.raises(protocol.ProtocolError, match="larger"):
        protocol.receive(lambda n: protocol.HEADER.pack(b"iso1", 2**31, 0))


@pytest.mark.parametrize(
    "value, said",
    [
        (float("nan"), "is nan, not a finite number"),
        (complex("inf"), "not a finite number"),
        ([1, [float("inf")]], "is inf, not"),
        (np.array([1, np.nan]), "1 of 2 entries NaN"),
        (np.array([]), "empty array"),
        ([], "is empty"),
        ({"a": ()}, "is empty"),
        (..., "still blank"),
    ],
)
def test_what_no_right_answer_holds_is_refused(value, said):
    with pytest.raises(AnswerError, match=said):
        usable(value, "it")
    assert usable({"a": [1, "x", None, np.eye(2)]}, "it")


# ---- a session ------------------------------------------------------------------------------
def test_a_session_calls_functions_and_reads_values():
    cells = [
        Code(1, "a = 3"),
        Code(2, "def f(x, *, y=1): return {'sum': x + y, 'given': given['d']}"),
        Code(3, "table = {'f': f, 'n': 2, 'deep': {'g': lambda v: v * 2}}"),
        Code(4, "b = 1 / 0"),
        Code(5, "given['d'] = 100; STUDENT = 'x'"),
        Code(6, "def make(): return lambda: 1\nprint('noise' * 10**6)"),
    ]
    with Session("import math", {"d": 7}, "ada", cells) as session:
        assert session.answer("a") == 3
        f = session.answer("f")
        assert f(2, y=3)["sum"] == 5 and "submission" in repr(f)
        table = session.answer("table")
        assert table["n"] == 2 and table["deep"]["g"](4) == 8
        assert session.notes == ["cell 4: ZeroDivisionError: division by zero (at: b = 1 / 0)"]
        with pytest.raises(AnswerError, match="NameError: b is not defined"):
            session.answer("b")
        with pytest.raises(AnswerError, match="f: TypeError"):
            f("x")
        with pytest.raises(AnswerError, match="type function cannot be sent"):
            session.answer("make")()
        with pytest.raises(TypeError, match="calls f with something odd: a value of type set"):
            f({1})


def test_a_set_up_that_fails_and_a_wall_that_is_reached_are_said():
    with Session("1 / 0", {}, "ada", []) as session:
        assert "set-up cell of the problem set failed: ZeroDivisionError" in session.broken
        with pytest.raises(AnswerError, match="not run: the set-up"):
            session.answer("a")
    slow = sandbox.Limits(cell=9, wall=1.0)
    with Session("", {}, "ada", [Code(1, "import time; time.sleep(5)")], limits=slow) as session:
        with pytest.raises(AnswerError, match=r"the time for one submission \(1 s\) was over"):
            session.answer("a")


# ---- the self-test --------------------------------------------------------------------------
@pytest.mark.parametrize("path", SETS, ids=lambda p: p.stem)
def test_every_set_keeps_its_word(path):
    """The wrong-solution suite: solutions and `right` pass, `wrong` fail and are told why."""
    test = selftest.SelfTest(source.load(path), say=lambda *_: None)
    assert test.run(students=1), test.report()
    print(test.report())


FAULTS = [
    ("return np.e * half_step", "return np.e * half_step + 1",
     "answer q1.*hidden check of line .* refuses it"),
    ("depth + 0.5: \"The factor e is missing.\", ", "", "no hint says 'factor e'; the hints are"),
    ("exact = np.linalg.svd(matrix, compute_uv=False)[0]", "return None",
     "wrong q3.*give this wrong answer full marks"),
    ("return (2 * depth + 1) * np.exp(1) / 2", "return 1", "right q1.*refuses it: 1 is not it"),
    ("    return np.e * depth\n", "    return missing\n", "no hint says 'half'"),
    ("layers = np.arange(1, given", "layers = np.arange(1, nobody", "cell 16|NameError"),
]  # fmt: skip


@pytest.mark.parametrize("old, new, said", FAULTS, ids=range(len(FAULTS)))
def test_the_self_test_finds_a_source_that_lies(edited, old, new, said):
    test = selftest.SelfTest(source.load(edited(old, new)), say=lambda *_: None)
    good = test.run(students=1)
    assert not good and re.search(said, test.report(), re.S), test.report()
    assert "FAULT demo.md" in test.report()


def test_a_check_that_does_not_compile_is_said(edited):
    path = edited(
        "def check(answer, given):\n    depth", "1 / 0\ndef check(answer, given):\n    depth"
    )
    with pytest.raises(SourceError, match=r"demo.md, line \d+ \(hidden q1\): ZeroDivisionError"):
        Checks(source.load(path))


def test_the_command_reports(capsys):
    assert main(["check", str(classroom.DEMO), "--students", "1"]) == 0
    said = capsys.readouterr().out
    assert "demo: 3 questions for 7 points, 1 written parts for 3, 10 in all" in said
    assert "tried: 3 solutions, 5 wrong and 3 other right answers" in said
    assert said.rstrip().endswith("all is well")


# ---- notebooks and the leak check -----------------------------------------------------------
@pytest.mark.parametrize("path", SETS, ids=lambda p: p.stem)
def test_a_students_notebook_is_whole_and_leaks_nothing(path):
    one = source.load(path)
    text = build.student_text(one, "https://github.com/owner/name")
    assert text == build.student_text(source.load(path), "https://github.com/owner/name")
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    sources = [cell.source for cell in book.cells]
    assert sources[0].startswith("# @title Run this first: it installs isolib")
    assert 'STUDENT = "your id"' in sources[1]
    assert sources[2].startswith("# @title Set-up") and book.cells[2].metadata.cellView == "form"
    for q in one.questions.values():
        assert q.starter in sources
        assert not q.public or notebook.check_call(one, q) in sources
    for w in one.written.values():
        assert any(s.startswith(f"<!-- answer {w.key}:") for s in sources)
    whole = "\n".join(sources)
    for word in ("BEGIN SOLUTION", "END SOLUTION", ":points:", "[hidden]"):
        assert word not in whole
    solved = "\n".join(c["source"] for c in notebook.solution(one))
    for q in one.questions.values():
        assert q.solution in solved and all(c.source in solved for c in q.hidden)
    for w in one.written.values():
        assert w.solution in solved and w.marking.split("\n")[0] in solved


def test_the_leak_check_sees_each_kind(demo):
    student = notebook.student(demo)
    assert not leaks.leaks(demo, student)
    secret = {
        "half_step = depth + 0.5": "the solution of q1",
        "lengths = given['gain'] ** layers".replace("'", '"'): "the solution of q2",
        'exact = np.cumprod(np.full(given["depth"], given["gain"]))': "a hidden cell of q2",
        "return np.abs(np.linalg.eigvals(matrix)).max()": "a wrong cell of q3",
        "One point for the saddle, two for the limit of a long chain.": "the marking of q1w",
        demo.written["q1w"].solution: "the solution of q1w",
    }
    for line, where in secret.items():
        for place in (2, 4, len(student) - 1):  # the folded cell as well
            cells = [dict(cell) for cell in student]
            cells[place]["source"] += f"\n    {line}\n"
            (found,) = leaks.leaks(demo, cells)
            assert found.startswith(f"cell {place + 1} of the student's notebook holds {where}")
            assert line in found
        cells = [dict(cell) for cell in student]
        cells[5]["metadata"] = {"note": line}
        assert '"' in line or leaks.leaks(demo, cells)


def test_a_leak_stops_the_build(edited, tmp_path, capsys):
    old = "def check(answer, given):\n    if not np.ndim"
    new = old.replace("    if", "    half_step = depth + 0.5\n    if")
    path = edited(old, new)
    assert main(["build", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "cell 3 of the student's notebook holds the solution of q1: half_step" in said
    assert not list((tmp_path / "out").iterdir())


def test_a_solution_that_fails_stops_the_build(edited, tmp_path, capsys):
    path = edited("return np.e * half_step", "return 2.7 * half_step")
    assert main(["build", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "hidden check" in capsys.readouterr().err and not list((tmp_path / "out").iterdir())


def test_build_writes_three_files_and_says_where(tmp_path, capsys):
    assert main(["build", str(classroom.DEMO), "--out", str(tmp_path / "a")]) == 0
    assert main(["build", str(classroom.DEMO), "--out", str(tmp_path / "b")]) == 0
    names = ["demo-gradescope.zip", "demo-solution.ipynb", "demo-student.ipynb"]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == names
    for name in names:  # the same source, the same bytes
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    (tmp_path / "file").write_text("")
    assert main(["build", str(classroom.DEMO), "--out", str(tmp_path / "file")]) == 2
    assert "cannot write to" in capsys.readouterr().err


# ---- Gradescope -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def autograder(demo, tmp_path_factory):
    """A fake /autograder with the archive unpacked; run(text, users) returns results.json."""
    root = tmp_path_factory.mktemp("autograder")
    archive = root / "demo.zip"
    archive.write_bytes(gradescope.archive(demo))
    with zipfile.ZipFile(archive) as held:
        modes = {i.filename: i.external_attr >> 16 for i in held.infolist()}
        held.extractall(root / "source")
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    for name in ("setup.sh", "run_autograder"):
        subprocess.run(["bash", "-n", root / "source" / name], check=True)

    def run(files: dict, users=({"email": "ada@example.org", "id": 7, "name": "Ada"},)):
        folder = root / "submission"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        (root / "submission_metadata.json").write_text(json.dumps({"users": list(users)}))
        path = str(root / "source")
        env = {**os.environ, "AUTOGRADER": str(root), "PYTHONPATH": path}
        command = [sys.executable, "-m", "coursework.gradescope"]
        done = subprocess.run(command, cwd=path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads((root / "results" / "results.json").read_text())

    return run


def test_gradescope_gets_its_results(demo, autograder):
    text = classroom.as_file(classroom.solved(demo, "ada"))
    got = autograder({"x.ipynb": text})
    assert got["score"] == 7 and [t["max_score"] for t in got["tests"]] == [2, 1, 2, 2]
    assert got["extra_data"] == {"student": "ada", "status": "ok"}
    assert "q1w (3 points) is read and marked by a person" in got["output"]
    assert {t["visibility"] for t in got["tests"]} == {"after_published"}
    wrong = {"q1": demo.questions["q1"].wrong[0].source}
    got = autograder({"x.ipynb": classroom.as_file(classroom.solved(demo, "zoe", wrong))})
    assert got["score"] == 4 and got["tests"][0]["output"] == "The factor e is missing."
    assert got["extra_data"] == {"student": "ada@example.org", "status": "other id"}
    assert autograder({})["output"] == "There is no .ipynb file in this submission."
    assert autograder({"a.ipynb": "{"})["score"] == 0


# ---- files ----------------------------------------------------------------------------------
def test_students_are_found_in_names(tmp_path):
    names = {
        "ada.ipynb": "ada",
        "ben_12_34_ps1.ipynb": "ben",
        "cy-2.ipynb": "cy",
        "dee (1).ipynb": "dee",
        "Eve Long_99_assignsubmission_file_/ps1.ipynb": "Eve Long",
        "submission_123/ps1.ipynb": "submission_123",
        "submission_124/ps1.ipynb": "submission_124",
    }
    for name in (*names, ".ipynb_checkpoints/x.ipynb", "__MACOSX/._y.ipynb", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = {e.path.relative_to(tmp_path).as_posix(): e.student for e in collect.collect(tmp_path)}
    assert found == names
    table = tmp_path / "roster.csv"
    table.write_text("file,student\nsubmission_123,Ada L.\nada.ipynb,Ada L.\n")
    entries = collect.collect(tmp_path, collect.roster(table))
    (ada,) = [e for e in entries if e.student == "Ada L."]
    assert ada.note.startswith("2 files, ") and "left out: " in ada.note


def test_the_newest_of_two_files_counts(tmp_path):
    for name, age in (("ada_1_x.ipynb", 100), ("ada_1_x-2.ipynb", 300), ("ada_1_x-1.ipynb", 1)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (10**9 - age, 10**9 - age))
    (entry,) = collect.collect(tmp_path)
    assert entry.path.name == "ada_1_x-2.ipynb"
    assert (
        entry.note
        == "3 files, ada_1_x-2.ipynb was graded, left out: ada_1_x.ipynb, ada_1_x-1.ipynb"
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("name,student\na,b\n", "needs a first line `file,student`"),
        ("file,student\na.ipynb,\n", "row 2: file or student is empty"),
        ("file,student\na.ipynb,x\na.ipynb,y\n", "row 3: a.ipynb stands there twice"),
        ("file,student\nb.ipynb,x\n", "names files that are not in .*: b.ipynb"),
    ],
)
def test_a_bad_roster_is_named(tmp_path, text, said):
    (tmp_path / "a.ipynb").write_text("")
    (tmp_path / "roster.csv").write_text(text)
    with pytest.raises(SourceError, match=said):
        collect.collect(tmp_path, collect.roster(tmp_path / "roster.csv"))


def test_what_is_no_submission_is_said(tmp_path, demo):
    with pytest.raises(SourceError, match="no folder"):
        collect.collect(tmp_path / "no")
    (tmp_path / "all.zip").write_text("")
    with pytest.raises(SourceError, match="no .ipynb file in .*it holds all.zip. Unpack"):
        collect.collect(tmp_path)
    for data, said in (
        (b"", "empty"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "no cells"),
        (b'{"cells": 3}', "no cells"),
        (b'{"cells": [3]}', "has no cells"),
    ):
        (tmp_path / "x.ipynb").write_bytes(data)
        with pytest.raises(submission.Unreadable, match=said):
            submission.read(tmp_path / "x.ipynb", demo)


def test_the_wheel_and_the_pages_do_not_hold_coursework():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert 'packages = ["isolib"]' in project
    config = (ROOT / "_config.yml").read_text("utf-8")
    assert "book/problem-sets/ps*.md" in config and '"coursework"' in config


def test_modules_are_short():
    for path in (ROOT / "coursework").glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 300, path.name
