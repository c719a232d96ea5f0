"""`python -m sitekit.pdf`: the built site as one PDF, printed by a headless Chromium.

Every page of the table of contents goes, in its order, into one HTML document; links between
pages become links inside it, proofs and solutions stand open, explorers are stills. Chromium
then prints it with an outline made from the headings.
"""

from __future__ import annotations

import posixpath
import shutil
import sys
import time
from pathlib import Path

import yaml
from bs4 import BeautifulSoup

from sitekit.repository import ROOT

OUT = ROOT / "_build"

NAME = "dynamical-isometry.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STYLES = ("pygments.css", "proof.css", "exercise.css", "explorer.css", "book.css")
CSS = """
@page { size: A4; margin: 18mm 19mm 20mm }
:root { --pst-font-size-base: 15px }
html { font: 10pt/1.42 Georgia, 'DejaVu Serif', serif; color: #111 }
body { margin: 0; counter-reset: none }
h1, h2, h3, h4 { font-family: 'Helvetica Neue', 'DejaVu Sans', sans-serif; line-height: 1.2;
  break-after: avoid }
h1 { font-size: 20pt; margin: 0 0 8mm } h2 { font-size: 14pt } h3 { font-size: 11.5pt }
.page { break-before: page } .part { break-before: page; padding-top: 60mm; font-size: 24pt;
  font-family: 'DejaVu Sans', sans-serif }
.cover { height: 235mm; display: flex; flex-direction: column; justify-content: center }
.cover h1 { font-size: 34pt; margin-bottom: 4mm } nav.contents li { list-style: none }
nav.contents ul { padding-left: 5mm } a { color: #0b4a8f; text-decoration: none }
pre { font: 7.6pt/1.35 'DejaVu Sans Mono', monospace; white-space: pre-wrap; margin: 0;
  overflow-wrap: anywhere; background: #f5f6f7; padding: 2mm 2.5mm; border-radius: 1mm }
code { font: .84em 'DejaVu Sans Mono', monospace }
.cell, .cell_output, figure, pre, .isolib-explorer, tr { break-inside: avoid }
.cell { margin: 3mm 0 } .cell_output pre { background: none; border-left: .6mm solid #bbb;
  border-radius: 0 }
img, svg { max-width: 100% } figure { margin: 4mm 0; text-align: center }
figure img { max-height: 105mm } figcaption { font-size: 8.6pt; text-align: left }
.cell_output img { max-height: 105mm; display: block; margin: auto }
table { border-collapse: collapse; font-size: 8.4pt; margin: 3mm 0; width: 100% }
th, td { border-bottom: .2mm solid #ccc; padding: 1mm 1.5mm; text-align: left;
  vertical-align: top; overflow-wrap: anywhere }
table.math { font-size: inherit } td code { overflow-wrap: anywhere }
.admonition { border-left: .8mm solid #8aa; padding: .5mm 4mm; margin: 4mm 0 }
.admonition-title { font-weight: bold; font-family: 'DejaVu Sans', sans-serif; font-size: 9pt }
.isolib-explorer .isolib-controls, .headerlink, button { display: none !important }
.isolib-explorer svg { max-height: 90mm } mjx-container { font-size: 112% !important }
div.math { display: flex; flex-direction: row-reverse; align-items: center }
div.math mjx-container { flex-grow: 1; margin: 2mm 0 !important }
mjx-container[display='true'] { break-inside: avoid; max-width: 100%; overflow: hidden }
.sd-row { display: flex; gap: 4mm } .sd-card { border: .2mm solid #ccc; padding: 2mm; flex: 1 }
dl.py dd { margin-left: 6mm } dl.py > dt { font: 8.4pt 'DejaVu Sans Mono', monospace }
"""


def order() -> list[tuple[str, list[str]]]:
    """(caption, documents) of every part in the table of contents; the first is the root's."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [("", [toc["root"]])]
    for part in toc["parts"]:
        parts.append((part["caption"], [chapter["file"] for chapter in part["chapters"]]))
    return parts


def anchor(document: str, name: str = "") -> str:
    """The id in the common document of a page, or of one place in it."""
    page = document.removeprefix("book/").replace("/", "-")
    return f"{page}--{name}" if name else page


def chapter(html: Path, document: str, known: set[str]):
    """One page's <section>, its ids and links moved into the common document."""
    page = BeautifulSoup((html / f"{document}.html").read_text(encoding="utf-8"), "html.parser")
    section = page.select_one("article.bd-article > section")
    for node in section.select("a.headerlink, script:not([type='application/json']), button"):
        node.decompose()
    for node in section.select("details.above-input, details.hide"):
        node.decompose()  # the code of figures
    for node in section.select("details"):
        node["open"] = ""
    folder = posixpath.dirname(document)
    for node in section.find_all(True):
        if node.get("id") and not node.find_parent("svg"):
            node["id"] = anchor(document, node["id"])
        if node.name == "img":
            node["src"] = (html / folder / node["src"]).resolve().as_uri()
            node.attrs.pop("loading", None)
        if node.name == "a" and not node.get("href", "http").startswith(("http", "mailto")):
            path, _, name = node["href"].partition("#")
            there = posixpath.normpath(posixpath.join(folder, path)).removesuffix(".html")
            there = there if path else document
            if there in known:
                node["href"] = "#" + anchor(there, name)
            else:  # a file of the site, not a page of the book
                node.unwrap()
    section["class"] = "page"
    section["id"] = anchor(document)
    return section


def assemble(html: Path) -> str:
    """The whole book as one HTML document."""
    parts = order()
    known = {document for _, documents in parts for document in documents}
    static = (html / "_static").as_uri()
    links = "".join(f"<link rel='stylesheet' href='{static}/{name}'>" for name in STYLES)
    body, contents = [], []
    for caption, documents in parts:
        lines = []
        for document in documents:
            section = chapter(html, document, known)
            title = section.find("h1").get_text(" ", strip=True)
            lines.append(f"<li><a href='#{anchor(document)}'>{title}</a></li>")
            body.append(str(section))
        contents.append((caption, "".join(lines)))
    inside = "".join(f"<li>{c}<ul>{lines}</ul></li>" for c, lines in contents[1:])
    return (
        "<!doctype html><html lang='en' data-theme='light'><head><meta charset='utf-8'>"
        f"<title>Dynamical Isometry</title>{links}<style>{CSS}</style>"
        "<script>window.MathJax = {}</script>"
        f"<script defer src='{static}/mathjax/tex-chtml.js'></script></head><body>"
        "<div class='cover'><h1>Dynamical Isometry</h1><p>an executable course, from random "
        "matrices to the Jacobian spectra of deep networks</p><p>The Dynamical Isometry book "
        "contributors</p></div><nav class='contents page'><h1>Contents</h1>"
        f"<ul>{inside}</ul></nav>{''.join(body)}"
        f"<script defer src='{static}/explorer.js'></script></body></html>"
    )


def main() -> int:
    """Print the book unless the last print was of the same text; then link it from the site."""
    started, html = time.perf_counter(), OUT / "html"
    source, target = OUT / "book.html", html / NAME
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        print("no Chromium was found, so the book is not printed as a PDF")
        return 0
    text = assemble(html)
    if not (target.exists() and source.exists() and source.read_text("utf-8") == text):
        source.unlink(missing_ok=True)
        print_pdf(chromium, text, source.with_suffix(".new.html"), target)
        source.with_suffix(".new.html").replace(source)
        seconds = time.perf_counter() - started
        print(f"{NAME}: {target.stat().st_size / 1e6:.1f} MB in {seconds:.0f} s")
    front = html / "book" / "index.html"
    page = front.read_text(encoding="utf-8")
    link = f"<a href='../{NAME}'>one PDF</a>"
    if link not in page:
        front.write_text(page.replace("one PDF", link, 1), encoding="utf-8")
    return 0


def print_pdf(chromium: str, text: str, source: Path, target: Path) -> None:
    """Let Chromium print the HTML `text`, kept at `source`, to `target`."""
    from playwright.sync_api import sync_playwright

    source.write_text(text, encoding="utf-8")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(source.as_uri(), timeout=600_000)
        page.evaluate("() => MathJax.startup.promise")
        page.evaluate("() => document.fonts.ready")
        page.pdf(
            path=target, prefer_css_page_size=True, print_background=True, outline=True,
            tagged=True, display_header_footer=True, header_template="<span></span>",
            footer_template="<div style='font: 8pt sans-serif; width: 100%; text-align: center'>"
            "<span class='pageNumber'></span></div>",
        )  # fmt: skip
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
