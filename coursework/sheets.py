"""The two tables of a graded class: grades.csv, and written.csv for the marks given by hand."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

from coursework.batch import write
from coursework.reading import SourceError

WRITTEN = ("student", "key", "max", "points", "text")


def summary(assignment) -> dict:
    """What the outputs need to know of an assignment, as plain data."""
    return {
        "key": assignment.key,
        "title": assignment.title,
        "part": assignment.part,
        "questions": [
            {"key": q.key, "title": q.title, "points": q.points}
            for q in assignment.questions.values()
        ],
        "written": [
            {"key": w.key, "title": w.title, "points": w.points}
            for w in assignment.written.values()
        ],
    }


def safe(text: str) -> str:
    """Text that a spreadsheet will not take for formulas, also where it cuts the table elsewhere.

    One that expects semicolons ends a cell at each of them, and a row at each new line.

    >>> safe("=1"), safe("a; =1"), safe("a = b")
    ("'=1", "a; '=1", 'a = b')
    """
    return re.sub(r"((?:^|[;\n\r\t])\s*)(?=[-=+@＝＋－＠])", r"\1'", text)


def plain(number: float) -> str:
    return f"{number:g}"


def earned(result: dict) -> dict[str, float]:
    """Points of each automatically marked question."""
    out: dict[str, float] = {}
    for item in result["items"]:
        out[item["key"]] = out.get(item["key"], 0) + item["earned"]
    return out


def total(about: dict, result: dict, marks: dict) -> float | None:
    """All points; None while a written part has no mark."""
    by_hand = [marks.get((result["student"], w["key"])) for w in about["written"]]
    if None in by_hand:
        return None
    return sum(earned(result).values()) + sum(by_hand)


def grades(about: dict, results: list[dict], marks: dict) -> str:
    """The text of grades.csv. `total` is empty until every written part has its mark."""
    auto = [q["key"] for q in about["questions"]]
    hand = [w["key"] for w in about["written"]]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["student", *auto, "auto", *hand, "total", "status", "note"])
    for result in results:
        got = earned(result)
        marked = [marks.get((result["student"], key)) for key in hand]
        whole = total(about, result, marks)
        note = result["note"] if result["sandboxed"] else f"NOT SANDBOXED. {result['note']}"
        table.writerow(
            [
                safe(result["student"]),
                *(plain(got.get(key, 0)) for key in auto),
                plain(sum(got.values())),
                *("" if mark is None else plain(mark) for mark in marked),
                "" if whole is None else plain(whole),
                result["status"],
                safe(" ".join(note.split())),
            ]
        )
    return out.getvalue()


def written(about: dict, results: list[dict], marks: dict) -> str:
    """The text of written.csv: one row for each written part of each student."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(WRITTEN)
    for part in about["written"]:  # part by part: that is how one marks
        for result in results:
            mark = marks.get((result["student"], part["key"]))
            text = result["written"].get(part["key"], "") or "(nothing written)"
            mark = "" if mark is None else plain(mark)
            row = [safe(result["student"]), part["key"], plain(part["points"]), mark]
            table.writerow([*row, safe(text[:30_000])])
    return out.getvalue()


def read_marks(path: Path, about: dict, students: list[str]) -> dict[tuple[str, str], float]:
    """The marks typed into written.csv: (student, key) → points.

    Raises `SourceError` with every row that is wrong: an unknown student or key, a mark that is no
    number or out of range, a row that stands there twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            # spreadsheets of some countries write semicolons
            mark = ";" if first.count(";") > first.count(",") else ","
            stream.seek(0)
            rows = list(csv.DictReader(stream, delimiter=mark))
            columns = next(csv.reader([first.lstrip("\ufeff")], delimiter=mark))
    except (OSError, UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise SourceError(f"{path}: {error}") from None
    lacking = {"student", "key", "points"} - {name.strip() for name in columns}
    if lacking:
        raise SourceError(f"{path}: the first line lacks {', '.join(sorted(lacking))}")
    most = {w["key"]: w["points"] for w in about["written"]}
    known = {safe(name): name for name in students}
    out, wrong = {}, []
    for number, row in enumerate(rows, 2):
        student, key = (str(row.get(n) or "").strip() for n in ("student", "key"))
        text = str(row.get("points") or "").strip().replace(",", ".")
        where = f"{path.name}, row {number} ({student or 'no student'}, {key or 'no key'})"
        if student not in known:
            if student in students:
                known[student] = student
            else:
                wrong.append(f"{where}: there is no such student")
                continue
        if key not in most:
            wrong.append(f"{where}: there is no such part; there are {', '.join(most) or 'none'}")
            continue
        if (known[student], key) in out or not text:
            if text:
                wrong.append(f"{where}: stands there twice")
            continue
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= most[key]:
            wrong.append(f"{where}: points must be from 0 to {most[key]:g}, got {text!r}")
            continue
        out[known[student], key] = value
    if wrong:
        raise SourceError(wrong)
    return out


def save(out: Path, about: dict, results: list[dict], marks: dict):
    """Write both tables, each whole or not at all."""
    write(out / "grades.csv", grades(about, results, marks))
    if about["written"]:
        write(out / "written.csv", written(about, results, marks))
