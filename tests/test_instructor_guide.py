"""What the instructor guide prints must work: its commands, its example, its table of points."""

import re
import shlex
from pathlib import Path

from coursework import build, source
from coursework.__main__ import parser
from coursework.selftest import SelfTest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "book" / "back-matter" / "instructor-guide.md").read_text(encoding="utf-8")


def test_every_command_is_understood():
    lines = re.findall(r"python -m coursework ([^`\n]+)", GUIDE)
    assert len(lines) >= 6
    for line in lines:
        parser().parse_args(shlex.split(line))  # exits where an option is unknown


def test_the_example_is_a_problem_set_without_faults(tmp_path):
    (text,) = re.findall(r"^````text\n(.*?)^````$", GUIDE, re.S | re.M)
    path = tmp_path / "mini.md"
    path.write_text(text, encoding="utf-8")
    test = SelfTest(source.load(path))
    assert test.run(1), test.report()
    assert "edge" in build.student_text(source.load(path), "https://github.com/a/b")


def test_points_and_hours_of_the_sets():
    rows = re.findall(r"^\| (PS\d|Capstone) \| (\d+) \| (\d+) \| (\d+) \|$", GUIDE, re.M)
    assert len(rows) == 5
    for name, *said in rows:
        if name.lower() in source.known():
            one = source.load(name.lower())
            found = (one.auto_points, one.points - one.auto_points, one.hours)
            right = " | ".join(f"{x:g}" for x in found)
            assert tuple(map(int, said)) == found, f"write in the guide: | {name} | {right} |"
