"""The printed book: complete, readable, and without a trace of the machine that printed it."""

import re
import shutil

import pytest
from pypdf import PdfReader

from isolib import explorers
from sitekit.pdf import BROWSERS, NAME, OUT, anchor, order

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def book():
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("the PDF is printed by Chromium, which is not installed")
    return PdfReader(OUT / "html" / NAME)


@pytest.fixture(scope="module")
def texts(book):
    """The words on each page; read once, since reading them takes a minute."""
    return [page.extract_text() for page in book.pages]


def titles(outline):
    for entry in outline:
        if isinstance(entry, list):
            yield from titles(entry)
        else:
            yield entry.title


def test_every_page_of_the_book_is_in_the_outline(book):
    found = {re.sub(r"\W", "", title) for title in titles(book.outline)}
    for _, documents in order():
        for document in documents:
            html = (OUT / "html" / f"{document}.html").read_text(encoding="utf-8")
            heading = re.search(r"<h1>((?:(?!</h1>).)*)<a class=.headerlink", html)[1]
            title = re.sub(r"\W", "", re.sub(r"<[^>]*>|&\w+;", "", heading))
            assert title in found, document


def test_links_stay_inside_or_go_to_the_web(book):
    inside = 0
    for page in book.pages:
        for note in page.get("/Annots") or []:
            link = note.get_object()
            address = (link.get("/A") or {}).get("/URI")
            inside += address is None
            assert address is None or re.match("https?:|mailto:", address), address
    assert inside > 500


def test_formulas_are_set(texts):
    text = "".join(texts)
    assert "Math Processing Error" not in text
    assert not re.search(r"\\(frac|mathbb|sigma)\b", text)


def test_the_site_links_it():
    front = (OUT / "html/book/index.html").read_text(encoding="utf-8")
    assert f"../{NAME}" in front or not any(map(shutil.which, BROWSERS))


def test_two_pages_of_one_name_have_two_anchors():
    assert anchor("book/index") != anchor("book/problem-sets/index")
    assert anchor("book/a/b", "x") == "a-b--x"


def test_each_page_says_which_chapter_it_is_in(book, texts):
    heads = [text.strip().split("\n")[0] for text in texts]
    assert sum("One law for residual networks" in head for head in heads) > 10
    assert book.metadata.author == "The Dynamical Isometry book contributors"


def test_every_explorer_has_a_caption(texts):
    text = re.sub(r"\s+", "", "".join(texts))
    assert text.count("Onthewebpageitmoves") == len(explorers.ALL)


def test_the_contents_give_pages(texts):
    listed = next(text for text in texts if "Contents" in text)
    lines = re.findall(r"^(\S.*\S) (\d+)$", listed, re.M)
    assert len(lines) == sum(len(documents) for _, documents in order()[1:])
    for title, number in lines:
        words = " ".join(texts[int(number) - 1].split())
        # the heading of a chapter stands below the running head, which says the same
        assert words.count(title) >= 2 and f" {number} " in words, title
