"""The problem sets on the site: a table of them, and each student's notebook beside the pages.

Their sources hold solutions and hidden checks, so they are no pages: what reaches the site is the
notebook that `coursework` builds for students, and a leak stops the build.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from coursework import source
from coursework.build import student_text
from coursework.reading import SourceError
from sitekit.repository import colab_link

FOLDER = "problem-sets"


def assignments() -> list[source.Assignment]:
    """Every problem set of the book. A mistake in one stops the build."""
    try:
        return [source.load(key) for key in source.known()]
    except SourceError as error:
        raise ExtensionError(str(error)) from None


class ProblemSets(SphinxDirective):
    """`{problem-sets}`: title, part, hours, points and links of every set."""

    def run(self) -> list[nodes.Node]:
        up = "../" * self.env.docname.count("/")
        repository = self.config.book_repository
        rows = []
        for one in assignments():
            self.env.note_dependency(str(one.path))
            place = f"{FOLDER}/{one.key}.ipynb"
            links = nodes.paragraph()
            links += nodes.reference("", "notebook", refuri=f"{up}notebooks/{place}")
            if repository:
                colab = colab_link(repository, self.config.book_branch, place)
                links += nodes.Text(", ")
                links += nodes.reference("", "Colab", refuri=colab)
            points = f"{one.points:g}" if one.points else "by rubric"
            name = f"{one.key.upper()}. {one.title}" if one.key.startswith("ps") else one.title
            cells = (name, one.part, f"{one.hours:g}", points)
            rows.append([*(nodes.paragraph("", text) for text in cells), links])
        if not rows:
            return [nodes.paragraph("", "No problem set is out yet.")]
        return [table(["Set", "Belongs to", "Hours", "Points", "For students"], rows)]


def table(heads: list[str], rows: list[list[nodes.Node]]) -> nodes.table:
    """A table of paragraphs."""
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]

    def row(cells):
        return nodes.row("", *(nodes.entry("", cell) for cell in cells))

    group += nodes.thead("", row([nodes.paragraph("", head) for head in heads]))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group, classes=["colwidths-auto"])


def write(app, exception):
    """The students' notebooks, in notebooks/problem-sets/ of the site; older ones go."""
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "notebooks" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = set()
    for one in assignments():
        try:
            text = student_text(one, app.config.book_repository)
        except SourceError as error:
            raise ExtensionError(str(error)) from None
        made.add(f"{one.key}.ipynb")
        (folder / f"{one.key}.ipynb").write_text(text, encoding="utf-8")
    for path in folder.glob("*"):
        if path.name not in made:
            path.unlink()


def setup(app):
    app.add_directive("problem-sets", ProblemSets)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
