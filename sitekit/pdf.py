"""`python -m sitekit.pdf`: the built site as one PDF, printed by a headless Chromium.

Every page of the table of contents goes, in its order, into one HTML document; links between
pages become links inside it, proofs and solutions stand open, explorers are stills. Chromium
then prints it with an outline made from the headings.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import sys
import time
from pathlib import Path

from bs4 import BeautifulSoup
from pypdf import PdfReader, PdfWriter

from sitekit.repository import ROOT, contents

OUT = ROOT / "_build"

NAME = "dynamical-isometry.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STYLES = ("pygments.css", "proof.css", "exercise.css", "explorer.css", "book.css")
CSS = Path(__file__).with_name("pdf.css")
NUMBERED = """pages => { for (const line of document.querySelectorAll("nav.contents a"))
  line.querySelector(".folio").textContent = pages[line.hash.slice(1)]; }"""


def order() -> list[tuple[str, list[str]]]:
    """(caption, documents) of every part in the table of contents; the first is the root's."""
    toc = contents()
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
        if not node.select_one(".cell_output"):
            node.decompose()  # the code of figures; a folded table stays, with its code
    for node in section.select("details"):
        node["open"] = ""
    for node in section.select("div.isolib-explorer"):
        still(page, node)
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
    section.insert(0, page.new_tag("span", id=section["id"]))
    section["class"] = "page"
    section["id"] = anchor(document)
    return section


def still(page, explorer) -> None:
    """An explorer as a figure whose caption says what is set; the call that made it is dropped."""
    spec = json.loads(explorer.find("script").string)
    where = ", ".join(f"{c['label']} {c['text'][c['start']]}" for c in spec["controls"])
    figure = explorer.wrap(page.new_tag("figure", attrs={"class": "still"}))
    caption = page.new_tag("figcaption")
    caption.string = f"{spec['title']}, here at {where}. On the web page it moves."
    figure.append(caption)
    cell = figure.find_parent("div", class_="cell")
    code = cell and cell.select_one(".cell_input")
    if code and re.fullmatch(r"\s*explorers\.\w+\(\)\s*", code.get_text()):
        code.decompose()


def assemble(html: Path) -> str:
    """The whole book as one HTML document."""
    parts = order()
    known = {document for _, documents in parts for document in documents}
    static = (html / "_static").as_uri()
    links = "".join(f"<link rel='stylesheet' href='{static}/{name}'>" for name in STYLES)
    body, contents, heads = [], [], []
    for caption, documents in parts:
        lines = []
        if "·" in caption:
            body.append(f"<div class='part'><h1>Part {caption}</h1></div>")
        for document in documents:
            section = chapter(html, document, known)
            title = section.find("h1").get_text(" ", strip=True)
            # the number is known when the book is printed; room for it is kept
            to = anchor(document)
            lines.append(f"<li><a href='#{to}'>{title}<span class='folio'>000</span></a></li>")
            section["style"] = f"page: p{len(heads)}"
            heads.append(
                f"@page p{len(heads)} {{ @top-right {{ content: {json.dumps(title)} }} }}"
            )
            body.append(str(section))
        contents.append((caption, "".join(lines)))
    inside = "".join(f"<li>{c}<ul>{lines}</ul></li>" for c, lines in contents[1:])
    return (
        "<!doctype html><html lang='en' data-theme='light'><head><meta charset='utf-8'>"
        f"<title>Dynamical Isometry</title>{links}<style>{CSS.read_text('utf-8')}"
        f"@page {{ @top-right {{ font: 8pt sans-serif; color: #555 }} }}{''.join(heads)}</style>"
        "<script>window.MathJax = {}</script>"
        f"<script defer src='{static}/mathjax/tex-chtml.js'></script></head><body>"
        "<div class='cover'><h1>Dynamical Isometry</h1><p>an executable course, from random "
        "matrices to the Jacobian spectra of deep networks</p><p>The Dynamical Isometry book "
        "contributors</p><p>In this printed form proofs and solutions stand open, and explorers "
        "are stills. On the web they fold, and move.</p></div>"
        "<nav class='contents page'><h1>Contents</h1>"
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


def folios(path: Path) -> dict[str, int]:
    """The page on which each place that a link leads to was printed, counted from 1."""
    reader = PdfReader(path)
    places = reader.named_destinations.items()
    return {
        name.removeprefix("/"): 1 + reader.get_destination_page_number(place)
        for name, place in places
    }


def print_pdf(chromium: str, text: str, source: Path, target: Path) -> None:
    """Let Chromium print the HTML `text`, kept at `source`, to `target`.

    It is printed twice: first to learn on which page each chapter begins, then with these numbers
    in the contents.
    """
    from playwright.sync_api import sync_playwright

    source.write_text(text, encoding="utf-8")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(source.as_uri(), timeout=600_000)
        page.evaluate("() => MathJax.startup.promise")
        page.evaluate("() => document.fonts.ready")
        options = {"prefer_css_page_size": True, "print_background": True, "tagged": True}
        page.pdf(path=target, outline=True, **options)
        page.evaluate(NUMBERED, folios(target))
        page.pdf(path=target, outline=True, **options)
        browser.close()
    writer = PdfWriter(target, incremental=True)
    writer.add_metadata({"/Author": "The Dynamical Isometry book contributors"})
    writer.write(target)


if __name__ == "__main__":
    sys.exit(main())
