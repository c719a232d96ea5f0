"""A chapter keeps its number while chapters before it are still being written.

Sphinx counts the pages it finds. The prose, the ledger and the reading paths count all chapters of
the book, so each chapter takes its place in `tables.CHAPTERS`; figures, theorems and equations,
which Sphinx numbers after its sections, follow. The appendix has a letter: its theorems are cited
in the chapters, where a Theorem 2 without a page would be taken for one of theirs.
"""

from __future__ import annotations

from docutils import nodes
from sphinx_external_toc.collectors import TocTreeCollectorWithStyles as Collector

from sitekit.tables import CHAPTERS

APPENDIX = {"complex-analysis": "A"}


def chapter_number(docname: str) -> int | None:
    """The number of a chapter's page; None for any other page.

    >>> chapter_number("book/feedforward/convolutions"), chapter_number("book/index")
    (10, None)
    """
    slug = docname.rpartition("/")[2]
    return CHAPTERS.index(slug) + 1 if slug in CHAPTERS else None


def renumber(env) -> None:
    """Put the place in the book first in every section number; a letter on an appendix."""
    for docname in env.tocs:
        if letter := APPENDIX.get(docname.rpartition("/")[2]):
            parts = list(env.tocs[docname].findall(nodes.reference))
            # its sections carry no number of their own
            env.toc_secnumbers[docname] = {p["anchorname"]: None for p in parts} | {"": (letter,)}
            parts[0]["secnumber"] = env.titles[docname]["secnumber"] = (letter,)
    for docname, sections in env.toc_secnumbers.items():
        place = chapter_number(docname)
        if place is None or not sections:
            continue
        # a heading too deep for a number keeps its None: without an entry it would get the page's
        env.toc_secnumbers[docname] = {
            anchor: number and (place, *number[1:]) for anchor, number in sections.items()
        }
        numbered = [*env.tocs[docname].findall(nodes.reference), env.titles[docname]]
        for node in numbered:
            if node.get("secnumber"):
                node["secnumber"] = (place, *node["secnumber"][1:])


def forget(env) -> None:
    """Take back the last build's letters: Sphinx keeps the numbers of pages it does not read."""
    for docname, title in env.titles.items():
        if docname.rpartition("/")[2] in APPENDIX:
            for node in [title, *env.tocs[docname].findall(nodes.reference)]:
                node.attributes.pop("secnumber", None)


def install(app, env, docnames):
    """Once, after every extension has put its own way of counting in place."""
    count = Collector.assign_section_numbers
    if getattr(count, "renumbers", False):
        return

    def assign(self, env):
        forget(env)
        changed = count(self, env)
        renumber(env)
        return changed

    assign.renumbers = True
    Collector.assign_section_numbers = assign


def setup(app):
    app.connect("env-before-read-docs", install)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
