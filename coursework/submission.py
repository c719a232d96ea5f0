"""A submitted notebook, read with nothing taken for granted."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from coursework import blanks, notebook
from coursework.protocol import clean
from coursework.session import Code
from coursework.source import Assignment

LARGEST = 30 << 20
STUDENT = re.compile(r"^STUDENT\s*=\s*(['\"])(.*?)\1", re.M)


class Unreadable(Exception):
    """The file is no notebook; the text says why."""


@dataclass
class Submission:
    """What is graded of a notebook."""

    codes: list[Code]
    written: dict[str, str]
    declared: str
    answers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def raw_cells(path: Path) -> list[dict]:
    """(type, source) of each cell. Raises `Unreadable`."""
    if path.is_symlink():  # to another's work, or to the solution
        raise Unreadable("the file is a link to another file")
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise Unreadable(f"the file is too large ({size >> 20} MB)")
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror}") from None
    if not data.strip():
        raise Unreadable("the file is empty")
    try:
        book = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise Unreadable("the file is not a notebook (not JSON)") from None
    if isinstance(book, dict) and isinstance(book.get("worksheets"), list) and book["worksheets"]:
        book = book["worksheets"][0]  # the format before 2015
    if not isinstance(book, dict) or not isinstance(book.get("cells"), list):
        raise Unreadable("the file is not a notebook (it has no cells)")
    out = []
    for cell in book["cells"]:
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if isinstance(source, str):
            meta = cell.get("metadata")
            key = meta.get("coursework", "") if isinstance(meta, dict) else ""
            key = key if isinstance(key, str) else ""
            out.append({"type": cell.get("cell_type"), "source": source, "key": key})
    if not out:
        raise Unreadable("the notebook has no cells")
    return out


def declared(path: Path) -> str:
    """The id that the notebook itself names; "" if none."""
    try:
        return _declared(raw_cells(path))
    except Unreadable:
        return ""


def _declared(cells: list[dict]) -> str:
    for cell in cells:
        found = STUDENT.search(cell["source"]) if cell["type"] == "code" else None
        if found and found[2].strip() != notebook.BLANK_ID:
            return clean(found[2].strip(), 100)
    return ""


def read(path: Path, assignment: Assignment) -> Submission:
    """The parts of a submitted notebook that count. Raises `Unreadable`."""
    cells = raw_cells(path)
    codes = []
    idle = {notebook.check_call(assignment, q) for q in assignment.questions.values()}
    for number, cell in enumerate(cells, 1):
        source = cell["source"]
        if cell["type"] != "code" or not source.strip():
            continue
        install = source.startswith("# @title Run this first: it installs isolib")
        setup = source.startswith(notebook.SETUP_TITLE)
        if not install and not setup and source.strip() not in idle:
            codes.append(Code(number, source))
    out = Submission(codes, {}, _declared(cells))
    for w in assignment.written.values():
        out.written[w.key] = written(cells, w, out.notes)
    for q in assignment.questions.values():
        out.answers[q.key] = fingerprint(codes, q)
    return out


def written(cells: list[dict], part, notes: list[str]) -> str:
    """A student's text for one written part: found by its first line, else by metadata."""
    texts = []
    for cell in cells:
        if cell["type"] not in ("markdown", "raw"):
            continue
        found = notebook.MARKED.search(cell["source"])
        if (found and found[1] == part.key) or (not found and cell["key"] == part.key):
            text = notebook.MARKED.sub("", cell["source"]).strip()
            if text and text != part.cell.source.strip():
                texts.append(text)
    if len(texts) > 1:
        notes.append(f"{part.key}: {len(texts)} cells with text, put together")
    return clean("\n\n".join(texts), 30_000)


def fingerprint(codes: list[Code], question) -> str:
    """A hash of the cell that defines an answer, comments and layout apart; "" if as handed out.

    Two students with the same hash have typed the same answer.
    """

    def tree(source: str) -> str:
        made = ast.parse(blanks.without_magics(source))
        for node in ast.walk(made):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
                node.body = node.body[1:] or [ast.Pass()]
        return ast.dump(made)

    for code in reversed(codes):
        try:
            if question.name in blanks.bound(ast.parse(blanks.without_magics(code.source))):
                made = tree(code.source)
                if made == tree(question.starter):
                    return ""
                return hashlib.sha256(made.encode()).hexdigest()[:16]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return ""
