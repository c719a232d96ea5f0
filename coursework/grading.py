"""One submission graded: from a file to a plain dict that can be stored as JSON."""

from __future__ import annotations

import hashlib
from dataclasses import astuple
from pathlib import Path

from coursework import __version__, bubblewrap, submission
from coursework.marking import Checks, Item
from coursework.protocol import clean
from coursework.sandbox import Limits
from coursework.session import Session
from coursework.source import Assignment
from coursework.submission import Unreadable
from coursework.variant import Variants

declared = submission.declared
_MADE: dict[str, Checks] = {}


def checks_of(assignment: Assignment) -> Checks:
    """The assignment's checks, compiled once a process (and inherited by a forked one)."""
    if assignment.sha not in _MADE:
        _MADE[assignment.sha] = Checks(assignment)
    return _MADE[assignment.sha]


def fingerprint(assignment: Assignment, path: Path, student: str, *how) -> str:
    """Changes where anything changes that a grade depends on."""
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    how = [[float(x) for x in astuple(h)] if isinstance(h, Limits) else h for h in how]
    parts = [assignment.sha, student, str(how), __version__]
    return hashlib.sha256("\n".join(parts).encode() + data).hexdigest()


def nothing(assignment: Assignment, reason: str) -> list[dict]:
    """The items of a submission that earned no point, each with the reason."""
    return [
        Item(q.key, str(cell.meta["what"]), cell.meta["points"], 0, reason).plain()
        for q in assignment.questions.values()
        for cell in q.hidden
    ]


def grade(
    assignment: Assignment, path: Path, student: str,
    *, limits: Limits | None = None, sandboxed: bool | None = None, ids: str = "file",
) -> dict:  # fmt: skip
    """Grade one notebook. Whatever the submission does, the result is a dict.

    The numbers are those of `student`, or with ids="notebook" of the id that the notebook names.
    "status" is ok, other id, look (something stopped or crashed: see "note") or unreadable.
    """
    limits = limits or Limits()
    sandboxed = bubblewrap.available() if sandboxed is None else sandboxed
    out = {"student": student, "file": clean(path.name), "status": "ok", "note": "", "written": {}}
    out |= {"answers": {}, "sandboxed": bool(sandboxed), "declared": ""}
    checks = checks_of(assignment)
    try:
        held = submission.read(path, assignment)
    except Unreadable as error:
        out |= {"status": "unreadable", "note": str(error)}
        return out | {"items": nothing(assignment, f"not graded: {error}")}
    drawn = held.declared if held.declared and ids == "notebook" else student
    out["given"] = given = Variants(assignment, checks.namespace).given(drawn)
    items: list[Item] = []
    with Session(
        assignment.setup, given, drawn, held.codes, limits=limits, sandboxed=sandboxed
    ) as session:
        for question in assignment.questions.values():
            items += checks.marks(question, session, given)
        notes, stopped = [*session.notes], session.restarts or session.broken or session.skipped
    if stopped:
        out["status"] = "look"
    if held.declared and held.declared.casefold() != drawn.strip().casefold():
        out["status"] = "look" if stopped else "other id"
        notes.insert(0, f"the notebook says STUDENT = {held.declared!r}")
    elif not held.declared and assignment.questions:  # whose numbers were these?
        out["status"] = "look" if stopped else "other id"
        notes.insert(0, "the notebook names no STUDENT")
    out["note"] = clean("; ".join([*held.notes, *notes]), 3000)
    out |= {"written": held.written, "answers": held.answers, "declared": held.declared}
    return out | {"items": [item.plain() for item in items]}
