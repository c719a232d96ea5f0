"""No line of a solution, a hidden check or a marking note may stand in what a student gets."""

from __future__ import annotations

import re

from coursework import blanks
from coursework.source import Assignment

#: lines shorter than this (spaces apart) say nothing: `else:`, `return x`
CODE_LENGTH, TEXT_LENGTH = 10, 25
COMMON = re.compile(r"def check\(answer, given\):|(import|from) |return (None|hint)$|@|#|\"\"\"")


def squeezed(line: str) -> str:
    """A line without what does not change it."""
    return re.sub(r"\s+", "", line.split("  #")[0])


def telling(source: str, length: int = CODE_LENGTH) -> list[str]:
    """Lines that would give something away."""
    lines = (line.strip() for line in source.split("\n"))
    return [x for x in lines if len(squeezed(x)) >= length and not COMMON.match(x)]


def given(assignment: Assignment) -> list[str]:
    """What the author shows on purpose: set-up, variant, statements and given cells."""
    return [
        cell.source
        for cell in assignment.cells
        if not cell.tags or set(cell.tags) <= {"setup", "variant", "hide-input"}
    ]


def secrets(assignment: Assignment) -> list[tuple[str, str]]:
    """(where it comes from, a line) for everything that must stay with the instructor."""
    shown = {squeezed(x) for source in given(assignment) for x in source.split("\n")}
    public = {
        squeezed(x)
        for q in assignment.questions.values()
        for cell in q.public
        for x in cell.source.split("\n")
    }
    out = []
    for q in assignment.questions.values():
        kept = {squeezed(x) for x in q.starter.split("\n")}
        lines = q.cell.source.split("\n")
        for first, last, _ in blanks.blocks(q.cell.source):
            for line in telling("\n".join(lines[first + 1 : last])):
                if squeezed(line) not in shown | kept:
                    out.append((f"the solution of {q.key}", line))
        for kind in ("hidden", "right", "wrong"):
            for cell in getattr(q, kind):
                for line in telling(cell.source):
                    # a line of a check that is public as well is no secret
                    if squeezed(line) not in shown | kept | public:
                        out.append((f"a {kind} cell of {q.key} (line {cell.line})", line))
    for w in assignment.written.values():
        for kind in ("solution", "marking"):
            for line in telling(getattr(w, kind), TEXT_LENGTH):
                if squeezed(line) not in shown:
                    out.append((f"the {kind} of {w.key}", line))
    return out


def leaks(assignment: Assignment, cells: list[dict]) -> list[str]:
    """Every leak in the cells of a student's notebook, in words; empty if there is none."""
    out = []
    for number, cell in enumerate(cells, 1):
        lines = {squeezed(line) for line in cell["source"].split("\n")}
        whole, meta = (re.sub(r"\s+", "", str(cell[k])) for k in ("source", "metadata"))
        for where, line in secrets(assignment):
            short = squeezed(line)
            if short in lines or short in meta or (len(short) >= 30 and short in whole):
                out.append(f"cell {number} of the student's notebook holds {where}: {line}")
    return list(dict.fromkeys(out))
