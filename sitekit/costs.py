"""What each page costs: seconds of its cells, kilobytes to load, minutes of its stored runs.

``{page-costs}`` stands for a table with a row for each page that runs code. Seconds are those of
this build, minutes come from the provenance of the stored results that a page reads, and the
weight of a page (its HTML and its own pictures) is filled in when all pages are written.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util.docutils import SphinxDirective

from sitekit.numbers import chapter_number
from sitekit.repository import ROOT

HEAD = ("Page", "Cells, s", "Page, KB", "Stored runs, min", "made on")


class costs(nodes.General, nodes.Element):
    """Where the table goes."""


class PageCosts(SphinxDirective):
    def run(self):
        return [costs()]


def stored(docname: str, root: Path = ROOT) -> dict[str, float]:
    """Minutes of the stored runs that a page reads, by device."""
    minutes = defaultdict(float)
    text = (root / f"{docname}.md").read_text(encoding="utf-8")
    for name in set(re.findall(r'results\.load\("([\w-]+)"\)', text)):
        path = root / "book" / "results" / f"{name}.json"
        made = json.loads(path.read_text(encoding="utf-8"))["provenance"]
        minutes[made["device"].split(" (")[0]] += made["wall_seconds"] / 60
    return dict(minutes)


def weight(html: Path, docname: str) -> int:
    """Bytes of a written page and of its own pictures; what all pages share is not counted."""
    page = html / f"{docname}.html"
    text = page.read_text(encoding="utf-8")
    own = {page.parent / source for source in re.findall(r'<img[^>]*\bsrc="([^":]+)"', text)}
    own = {path.resolve() for path in own if "_static" not in path.parts}
    return len(text.encode()) + sum(path.stat().st_size for path in own if path.is_file())


def table(app, doctree, docname):
    """The table in the place of its node."""
    for node in list(doctree.findall(costs)):
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in HEAD), cols=len(HEAD))
        group += nodes.thead("", _row([nodes.Text(title) for title in HEAD]))
        body = nodes.tbody()
        for page in sorted(app.env.titles, key=lambda name: (chapter_number(name) or 99, name)):
            seconds = (NbMetadataCollector.get_exec_data(app.env, page) or {}).get("runtime")
            if seconds is None:
                continue
            target = app.builder.get_relative_uri(docname, page)
            number = chapter_number(page)
            title = (f"{number} · " if number else "") + app.env.titles[page].astext()
            runs = stored(page)
            body += _row(
                [
                    nodes.reference("", title, internal=True, refuri=target),
                    nodes.Text(f"{seconds:.0f}"),
                    nodes.Text(f"%weight {page}%"),
                    nodes.Text(" + ".join(f"{m:.0f}" for m in runs.values()) or "–"),
                    nodes.Text(" + ".join(runs) or "–"),
                ]
            )
        group += body
        node.replace_self(nodes.table("", group))


def _row(cells):
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def fill(app, error):
    """The weights, now that the pages are written."""
    if error or app.builder.format != "html":
        return
    html = Path(app.outdir)
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if "%weight " in text:
            new = re.sub(r"%weight (\S+)%", lambda m: f"{weight(html, m[1]) / 1000:.0f}", text)
            page.write_text(new, encoding="utf-8")


def again(app, env):
    """Pages with the table are written in every build: the numbers are those of the others."""
    return [d for d in env.found_docs if any(env.get_doctree(d).findall(costs))]


def setup(app):
    app.add_node(costs)
    app.add_directive("page-costs", PageCosts)
    app.connect("doctree-resolved", table)
    app.connect("env-updated", again)
    app.connect("build-finished", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
