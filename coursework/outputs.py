"""Everything that a graded class leaves in its folder, and the hand marks merged into it."""

from __future__ import annotations

import json
from pathlib import Path

from coursework import feedback, overview, sheets
from coursework.batch import STORE, write
from coursework.reading import SourceError

CLASS = "_class.json"  # no student's file begins with _


def save_all(out: Path, about: dict, results: list[dict], marks: dict):
    sheets.save(out, about, results, marks)
    feedback.save(out, about, results, marks)
    overview.save(out, about, results, marks)


def save(out: Path, assignment, results: list[dict]):
    """Tables, feedback and summary of a class; marks already typed into written.csv are kept."""
    about = sheets.summary(assignment)
    students = [result["student"] for result in results]
    path, marks = out / "written.csv", {}
    if path.exists():
        try:
            marks = sheets.read_marks(path, about, students)
        except SourceError as error:
            # never over what somebody has typed
            number = 1 + len(list(out.glob("written.before*.csv")))
            aside = path.replace(out / f"written.before{number}.csv")
            print(
                f"written.csv does not fit this class and was put aside as {aside.name}:\n{error}"
            )
    write(out / STORE / CLASS, json.dumps({"about": about, "results": results}))
    save_all(out, about, results, marks)


def merge(out: Path) -> str:
    """Read OUT/written.csv, write grades, feedback and summary again; what was done, in words.

    Raises `SourceError` where the class was not graded or a row is wrong (nothing is changed).
    """
    path = out / STORE / CLASS
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        about, results = held["about"], held["results"]
    except (OSError, ValueError, KeyError):
        raise SourceError(
            f"{out} holds no graded class: run `grade … --out {out}` first"
        ) from None
    students = [result["student"] for result in results]
    marks = sheets.read_marks(out / "written.csv", about, students)
    save_all(out, about, results, marks)
    missing = len(students) * len(about["written"]) - len(marks)
    left = f"; {missing} are still empty" if missing else ""
    return f"{len(marks)} marks merged{left}: {out / 'grades.csv'}"
