"""Reading in comfort: what the theme and its extensions leave to do in the written pages.

A page loads no script that it does not use and waits for none before it shows its text; its
pictures have their sizes before they come, so that nothing jumps; its parts have names and roles
that a screen reader can use; printed tables keep their columns and sentences wrap.
"""

from __future__ import annotations

import re
import struct
from html import unescape
from pathlib import Path

import pydata_sphinx_theme

#: characters a line of output may have before it matters on a phone
SHORT = 36
#: and before a laptop's page cuts it: longer rows wrap too
LONG = 100
#: points to CSS pixels
PIXELS = {"pt": 4 / 3, "px": 1, "": 1}
#: an icon in the theme's script, a name with its width, height, aliases, code and outline
ICON = re.compile(
    r'("[\w-]+"|[\w$]+):\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?'
)


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an SVG or PNG in CSS pixels; None of any other file.

    >>> picture_size(Path("LICENSE")) is None
    True
    """
    data = path.read_bytes()
    if data.startswith(b"\x89PNG"):
        return struct.unpack(">II", data[16:24])
    head = re.search(rb"<svg\b[^>]*>", data)
    text = head[0].decode() if head else ""
    sides = dict(re.findall(r'\b(width|height)="([\d.]+(?:pt|px)?)"', text))
    if len(sides) < 2:
        return None
    numbers = (re.fullmatch(r"([\d.]+)(\D*)", sides[s]).groups() for s in ("width", "height"))
    return tuple(round(float(number) * PIXELS[unit]) for number, unit in numbers)


def sized(tag: str, path: Path | None) -> str:
    """An <img> that takes its room at once and loads when its reader comes near."""
    size = picture_size(path) if path and path.is_file() and " width=" not in tag else None
    extra = ' width="{}" height="{}"'.format(*size) if size else ""
    if " loading=" not in tag and 'src="data:' not in tag:
        extra += ' loading="lazy" decoding="async"'
    return tag.replace("<img", f"<img{extra}", 1)


def lines_of_output(text: str) -> str:
    """Sentences among printed lines may wrap; rows, told by gaps or equal lengths, only if long.

    >>> lines_of_output("a  1.0" + chr(10) + "one two " * 8).count("sentence")
    1
    >>> lines_of_output(("one two " * 8 + chr(10)) * 3).count("sentence")
    0
    """
    lines = text.splitlines(keepends=True)
    plain = [unescape(line).rstrip() for line in lines]
    size = [len(line) for line in plain]
    near = [abs(a - b) <= 2 for a, b in zip(size, size[1:], strict=False)]
    row = [
        bool(re.search(r"\S {2,}\S", line)) or any(near[max(i - 1, 0) : i + 1])
        for i, line in enumerate(plain)
    ]
    for i in range(1, len(row) - 1):
        row[i] |= row[i - 1] and row[i + 1]
    return "".join(
        line if n <= (LONG if is_row else SHORT) else f'<span class="sentence">{line}</span>'
        for line, is_row, n in zip(lines, row, size, strict=True)
    )


def headed(table: str) -> str:
    """A table whose corner is empty has names of rows in its first column: they head the rows.

    >>> t = "<table><thead><tr><th></th><th>a</th></tr></thead>"
    >>> t += "<tbody><tr><td>x</td><td>1</td></tr></tbody></table>"
    >>> headed(t).count("<th>"), headed(t).count('<th scope="row">x</th>')
    (1, 1)
    """
    empty = r"<th\b([^>]*)>\s*(?:<p>\s*</p>)?\s*</th>"
    if re.match(r"<table\b[^>]*>.*?<tr[^>]*>\s*" + empty, table, flags=re.S):
        first = re.compile(r"(<tr[^>]*>\s*)<td\b([^>]*)>(.*?)</td>", flags=re.S)
        table = first.sub(r'\1<th scope="row"\2>\3</th>', table)
    return re.sub(empty, r"<td\1></td>", table)


def tied(body: str) -> str:
    """A formula in a sentence and the punctuation after it stand on one line.

    >>> tied('at <span class="math">x</span>. So')
    'at <span class="tied"><span class="math">x</span>.</span> So'
    """
    formula = r'(<span class="math\b[^>]*>[^<]*</span>)([.,;:)\]!?’”]+)'
    return re.sub(formula, r'<span class="tied">\1\2</span>', body)


def page(app, pagename, templatename, context, doctree):
    """The last hand on a page's body and on its scripts."""
    images = {name: Path(app.srcdir, path) for path, name in app.builder.images.items()}
    body = context.get("body", "")
    body = re.sub(
        r'<img\b[^>]*?\bsrc="([^"]*)"[^>]*>',
        lambda m: sized(m[0], images.get(m[1].rsplit("/", 1)[-1])),
        body,
    )
    body = re.sub(
        r'(<div class="output (?:stream|text_plain)[^>]*><div class="highlight"><pre>'
        r"<span></span>)(.*?)(?=</pre>)",
        lambda m: m[1] + lines_of_output(m[2]),
        body,
        flags=re.S,
    )
    # its title is its name: a label would hide from a screen reader what is folded
    body = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    body = re.sub(r"<table\b.*?</table>", lambda m: headed(m[0]), body, flags=re.S)
    # a role that is no more: an entry is an item of the list that the bibliography is
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    # the blank before a link stands outside it, or it is underlined too
    body = re.sub(r"(Solution to)(<a\b[^>]*>) ", r"\1 \2", body)
    context["body"] = tied(body)
    context["css_files"] = [
        sheet for sheet in context.get("css_files", []) if "thebe" not in str(sheet.filename)
    ]
    if pagename != "search":  # whose inline scripts use the others at once
        context["script_files"] = [deferred(s) for s in context.get("script_files", [])]


def deferred(script):
    """The same script, run when the page is read; options that inline scripts extend stay."""
    if not script.filename or "documentation_options" in str(script.filename):
        return script
    attributes = {**script.attributes, "defer": "defer"}
    return type(script)(script.filename, priority=script.priority, **attributes)


def trim_icons(app, exception):
    """The theme's script holds 2000 icons, 1.5 MB; the pages use a dozen."""
    static = Path(app.outdir) / "_static"
    target = static / "scripts" / "fontawesome.js"
    if exception or not target.is_file():
        return
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    source = (theme / "scripts" / "fontawesome.js").read_text(encoding="utf-8")
    used = set()
    for path in (*Path(app.outdir).rglob("*.html"), *static.rglob("*.js")):
        if path != target:
            used |= set(re.findall(r"\bfa-([a-z0-9-]+)", path.read_text("utf-8", "replace")))

    def kept(match):
        names = {match[1].strip('"'), *re.findall(r'"([\w-]+)"', match[2])}
        return match[0] if names & used else ""

    target.write_text(ICON.sub(kept, source), encoding="utf-8")


def setup(app):
    app.connect("html-page-context", page, priority=950)
    app.connect("build-finished", trim_icons, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
