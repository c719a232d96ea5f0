"""The reproduction ledger and the errata: two YAML files made into readable pages.

``{ledger}`` shows ``book/ledger.yml``, ``{errata}`` ``book/errata.yml``; the header of each file
says what a row must hold. A row that breaks the rules stops the build with a message that
says what to do. Every row gets an anchor (``ledger-p1``, ``erratum-e1``) that ``{ref}`` can point
to from any page, and links only to chapters that exist.

The readers :func:`load_ledger` and :func:`load_errata` need no Sphinx: tests use them as they are.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from sitekit.repository import contents

CHAPTERS = tuple(
    Path(chapter["file"]).name
    for part in contents()["parts"]
    if "numbered" in part
    for chapter in part["chapters"]
)
"""Slugs in reading order, from `_toc.yml`: a chapter's number is its place here, from 1."""

NOT_MEASURED = "not yet measured"
MEASURED = ("reproduced", "partly", "not reproduced", "source in error", "not yet at paper scale")
VERDICTS = (*MEASURED, NOT_MEASURED)
STATUSES = ("not yet shown", "shown", "withdrawn")

RESULT_FIELDS = ("ours", "tolerance", "seeds", "size", "hardware", "measured_by")
_CLAIM_FIELDS = ("id", "claim", "source", "key", "chapter", "source_value", "verdict")
LEDGER_FIELDS = (*_CLAIM_FIELDS, *RESULT_FIELDS)
ERRATA_FIELDS = tuple("id source key text_read says is why chapter cell status".split())

GROUPS = {
    "P": "Pennington, Schoenholz and Ganguli (2017)",
    "T": "Tarnowski and co-authors (2019), and slides on it",
    "H": "Hlav (2019): slides, report and notebook",
    "O": "This book's own claims",
    "E": "Corrections to the sources",
}
"""First letter of a ledger id -> the heading its rows stand under."""

UNCONFIRMED = "To be confirmed against the original before the book calls it an error."


class TableError(ValueError):
    """A row of a data file breaks the rules; the message names file, row and remedy."""


# --- reading and checking ----------------------------------------------------------------------


def _rows(path: Path, fields: tuple[str, ...]) -> list[dict]:
    """Rows of one YAML file, each with exactly ``fields``, ids unique, chapters known."""
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TableError(f"{path.name}: file not found; expected it in {path.parent}") from None
    except yaml.YAMLError as error:
        raise TableError(f"{path.name}: not valid YAML: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TableError(f"{path.name}: must be a list of rows, each starting with '- id: ...'")
    seen = set()
    for place, row in enumerate(rows, start=1):
        name = f"{path.name}, row {row.get('id') or f'number {place}'}"
        if missing := [field for field in fields if field not in row]:
            raise TableError(f"{name}: missing {', '.join(missing)}; add the field, or null")
        if unknown := [field for field in row if field not in fields]:
            raise TableError(
                f"{name}: unknown field {', '.join(map(str, unknown))}; "
                f"use only {', '.join(fields)}"
            )
        if row["id"] in seen:
            letter, used = str(row["id"])[:1], {str(other.get("id")) for other in rows}
            free = next(new for i in count(1) if (new := f"{letter}{i}") not in used)
            raise TableError(f"{name}: duplicate id; give one of the two rows another, as {free}")
        seen.add(row["id"])
        for slug in chapters_of(row):
            if slug not in CHAPTERS:
                raise TableError(
                    f"{name}: unknown chapter {slug!r}; use one of {', '.join(CHAPTERS)}"
                )
    return rows


def _require(row: dict, fields: tuple[str, ...], path: Path, because: str) -> None:
    if empty := [field for field in fields if row[field] in (None, "", [])]:
        raise TableError(
            f"{path.name}, row {row['id']}: {because}, so {', '.join(empty)} must be filled in"
        )


def _one_of(row: dict, field: str, allowed: tuple[str, ...], path: Path) -> None:
    if row[field] not in allowed:
        raise TableError(
            f"{path.name}, row {row['id']}: unknown {field} {row[field]!r}; "
            f"use one of: {', '.join(allowed)}"
        )


def load_ledger(path: str | Path) -> list[dict]:
    """Rows of ``ledger.yml``, checked. Raises :class:`TableError` with what to do."""
    path = Path(path)
    rows = _rows(path, LEDGER_FIELDS)
    for row in rows:
        _require(row, ("claim", "source", "chapter"), path, "every row states a claim")
        _one_of(row, "verdict", VERDICTS, path)
        if str(row["id"])[:1] not in GROUPS:
            raise TableError(
                f"{path.name}, row {row['id']}: ids start with one of "
                f"{', '.join(GROUPS)}; rename the row"
            )
        if row["verdict"] != NOT_MEASURED:
            _require(row, RESULT_FIELDS, path, f"the verdict is {row['verdict']!r}")
        elif filled := [field for field in RESULT_FIELDS if row[field] is not None]:
            raise TableError(
                f"{path.name}, row {row['id']}: {', '.join(filled)} filled in, but "
                f"the verdict is {NOT_MEASURED!r}; change one of the two"
            )
    return rows


def load_errata(path: str | Path) -> list[dict]:
    """Entries of ``errata.yml``, checked. Raises :class:`TableError` with what to do."""
    path = Path(path)
    rows = _rows(path, ERRATA_FIELDS)
    for row in rows:
        _require(row, ("source", "says", "is", "why", "chapter"), path, "every entry is explained")
        _one_of(row, "status", STATUSES, path)
        if row["status"] == "shown":
            _require(row, ("text_read", "cell"), path, "the status is 'shown'")
    return rows


def chapters_of(row: dict) -> list[str]:
    """The row's chapter slugs, as a list whether it names one or several."""
    chapter = row.get("chapter") or []
    return [chapter] if isinstance(chapter, str) else list(chapter)


def summary(rows: list[dict]) -> str:
    """One line of Markdown: how many rows are measured, and with which verdicts."""
    counts = Counter(row["verdict"] for row in rows)
    measured = len(rows) - counts[NOT_MEASURED]
    parts = [f"{counts[verdict]} {verdict}" for verdict in MEASURED if counts[verdict]]
    return f"**{', '.join([f'{measured} of {len(rows)} rows measured', *parts])}.**"


# --- rendering ---------------------------------------------------------------------------------


class _Table(SphinxDirective):
    """What the two directives share: find the file, build sections, terms and definitions."""

    has_content = False
    file_name = ""

    def _path(self) -> Path:
        path = Path(self.env.srcdir) / "book" / self.file_name
        if not path.exists() and (beside := Path(self.env.srcdir) / self.file_name).exists():
            path = beside  # the book folder itself is the source folder
        self.env.note_dependency(str(path))
        self.env.note_reread()  # a chapter may have appeared since: its rows then become links
        return path

    def _link(self, slug: str) -> str:
        """Markdown for one chapter: a link where the page exists, plain words where not."""
        number = CHAPTERS.index(slug) + 1
        for docname in sorted(self.env.found_docs):
            if docname.split("/")[-1] == slug:
                return f"{{doc}}`Chapter {number} </{docname}>`"
        return f"Chapter {number} (in preparation)"

    def _where(self, place: str) -> str:
        """Markdown for ``slug#label`` (a link into a page) or for the path of a stored result."""
        slug, _, label = place.partition("#")
        if slug not in CHAPTERS:
            return f"`{place}`"
        return self._link(slug) + (f", {{ref}}`the check <{label}>`" if label else "")

    def _parse(self, text: str) -> list[nodes.Node]:
        """Nodes for a piece of MyST Markdown, with its mathematics, citations and links."""
        holder = nodes.Element()
        lines = StringList(text.splitlines(), source=self.file_name)
        self.state.nested_parse(lines, self.content_offset, holder)
        return list(holder.children)

    def _section(self, title: str, children: list[nodes.Node]) -> nodes.section:
        section = nodes.section("", nodes.title("", title))
        section["names"].append(nodes.fully_normalize_name(title))
        self.state.document.note_implicit_target(section, section)
        section.extend(children)
        return section

    def _entry(self, anchor: str, row: dict, title: str, badge: str, body: str) -> nodes.Node:
        """One row: its id, title and verdict as the term, everything else as the definition."""
        slug = badge.replace(" ", "-")
        label = nodes.strong("", str(row["id"]))
        verdict = nodes.inline("", badge, classes=["verdict", f"verdict-{slug}"])
        term = nodes.term("", "", label, nodes.Text(f" · {title} · " if title else " · "), verdict)
        term["ids"].append(anchor)
        self.state.document.set_id(term)
        self.env.get_domain("std").note_hyperlink_target(
            anchor, self.env.docname, anchor, str(row["id"])
        )
        definition = nodes.definition("", *self._parse(body))
        return nodes.definition_list_item("", term, definition)

    @staticmethod
    def _list(items: list[nodes.Node], kind: str) -> nodes.definition_list:
        return nodes.definition_list("", *items, classes=["row-list", kind])


def _joined(parts: list[tuple[str, object]]) -> str:
    """Labelled facts in one paragraph, those that are null left out."""
    said = [(label, value) for label, value in parts if value not in (None, "")]
    return " · ".join(f"*{label}:* {value}" if label else value for label, value in said)


class LedgerDirective(_Table):
    """``{ledger}``: every row of ``ledger.yml`` under its source, with counts."""

    file_name = "ledger.yml"

    def run(self) -> list[nodes.Node]:
        try:
            rows = load_ledger(self._path())
        except TableError as error:
            raise ExtensionError(str(error)) from error
        out = self._parse(summary(rows))
        for letter, title in GROUPS.items():
            group = [row for row in rows if row["id"][0] == letter]
            if group:
                items = [self._item(row) for row in group]
                body = [*self._parse(summary(group)), self._list(items, "ledger")]
                out.append(self._section(title, body))
        return out

    def _item(self, row: dict) -> nodes.definition_list_item:
        cited = row["key"] and f"{{cite:p}}`{row['key']}`"
        names = ("tolerance", "seeds", "size", "hardware")
        facts = [
            ("reference", cited),
            ("the source has", row["source_value"]),
            ("ours", row["ours"]),
        ]
        facts += [(name, row[name]) for name in names]
        facts.append(("", ", ".join(map(self._link, chapters_of(row)))))
        facts.append(("measured by", row["measured_by"] and self._where(row["measured_by"])))
        if row["id"][0] == "E":
            facts.append(("details", f"{{ref}}`the entry <erratum-{row['id'].lower()}>`"))
        body = f"{row['claim']}\n\n{_joined(facts)}"
        anchor = f"ledger-{row['id'].lower()}"
        return self._entry(anchor, row, row["source"], row["verdict"], body)


class ErrataDirective(_Table):
    """``{errata}``: every entry of ``errata.yml`` under its source."""

    file_name = "errata.yml"

    def run(self) -> list[nodes.Node]:
        try:
            rows = load_errata(self._path())
        except TableError as error:
            raise ExtensionError(str(error)) from error
        shown = sum(row["status"] == "shown" for row in rows)
        out = self._parse(f"**{len(rows)} entries, {shown} of them shown by a cell.**")
        for source in dict.fromkeys(row["source"] for row in rows):
            items = [self._item(row) for row in rows if row["source"] == source]
            out.append(self._section(source, [self._list(items, "errata")]))
        return out

    def _item(self, row: dict) -> nodes.definition_list_item:
        read = f"Read for this entry: {row['text_read']}." if row["text_read"] else UNCONFIRMED
        cited = row["key"] and f"{{cite:p}}`{row['key']}`"
        where = ", ".join(map(self._link, chapters_of(row)))
        check = row["cell"] and self._where(row["cell"])
        facts = _joined([("reference", cited), ("", where), ("check", check)])
        says, finds = f"**It says.** {row['says']}", f"**We find.** {row['is']}"
        body = "\n\n".join([says, finds, row["why"], read, facts])
        return self._entry(f"erratum-{row['id'].lower()}", row, "", row["status"], body)


def setup(app: Sphinx) -> dict:
    """Register the two directives."""
    app.add_directive("ledger", LedgerDirective)
    app.add_directive("errata", ErrataDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
