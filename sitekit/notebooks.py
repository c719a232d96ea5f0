"""Every chapter as an .ipynb, written from the same resolved tree as its page.

Because theorem, equation and figure numbers are read off the tree that Sphinx has just resolved
for the page, the notebook's numbers are the site's. A node without a rule here is an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from docutils import nodes
from pybtex.richtext import Text as LatexText
from sphinx.errors import ExtensionError
from sphinx.util import logging

LOG = logging.getLogger(__name__)

INSTALL = """# @title Run this first: it installs isolib where it is missing
# import os; os.environ["ISOLIB_SCALE"] = "paper"  # or "test"; the default is "laptop"
REPOSITORY = "{repository}"
try:
    import isolib
except ImportError:
    if not REPOSITORY:
        raise SystemExit("set REPOSITORY to the https address of this book's source") from None
    # --no-deps: the torch and numpy that are here stay as they are
    %pip install --quiet --no-deps "isolib @ git+{{REPOSITORY}}" anywidget psygnal
    import isolib
print("isolib", isolib.__version__)"""


def notebook_name(env, docname: str) -> str | None:
    """The notebook's file name, e.g. 02-random-matrices.ipynb; None for a page without cells."""
    if "kernelspec" not in env.metadata.get(docname, {}):
        return None
    number = env.toc_secnumbers.get(docname, {}).get("")
    prefix = f"{number[0]:02d}-" if number and isinstance(number[0], int) else ""
    return f"{prefix}{docname.rsplit('/', 1)[-1]}.ipynb"


class Converter:
    """Turns one resolved document into notebook cells."""

    def __init__(self, app, docname: str):
        self.app, self.env, self.docname = app, app.env, docname
        self.cells: list[dict] = []
        self.buffer: list[str] = []
        self.depth = 0
        self.cited: dict[str, object] = {}
        self.solution = ""  # the title of the solution whose cells are being written

    # ---- cells ------------------------------------------------------------------------------
    def flush(self):
        text = "\n\n".join(part for part in self.buffer if part.strip()).strip()
        self.buffer = []
        if text:
            self.cells.append({"cell_type": "markdown", "metadata": {}, "source": text})

    def code(self, source: str, tags: list[str], folded: str = ""):
        """A code cell; with a title in `folded`, one whose code Colab and JupyterLab hide."""
        self.flush()
        metadata: dict = {"tags": tags} if tags else {}
        if folded or {"hide-input", "hide-cell"} & set(tags):
            metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
            source = f"# @title {folded or 'Set-up'}\n" + source
        self.cells.append({"cell_type": "code", "metadata": metadata, "source": source})

    # ---- numbers and links ------------------------------------------------------------------
    def number(self, kind: str, node) -> str:
        numbers = self.env.toc_fignumbers.get(self.docname, {}).get(kind, {})
        for identifier in node["ids"]:
            if identifier in numbers:
                return ".".join(map(str, numbers[identifier]))
        return ""

    def section_number(self, section) -> str:
        numbers = self.env.toc_secnumbers.get(self.docname, {})
        anchors = [""] if self.depth == 1 else [f"#{i}" for i in section["ids"]]
        found = next((numbers[a] for a in anchors if numbers.get(a)), None)
        return ".".join(map(str, found)) + ". " if found else ""

    def citation(self, refid: str):
        """The bibliography's entry behind a citation link; None for any other link."""
        for citation in self.env.get_domain("cite").citations:
            if citation.citation_id == refid:
                self.cited[citation.key] = citation.entry
                return citation.entry
        return None

    def references(self):
        """A last cell that lists what the chapter cites, since a notebook has no other page."""
        if self.cited:
            self.flush()
            lines = sorted(reference_line(entry) for entry in self.cited.values())
            self.buffer = ["## References", "\n".join(f"- {line}" for line in lines)]

    # ---- inline -----------------------------------------------------------------------------
    def inline(self, node) -> str:
        return "".join(self.inline_one(child) for child in node.children)

    def inline_one(self, node) -> str:
        if isinstance(node, nodes.Text):
            text = re.sub(r"([\\*_`$\[\]])", r"\\\1", str(node)).replace("<", "&lt;")
            return text.replace("\n", " ")
        if isinstance(node, nodes.emphasis):
            return f"*{self.inline(node)}*"
        if isinstance(node, nodes.strong):
            return f"**{self.inline(node)}**"
        if isinstance(node, nodes.literal):
            return f"`{node.astext()}`"
        if isinstance(node, nodes.math):
            return f"${node.astext().strip()}$"
        if isinstance(node, nodes.reference):
            return self.link(node)
        if isinstance(node, (nodes.inline, nodes.generated)):
            return self.inline(node)
        if isinstance(node, (nodes.target, nodes.comment)):
            return ""
        if isinstance(node, nodes.paragraph):  # a lone paragraph in a table cell
            return self.inline(node)
        self.unknown(node)

    def link(self, node) -> str:
        text, uri = self.inline(node), node.get("refuri", "")
        if uri.startswith(("http:", "https:", "mailto:")):
            return f"[{text}]({uri})"
        target = node.get("refid") or uri.rpartition("#")[2]
        entry = self.citation(target)
        url = entry and where_to_read(entry)
        # inside the book a number or a title says where to look; the notebook has no other pages
        return f"[{text}]({url})" if url else text

    # ---- blocks -----------------------------------------------------------------------------
    def blocks(self, node) -> str:
        """The Markdown of a node's children that hold no cell."""
        outer, self.buffer = self.buffer, []
        count = len(self.cells)
        for child in node.children:
            self.block(child)
        if len(self.cells) != count:
            raise ExtensionError(f"{self.docname}: a code cell stands inside a {node.tagname}")
        text = "\n\n".join(part for part in self.buffer if part.strip())
        self.buffer = outer
        return text

    def block(self, node):
        handler = next(
            (
                getattr(self, f"on_{c.__name__}")
                for c in type(node).__mro__
                if hasattr(self, f"on_{c.__name__}")
            ),
            None,
        )
        if "realtype" in getattr(node, "attributes", {}):
            handler = self.on_statement
        if handler is None:
            self.unknown(node)
        handler(node)

    def unknown(self, node):
        raise ExtensionError(
            f"{self.docname}, near line {node.line}: the notebook writer has no rule for "
            f"<{node.tagname}>. Use another construction, or add a rule in sitekit/notebooks.py."
        )

    def skip(self, node):
        pass

    on_target = on_comment = on_meta = on_index = on_substitution_definition = skip

    def on_section(self, node):
        titled = any(isinstance(c, nodes.title) for c in node.children)
        self.depth += titled
        for child in node.children:
            if isinstance(child, nodes.title):
                level = "#" * min(self.depth, 6)
                self.buffer.append(f"{level} {self.section_number(node)}{self.inline(child)}")
            else:
                self.block(child)
        self.depth -= titled

    def on_paragraph(self, node):
        self.buffer.append(self.inline(node))

    def on_math_block(self, node):
        if node.get("nowrap"):
            raise ExtensionError(
                f"{self.docname}: write $$ … $$ with \\begin{{aligned}} instead of a bare "
                f"environment: {node.astext()[:60]!r}"
            )
        number = self.number("displaymath", node)
        tag = f" \\tag{{{number}}}" if number else ""
        # a blank line would end the formula in a notebook
        body = re.sub(r"\n\s*\n", "\n", node.astext().strip())
        self.buffer.append(f"$$\n{body}{tag}\n$$")

    def list_items(self, node, marker):
        lines = []
        for i, item in enumerate(node.children):
            lead = marker(i)
            body = self.blocks(item).replace("\n", "\n" + " " * len(lead))
            lines.append(lead + body)
        self.buffer.append("\n".join(lines))

    def on_bullet_list(self, node):
        self.list_items(node, lambda i: "- ")

    def on_enumerated_list(self, node):
        start = node.get("start", 1)
        self.list_items(node, lambda i: f"{start + i}. ")

    def on_definition_list(self, node):
        for item in node.children:
            term = " ".join(self.inline(c) for c in item.children if isinstance(c, nodes.term))
            body = next(self.blocks(c) for c in item.children if isinstance(c, nodes.definition))
            self.buffer.append(f"**{term}**: {body}")

    def quoted(self, text: str) -> str:
        return "\n".join(("> " + line).rstrip() for line in text.split("\n"))

    def on_block_quote(self, node):
        self.buffer.append(self.quoted(self.blocks(node)))

    def on_transition(self, node):
        self.buffer.append("---")

    def on_literal_block(self, node):
        self.buffer.append(f"```{node.get('language', '')}\n{node.astext()}\n```")

    def on_table(self, node):
        rows = [
            [" ".join(self.inline(p) for p in entry.children).replace("|", "\\|") for entry in row]
            for row in node.findall(nodes.row)
        ]
        head, *body = rows
        lines = [head, ["---"] * len(head), *body]
        title = next((self.inline(c) for c in node.children if isinstance(c, nodes.title)), "")
        number = self.number("table", node)
        if title:
            self.buffer.append(f"**Table {number}** {title}".replace("  ", " "))
        self.buffer.append("\n".join("| " + " | ".join(row) + " |" for row in lines))

    def folded(self, title: str, body: str) -> str:
        return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"

    def boxed(self, node, title: str, body: str):
        if "dropdown" in node["classes"]:
            self.buffer.append(self.folded(re.sub(r"\\(.)", r"\1", title), body))
        else:
            self.buffer.append(self.quoted(f"**{title}**\n\n{body}" if title else body))

    def on_Admonition(self, node):
        titles = [c for c in node.children if isinstance(c, nodes.title)]
        title = self.inline(titles[0]) if titles else node.tagname.capitalize()
        for child in titles:
            node.remove(child)
        self.boxed(node, title, self.blocks(node))

    def on_admonition(self, node):
        titles = [c for c in node.children if isinstance(c, nodes.title)]
        title = self.inline(titles[0]) if titles else ""
        rest = node.deepcopy()
        for child in [c for c in rest.children if isinstance(c, nodes.title)]:
            rest.remove(child)
        self.boxed(node, title, self.blocks(rest))

    def on_statement(self, node):
        """Theorem, definition, remark, …: kind and number, then the text."""
        kind = node["realtype"].capitalize()
        number = self.number(node["countertype"], node)
        title = self.inline(node.children[0]).strip()
        head = f"{kind} {number}".strip() + (f" {title}" if title else "")
        content = nodes.container("", *[c.deepcopy() for c in node.children[1:]])
        self.boxed(node, head, self.blocks(content))

    def on_proof_node(self, node):
        for child in node.children:
            self.block(child)

    def on_exercise_enumerable_node(self, node):
        number = self.number("exercise", node)
        subtitle = self.inline(node.children[0]).strip()
        content = nodes.container("", *[c.deepcopy() for c in node.children[1:]])
        head = f"Exercise {number}" + (f" {subtitle}" if subtitle else "")
        self.buffer.append(self.quoted(f"**{head}**\n\n{self.blocks(content)}"))

    def on_solution_node(self, node):
        title = re.sub(r"\s+", " ", self.inline(node.children[0])).strip()
        if not any(c.get("nb_element") == "cell_code" for c in node.findall(nodes.container)):
            content = nodes.container("", *[c.deepcopy() for c in node.children[1:]])
            self.buffer.append(self.folded(title, self.blocks(content)))
            return
        # a cell cannot stand inside Markdown: prose folds as details, code as a hidden form
        self.flush()
        self.solution = title
        for child in node.children[1:]:
            self.block(child)
        self.close_prose()
        self.solution = ""

    def close_prose(self):
        """Fold what a solution has said so far, before a code cell or at its end."""
        body = "\n\n".join(part for part in self.buffer if part.strip())
        self.buffer = [self.folded(self.solution, body)] if body else []
        self.flush()

    def on_container(self, node):
        if node.get("nb_element") != "cell_code":
            for child in node.children:
                self.block(child)
            return
        source = next(
            (
                c.children[0].astext()
                for c in node.findall(nodes.container)
                if c.get("nb_element") == "cell_code_source"
            ),
            None,
        )
        tags = list(node.get("cell_metadata", {}).get("tags", []))
        if source is None:
            raise ExtensionError(
                f"{self.docname}: a cell's code is removed from the page (tags {tags}); use "
                "hide-input instead, so that the notebook has it too"
            )
        if self.solution:
            self.close_prose()
        self.code(source, tags, folded=f"{self.solution}: code" if self.solution else "")
        for figure in node.findall(nodes.figure):
            caption = next((c for c in figure.children if isinstance(c, nodes.caption)), None)
            if caption is not None:
                number = self.number("figure", figure)
                self.buffer.append(f"**Fig. {number}** {self.inline(caption)}")

    def on_raw(self, node):
        if "thebe" in node.astext() or "kernelName" in node.astext():
            return  # put there by the theme for live code on the page
        self.unknown(node)


def where_to_read(entry) -> str | None:
    """The address of a cited work, if the bibliography knows one."""
    fields = entry.fields
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return fields.get("url")


def reference_line(entry) -> str:
    """One entry of the bibliography in a line: authors, title, where, year, link."""

    def plain(text) -> str:
        return str(LatexText.from_latex(str(text)))

    fields, people = entry.fields, entry.persons.get("author") or entry.persons.get("editor", [])
    names = ", ".join(
        plain(" ".join([*p.first_names, *p.middle_names, *p.prelast_names, *p.last_names]))
        for p in people
    )
    place = next((fields[k] for k in ("journal", "booktitle", "publisher") if k in fields), "")
    where = ", ".join(plain(part) for part in (place, fields.get("year", "")) if part)
    url = where_to_read(entry)
    return f"{names}, *{plain(fields['title'])}*, {where}." + (f" <{url}>" if url else "")


def assemble(cells: list[dict], slug: str, gpu: bool) -> str:
    """The notebook as text: ids from the content, so that the same source is the same bytes."""
    seen: dict[str, int] = {}
    for cell in cells:
        digest = hashlib.sha256((cell["cell_type"] + cell["source"]).encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell["source"] = cell["source"].splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    metadata = {
        "colab": {"name": f"{slug}.ipynb", "provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    if gpu:
        metadata["accelerator"] = "GPU"
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write(app, doctree, docname):
    """On every page that is written: its notebook beside the site, in notebooks/."""
    if app.builder.format != "html":
        return
    name = notebook_name(app.env, docname)
    if name is None:
        return
    converter = Converter(app, docname)
    install = INSTALL.format(repository=app.config.book_repository)
    converter.code(install, [])
    converter.cells[0]["metadata"] = {"cellView": "form"}
    for child in doctree.children:
        converter.block(child)
    converter.references()
    converter.flush()
    text = "".join(c["source"] for c in converter.cells if c["cell_type"] == "markdown")
    left = re.search(r"(^|\n)(```|:::)\{|\{(eq|ref|numref|doc|cite|prf)[:}]", text)
    if left:
        raise ExtensionError(
            f"{docname}: a directive or role is left in the notebook: {left[0]!r}"
        )
    folder = Path(app.outdir) / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    gpu = str(app.env.metadata[docname].get("gpu", "")).lower() == "true"
    path = folder / name
    path.write_text(assemble(converter.cells, name.removesuffix(".ipynb"), gpu), encoding="utf-8")


def forget(app, exception):
    """Remove notebooks of pages that are gone or renumbered."""
    folder = Path(app.outdir) / "notebooks"
    if exception or app.builder.format != "html" or not folder.is_dir():
        return
    names = {notebook_name(app.env, docname) for docname in app.env.found_docs}
    for path in folder.glob("*.ipynb"):
        if path.name not in names:
            path.unlink()


def setup(app):
    app.connect("doctree-resolved", write, priority=900)
    app.connect("build-finished", forget)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
