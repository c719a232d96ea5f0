"""A problem set as the tools see it: `Assignment`, read from one MyST notebook and validated."""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from coursework import blanks, points
from coursework.reading import Cell, SourceError, read

ROOT = Path(__file__).resolve().parent.parent
#: where the problem sets of this repository are
FOLDER = ROOT / "book" / "problem-sets"

CODE_TAGS = ("setup", "variant", "answer", "public", "hidden", "wrong", "right")
TEXT_TAGS = ("written", "solution", "marking")
PLAIN_TAGS = ("hide-input",)
KEY = re.compile(r"[a-z][a-z0-9]*")
#: what a page of the book may hold and a notebook cannot show
MYST = re.compile(r"(^|\n)\s*(```+|:::+)\{|\{[a-z]+(:\w+)?\}`|(^|\n)\([\w-]+\)=\s*(\n|$)")


@dataclass
class Question:
    """A question marked by checks. `name` is what the student defines."""

    key: str
    name: str
    title: str
    cell: Cell
    starter: str
    solution: str
    public: list[Cell] = field(default_factory=list)
    hidden: list[Cell] = field(default_factory=list)
    wrong: list[Cell] = field(default_factory=list)
    right: list[Cell] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(cell.meta["points"] for cell in self.hidden)


@dataclass
class Written:
    """A part marked by hand."""

    key: str
    points: float
    title: str
    cell: Cell
    solution: str = ""
    marking: str = ""


@dataclass
class Assignment:
    """One problem set. `cells` is everything in its order, `sha` the hash of the source."""

    key: str
    title: str
    part: str
    hours: float
    path: Path
    sha: str
    cells: list[Cell]
    setup: str = ""
    variant: str = ""
    questions: dict[str, Question] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)

    @property
    def auto_points(self) -> float:
        return sum(q.points for q in self.questions.values())

    @property
    def points(self) -> float:
        return self.auto_points + sum(w.points for w in self.written.values())


def known() -> list[str]:
    """Keys of the problem sets in this repository.

    >>> isinstance(known(), list)
    True
    """
    # ps1, ps2, … first, then what has another name
    paths = sorted(FOLDER.glob("*.md"), key=lambda p: (not p.stem.startswith("ps"), p.stem))
    return [p.stem for p in paths if re.search("^assignment:", p.read_text("utf-8"), re.M)]


def find(name: str) -> Path:
    """The source that a command line means: a key such as "ps1", or the path of a file.

    Raises `SourceError` where there is none, with what there is.
    """
    path = Path(name)
    if path.suffix == ".md" and path.is_file():
        return path
    if name in known():
        return FOLDER / f"{name}.md"
    near = difflib.get_close_matches(name, known(), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    there = ", ".join(known()) or "none yet"
    raise SourceError(f"no problem set {name!r}. There are: {there}; or give a .md file.{hint}")


class Reader:
    """Collects the parts of one source and every mistake in it."""

    def __init__(self, path: Path):
        self.path, self.mistakes = path, []
        self.meta, self.cells = read(path)
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        self.out = Assignment("", "", "", 0, path, sha, self.cells)

    def wrong(self, cell: Cell | None, message: str):
        where = self.path.name
        if cell is not None:
            what = " ".join([*cell.tags, cell.key]).strip() or cell.kind
            where += f", line {cell.line} (cell {cell.number}, {what})"
        self.mistakes.append(f"{where}: {message}")

    # ---- front matter -----------------------------------------------------------------------
    def head(self):
        found = self.meta.get("assignment")
        example = 'assignment: {key: ps1, title: "…", part: "…", hours: 6}'
        if not isinstance(found, dict):
            self.wrong(None, f"the front matter has no entry such as {example}")
            return
        for name in ("key", "title", "part", "hours"):
            if name not in found:
                self.wrong(None, f"assignment in the front matter lacks {name!r}: {example}")
        for name in set(found) - {"key", "title", "part", "hours"}:
            self.wrong(None, f"assignment in the front matter has an unknown entry {name!r}")
        self.out.key = str(found.get("key", ""))
        if not KEY.fullmatch(self.out.key):
            self.wrong(None, f"key {self.out.key!r} must be small letters and digits, as in ps1")
        self.out.title, self.out.part = str(found.get("title", "")), str(found.get("part", ""))
        self.out.hours = found.get("hours", 0)
        if not _number(self.out.hours) or self.out.hours <= 0:
            self.wrong(None, f"hours must be a positive number, got {self.out.hours!r}")

    # ---- cells ------------------------------------------------------------------------------
    def role(self, cell: Cell) -> str:
        known_tags = (*CODE_TAGS, *PLAIN_TAGS) if cell.kind == "code" else TEXT_TAGS
        found = [tag for tag in cell.tags if tag not in PLAIN_TAGS]
        for tag in cell.tags:
            if tag not in known_tags:
                other = TEXT_TAGS if cell.kind == "code" else CODE_TAGS
                place = "a +++ line" if cell.kind == "code" else "a code cell"
                near = difflib.get_close_matches(tag, known_tags, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                hint = f" That tag belongs to {place}." if tag in other else hint
                self.wrong(cell, f"unknown tag {tag!r}; known: {', '.join(known_tags)}.{hint}")
        if len(found) > 1:
            self.wrong(cell, f"one tag a cell, got {', '.join(found)}")
        tag = found[0] if found and found[0] in known_tags else ""
        allowed = {
            "answer": {"key", "name"},
            "public": {"key"},
            "hidden": {"key", "points", "what"},
            "wrong": {"key", "says"},
            "right": {"key"},
            "written": {"key", "points"},
            "solution": {"key"},
            "marking": {"key"},
        }.get(tag, set())
        for name in set(cell.meta) - allowed - {"tags"}:
            kind = f"a cell tagged {tag!r}" if tag else "an untagged cell"
            self.wrong(cell, f"{kind} has no option {name!r}")
        for name in allowed - {"says"} - set(cell.meta):
            self.wrong(cell, f"a cell tagged {tag!r} needs the option {name!r}")
        if "points" in allowed and not (_number(p := cell.meta.get("points")) and p > 0):
            self.wrong(cell, f"points must be a positive number, got {p!r}")
            cell.meta["points"] = 0
        return tag

    def parse_code(self, cell: Cell, line: str = ""):
        """The cell's syntax tree; None (and a mistake) where it is not Python."""
        try:
            return ast.parse(blanks.without_magics(line or cell.source))
        except SyntaxError as error:
            self.wrong(cell, f"not Python: {error.msg} (its line {error.lineno})")

    def function(self, cell: Cell, name: str, arguments: int):
        tree = self.parse_code(cell)
        if tree is None:
            return
        found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
        if not found or len(found[0].args.args) != arguments:
            form = "check(answer, given)" if name == "check" else "variant(rng)"
            self.wrong(cell, f"must define the function {form}")

    def question(self, cell: Cell) -> Question | None:
        for store in (self.out.questions, self.out.written):
            if cell.key in store:
                return store[cell.key]
        keys = ", ".join([*self.out.questions, *self.out.written]) or "none so far"
        self.wrong(cell, f"no answer or written part {cell.key!r} stands above it (there: {keys})")

    def take(self, cell: Cell, tag: str, title: str):
        out = self.out
        if tag in ("answer", "written"):
            if cell.key in out.questions or cell.key in out.written:
                self.wrong(cell, f"key {cell.key!r} is used twice")
                return
            if not KEY.fullmatch(cell.key):
                self.wrong(cell, f"key {cell.key!r} must be small letters and digits, as in q1")
        if tag == "setup":
            self.parse_code(cell)
            out.setup += ("\n\n" if out.setup else "") + cell.source
        elif tag == "variant":
            if out.variant:
                self.wrong(cell, "there is more than one cell tagged 'variant'")
            self.function(cell, "variant", 1)
            out.variant = cell.source
        elif tag == "answer":
            name = str(cell.meta.get("name", ""))
            starter = solution = cell.source
            if self.parse_code(cell) is not None:
                try:
                    starter, solution = blanks.split(cell.source, name)
                except ValueError as error:
                    self.wrong(cell, str(error))
            out.questions[cell.key] = Question(cell.key, name, title, cell, starter, solution)
        elif tag == "written":
            out.written[cell.key] = Written(cell.key, cell.meta["points"], title, cell)
        elif tag in ("public", "hidden", "wrong", "right"):
            found = self.question(cell)
            if tag in ("public", "hidden"):
                self.function(cell, "check", 2)
            else:
                self.parse_code(cell)
            if isinstance(found, Written):
                self.wrong(cell, f"{cell.key!r} is a written part; it has no checks")
            elif found:
                getattr(found, tag).append(cell)
        elif tag in ("solution", "marking"):
            found = self.question(cell)
            if isinstance(found, Question):
                self.wrong(cell, f"{cell.key!r} is an answer cell; its solution stands in it")
            elif found:
                setattr(found, tag, (getattr(found, tag) + "\n\n" + cell.source).strip())
        elif cell.kind == "code":
            self.parse_code(cell)
        else:
            left = MYST.search(cell.source)
            if left:
                what = left[0].strip()
                self.wrong(cell, f"{what!r} shows in the book only, not in a notebook")

    def result(self) -> Assignment:
        self.head()
        title = "Introduction"
        for cell in self.cells:
            tag = self.role(cell)
            if not tag and cell.kind == "markdown":
                for heading in re.findall(r"^## +(.+?)\s*$", cell.source, re.M):
                    title = heading
            if tag and tag not in ("setup", "variant") and title == "Introduction":
                self.wrong(cell, "stands before the first heading '## Question …'")
            self.take(cell, tag, title)
        self.whole()
        if self.mistakes:
            raise SourceError(self.mistakes)
        return self.out

    def whole(self):
        """What only the whole file can lack."""
        out = self.out
        if out.questions and not out.variant:
            self.wrong(None, "there is no cell tagged 'variant'")
        for message in points.mistakes(out):
            self.wrong(None, message)
        names = [q.name for q in out.questions.values()]
        for q in out.questions.values():
            if names.count(q.name) > 1:
                self.wrong(q.cell, f"the name {q.name!r} is the answer to two questions")
            if not q.hidden:
                self.wrong(q.cell, f"{q.key!r} has no cell tagged 'hidden', so it has no points")
        for w in out.written.values():
            for part in ("solution", "marking"):
                if not getattr(w, part):
                    self.wrong(w.cell, f"{w.key!r} has no cell tagged {part!r}")


def _number(x) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def load(name: str | Path) -> Assignment:
    """The problem set that a key ("ps1") or a path means.

    Raises `SourceError`, which lists every mistake with file, line and cell.
    """
    return Reader(find(str(name))).result()
