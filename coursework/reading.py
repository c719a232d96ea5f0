"""MyST notebooks as cells with line numbers: the part of the format that problem sets use.

Jupytext reads the same files (so that an author can open one in Jupyter, and a test holds the two
together), but it knows no line numbers, and an autograder should not need it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

FENCE = re.compile(r"^(`{3,})\{code-cell\}\s*(\S*)\s*$")
OPTION = re.compile(r"^:([\w-]+):(?:[ \t]+(.*))?$")


class SourceError(ValueError):
    """Mistakes in a problem set, one a line, each with file, line and cell."""

    def __init__(self, mistakes):
        self.mistakes = [mistakes] if isinstance(mistakes, str) else list(mistakes)
        super().__init__("\n".join(self.mistakes))


@dataclass
class Cell:
    """One cell of a source: `kind` is "code" or "markdown", `line` its first line of text."""

    kind: str
    source: str
    line: int
    number: int
    meta: dict = field(default_factory=dict)

    @property
    def tags(self) -> list[str]:
        tags = self.meta.get("tags", [])
        return [str(tag) for tag in (tags if isinstance(tags, list) else [tags])]

    @property
    def key(self) -> str:
        return str(self.meta.get("key", ""))


def front_matter(path: Path, lines: list[str]) -> tuple[dict, int]:
    """The YAML between the first two `---` lines, and the index of the line after it."""
    if not lines or lines[0].strip() != "---" or "---" not in [x.strip() for x in lines[1:]]:
        raise SourceError(f"{path.name}, line 1: no front matter (--- lines) at the top")
    end = 1 + [x.strip() for x in lines[1:]].index("---")
    try:
        meta = yaml.safe_load("\n".join(lines[1:end])) or {}
    except yaml.YAMLError as error:
        raise SourceError(f"{path.name}, front matter: {_flat(error)}") from None
    if not isinstance(meta, dict):
        raise SourceError(f"{path.name}, front matter: expected names and values")
    return meta, end + 1


def _flat(error) -> str:
    return re.sub(r"\s+", " ", str(error))


def read(path: Path) -> tuple[dict, list[Cell]]:
    """Front matter and cells of a MyST notebook.

    Raises `SourceError` for front matter, options or metadata that cannot be read and for a code
    cell that is not closed.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    meta, at = front_matter(path, lines)
    cells: list[Cell] = []
    text: list[str] = []
    start, text_meta, other = at, {}, None  # other: the fence of a block that is not a cell

    def close_text():
        body = "\n".join(text)
        blank = len(body) - len(body.lstrip("\n"))
        if body.strip() or text_meta:
            first = start + 1 + blank
            number = len(cells) + 1
            cells.append(Cell("markdown", body.strip("\n").rstrip(), first, number, text_meta))
        text.clear()

    while at < len(lines):
        line = lines[at]
        fence = FENCE.match(line) if other is None else None
        if fence:
            close_text()
            stop = next((i for i in range(at + 1, len(lines)) if _closes(lines[i], fence[1])), 0)
            if not stop:
                raise SourceError(f"{path.name}, line {at + 1}: this code cell is not closed")
            cells.append(_code(path, lines[at + 1 : stop], at + 1, len(cells) + 1))
            at, start, text_meta = stop + 1, stop + 1, {}
            continue
        if other is None and line.startswith("+++"):
            close_text()
            text_meta = _break(path, line, at + 1)
            at, start = at + 1, at + 1
            continue
        block = re.match(r"^\s*(`{3,}|~{3,}|:{3,})", line)
        if block:
            if other is None:
                other = block[1]
            elif _closes(line.strip(), other):
                other = None
        text.append(line)
        at += 1
    close_text()
    return meta, cells


def _closes(line: str, fence: str) -> bool:
    return line.startswith(fence) and not line.strip().strip(fence[0])


def _break(path: Path, line: str, number: int) -> dict:
    rest = line[3:].strip()
    if not rest:
        return {}
    try:
        meta = json.loads(rest)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path.name}, line {number}: what follows +++ must be JSON such as "
            f'{{"tags": ["written"], "key": "q1w", "points": 3}}: {error}'
        ) from None
    if not isinstance(meta, dict):
        raise SourceError(f"{path.name}, line {number}: what follows +++ must be JSON in braces")
    return meta


def _code(path: Path, body: list[str], at: int, number: int) -> Cell:
    meta, count = {}, 0
    if body and body[0].strip() == "---":
        count = next((i for i in range(1, len(body)) if body[i].strip() == "---"), 0) + 1
        head = "\n".join(body[1 : count - 1])
    else:
        while count < len(body) and OPTION.match(body[count]):
            count += 1
        head = "\n".join(line[1:].replace(":", ": ", 1) for line in body[:count])
    try:
        meta = yaml.safe_load(head) or {} if head else {}
    except yaml.YAMLError:
        raise SourceError(
            f"{path.name}, line {at + 1}: the options of this cell cannot be read: put a value "
            f"that holds a colon, a quote or a bracket in quotes. They are: {_flat(head)}"
        ) from None
    while count < len(body) and not body[count].strip():
        count += 1
    source = "\n".join(body[count:]).rstrip()
    return Cell("code", source, at + count + 1, number, meta)
