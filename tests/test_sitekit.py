"""The build: bad sources fail it with a message that says what to do; a good book passes twice.

Each test builds a throw-away book with this book's own settings and extension.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from docutils import nodes

from sitekit import build, numbers, repository, tables

ROOT = Path(__file__).resolve().parent.parent
COLOUR = re.compile(r"\x1b\[[\d;]*m")

HEAD = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
description: A page of a throw-away book.
---

"""

GOOD = (
    HEAD
    + r"""(good)=
# A good page

Prose with $x^2$, a star \* and a citation {cite:t}`one2000work`.

```{code-cell} ipython3
:tags: [hide-input]

import matplotlib.pyplot as plt
```

## A section

$$
a + b = c
$$ (eq-sum)

$$
a = c - b ,

$$ (eq-difference)

```{prf:theorem} Sums
:label: thm-sums

By {eq}`eq-sum` and {eq}`eq-difference`, $c - b = a$.
```

```{prf:proof}
:class: dropdown

Subtract $b$.
```

```{prf:definition} Nothing
:label: def-nothing

Zero, as in {prf:ref}`thm-sums`.
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-line
    caption: A line, see {eq}`eq-sum`.
  image:
    alt: A straight line that rises from zero to one.
---
plt.figure(figsize=(2, 1))
plt.plot([0, 1], [0, 1]);
```

Fig. {numref}`fig-line` shows it; {ref}`above <good>` says more.

```{exercise} Add
:label: ex-add

Add one and one.
```

```{solution-start} ex-add
:label: sol-add
:class: dropdown
```

It is two.

```{code-cell} ipython3
assert 1 + 1 == 2
```

```{solution-end}
```

| symbol | meaning |
| --- | --- |
| $a$ | a number \| another |
"""
)

BIB = "@book{one2000work, author={One, Anna}, title={Work}, publisher={Press}, year={2000}}\n"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A function that builds pages {name: text} and returns (built without complaint, output)."""
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # Sphinx leaves its tracebacks there
    monkeypatch.setenv("ISOLIB_STATIC", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of the kernels that run cells
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")

    def run(pages: dict, execute=False, files=(), parts=None):
        config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
        config["bibtex_bibfiles"] = ["references.bib"]
        (tmp_path / "references.bib").write_text(BIB)
        names = list(pages)
        toc = {"format": "jb-book", "root": names[0], "options": {"numbered": False}}
        if names[1:]:
            toc["parts"] = [
                {"caption": "Part", "numbered": 2, "chapters": [{"file": n} for n in names[1:]]}
            ]
        if parts:
            toc["parts"] = parts
        (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))
        (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
        for name, text in {**{f"{n}.md": t for n, t in pages.items()}, **dict(files)}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        out = io.StringIO()
        with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(out):
            warnings.simplefilter("ignore")  # the tools' own
            mode = {} if execute else {"nb_execution_mode": "off"}
            good = build.build(tmp_path / "_build", **mode)
        return good, COLOUR.sub("", out.getvalue())

    run.html = tmp_path / "_build" / "html"
    return run


INDEX = "# Index\n\nA front page with enough words on it.\n\n```{bibliography}\n```\n"


# ---- a good book -----------------------------------------------------------------------------
def test_a_good_book_builds_and_its_notebook_has_the_pages_numbers(book):
    pages = {"index": INDEX, "good": GOOD}
    good, said = book(pages, execute=True)
    assert good, said
    path = book.html / "notebooks" / "01-good.ipynb"
    first = path.read_bytes()
    notebook = nbformat.reads(first.decode(), as_version=4)
    nbformat.validate(notebook)
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    page = (book.html / "good.html").read_text(encoding="utf-8")

    assert r"a + b = c \tag{1.1}" in text.replace("\n", " ").replace("  ", " ")
    assert r"\tag{1.2}" in text
    assert page.count("(1.1)") >= 2 and page.count("(1.2)") >= 2
    assert "By (1.1) and (1.2)" in text
    assert "Theorem 1.1" in page and "**Theorem 1.1 (Sums)**" in text
    assert "Definition 1.1" in page and "Definition 1.1" in text  # each kind counts on its own
    assert "as in [Theorem 1.1]" in text or "as in Theorem 1.1" in text
    assert "Fig. 1.1" in page and "**Fig. 1.1** A line, see (1.1)." in text
    assert "Exercise 1.1" in page and "**Exercise 1.1 (Add)**" in text
    assert "<summary>Solution to Exercise 1.1" in text and "## References" in text
    assert "# 1. A good page" in text and "## 1.1. A section" in text
    assert "<summary>Proof</summary>" in text
    assert r"a number \| another" in text and r"a star \*" in text

    cells = [c.source for c in notebook.cells if c.cell_type == "code"]
    assert 'REPOSITORY = "https://github.com/owner/name"' in cells[0]
    assert cells[1].startswith("# @title Set-up\n") and cells[1].endswith("as plt")
    assert cells[-1].startswith("# @title Solution to Exercise 1.1")  # folded, as on the page
    assert cells[-1].endswith("\nassert 1 + 1 == 2")
    assert notebook.cells[0].metadata.cellView == "form"
    assert "colab.research.google.com/github/owner/name/blob/main/notebooks/01-good.ipynb" in page
    assert 'href="notebooks/01-good.ipynb"' in page
    assert 'alt="A straight line that rises from zero to one."' in page
    assert 'name="description"' in page

    # again, from nothing: the same bytes
    (book.html / "notebooks" / "01-good.ipynb").unlink()
    (book.html.parent / ".doctrees" / "environment.pickle").unlink()
    good, said = book(pages, execute=True)
    assert good, said
    assert path.read_bytes() == first


def test_a_chapter_keeps_its_number_while_others_are_missing(book):
    later = GOOD.replace("{cite:t}`one2000work`", "no one")
    pages = {"index": INDEX + "\n{cite:t}`one2000work`\n", "part/convolutions": later}
    good, said = book(pages, execute=True)
    assert good, said
    page = (book.html / "part" / "convolutions.html").read_text(encoding="utf-8")
    front = (book.html / "index.html").read_text(encoding="utf-8")
    assert (book.html / "notebooks" / "10-convolutions.ipynb").is_file()
    assert page.count("(10.1)") >= 2 and "Theorem 10.1" in page and "Exercise 10.1" in page
    assert "10. A good page" in re.sub(r"<[^>]+>", "", page)
    assert "10. A good page" in re.sub(r"<[^>]+>", "", front)  # in the sidebar
    assert "1. A good page" not in re.sub(r"<[^>]+>", "", page).replace("10. A", "")


def test_the_appendix_has_a_letter(book):
    later = GOOD.replace("{cite:t}`one2000work`", "no one")
    pages = {"index": INDEX + "\n{cite:t}`one2000work`\n", "part/complex-analysis": later}
    good, said = book(pages, execute=True)
    assert good, said
    page = (book.html / "part" / "complex-analysis.html").read_text(encoding="utf-8")
    notebook = (book.html / "notebooks" / "complex-analysis.ipynb").read_text("utf-8")
    assert "(A.1)" in page and "Theorem A.1" in page and "Theorem A.1" in notebook
    text = re.sub(r"<[^>]+>", "", page)
    assert "A. A good page" in text and "A. A section" not in text


def test_a_second_build_keeps_the_letter(book):
    chapter = (
        "# A chapter\n\nA page with enough words.\n\n## More\n\nWords.\n\n### Most\n\nWords.\n"
    )
    pages = {"index": INDEX + "\n{cite:t}`one2000work`\n", "part/convolutions": chapter}
    pages["part/complex-analysis"] = chapter.replace("chapter", "tool")
    parts = [
        {"caption": "Part", "numbered": 2, "chapters": [{"file": "part/convolutions"}]},
        {"caption": "Back", "chapters": [{"file": "part/complex-analysis"}]},
    ]
    good, said = book(pages, parts=parts)
    assert good, said
    pages["part/convolutions"] += "\nOne line more.\n"
    good, said = book(pages, parts=parts)
    assert good, said  # it reads one page, and the others' numbers come from the last build
    text = (book.html / "part" / "convolutions.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", text)
    assert "One line more" in text and "A. A tool" in text and "10. A chapter" in text


def test_the_letter_is_taken_back_before_pages_are_counted_again():
    # the collector of the next build assigns into the numbers that it finds on titles
    doc, entry = "book/back-matter/complex-analysis", nodes.reference(anchorname="")
    title, toc = nodes.title(), nodes.bullet_list("", entry)
    env = SimpleNamespace(titles={doc: title}, tocs={doc: toc}, toc_secnumbers={})
    numbers.renumber(env)
    assert title["secnumber"] == entry["secnumber"] == ("A",)
    numbers.forget(env)
    assert "secnumber" not in title and "secnumber" not in entry


def test_without_an_address_there_is_no_colab_button(book, monkeypatch):
    monkeypatch.setattr("sitekit.pages.address", lambda configured: "")
    good, said = book({"index": INDEX, "good": GOOD.replace("{numref}`fig-line`", "1.1")})
    assert good, said
    page = (book.html / "good.html").read_text(encoding="utf-8")
    assert "colab.research" not in page and 'href="notebooks/01-good.ipynb"' in page
    notebook = json.loads((book.html / "notebooks" / "01-good.ipynb").read_text("utf-8"))
    assert 'REPOSITORY = ""\n' in notebook["cells"][0]["source"]


# ---- warnings, each of which fails the build -------------------------------------------------
COMPLAINTS = {
    "equation": ("See {eq}`eq-nowhere`.", "equation not found: eq-nowhere"),
    "section": ("See {ref}`nowhere`.", "undefined label: 'nowhere'"),
    "page": ("See {doc}`/nowhere`.", "unknown document: '/nowhere'"),
    "theorem": ("See {prf:ref}`thm-nowhere`.", "thm-nowhere"),
    "figure": ("See {numref}`fig-nowhere`.", "undefined label: 'fig-nowhere'"),
    "work": ("See {cite:p}`nobody1900`.", 'could not find bibtex key "nobody1900"'),
    "link": ("See [there](#nowhere).", "nowhere"),
    "term": ("See {term}`nowhere`.", "term not in glossary: 'nowhere'"),
    "directive": ("```{nosuchbox}\nText\n```", "Unknown directive type: 'nosuchbox'"),
    "role": ("See {nosuchrole}`x`.", 'Unknown interpreted text role "nosuchrole"'),
    "image": ("![](dot.png)", "a figure without alt text: give its cell the metadata mystnb"),
    "short": ("![a dot](dot.png)", "a figure without alt text: give its cell the metadata"),
    "http": ("See [there](http://example.org).", "a link without https: http://example.org"),
    "label": ("(index-label)=\n## Twice\n\nText.", "duplicate label index-label"),
}

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080000000037 6ef9240000000a49444154"
    "789c6360000000020001e221bc330000000049454e44ae426082".replace(" ", "")
)


def test_each_bad_construction_is_reported_with_its_page(book, tmp_path):
    (tmp_path / "dot.png").write_bytes(PNG)
    index = "(index-label)=\n" + INDEX
    pages = {name: f"# Page {name}\n\n{text}\n" for name, (text, _) in COMPLAINTS.items()}
    good, said = book({"index": index, **pages})
    assert not good
    lines = [line for line in said.split("\n") if "WARNING" in line or "ERROR" in line]
    for name, (_, message) in COMPLAINTS.items():
        assert any(f"{name}.md" in line and message in line for line in lines), (name, lines)
    # and nothing else is wrong: without the bad lines the same book builds
    shutil.rmtree(tmp_path / "_build")
    pages = {name: f"# Page {name}\n\nGood words.\n" for name in COMPLAINTS}
    good, said = book({"index": index, **pages})
    assert good, said


# ---- what stops the build at once ------------------------------------------------------------
STOPS = {
    "remove-input": (
        "```{code-cell}\n:tags: [remove-input]\n1\n```\n",
        "a cell's code is removed from the page (tags ['remove-input']); use hide-input instead",
    ),
    "remove-cell": (
        "```{code-cell}\n:tags: [remove-cell]\n1\n```\n",
        "WARNING: a cell is removed by the tag remove-cell, so the notebook would lack its code",
    ),
    "remove-cell in a list": (
        "```{code-cell}\n---\ntags:\n- remove-cell\n---\n1\n```\n",
        "WARNING: a cell is removed by the tag remove-cell, so the notebook would lack its code",
    ),
    "footnote": (
        "Text[^1].\n\n[^1]: A note.\n",
        "has no rule for <footnote_reference>. Use another construction, or add a rule in sitekit",
    ),
    "environment": (
        "\\begin{align}\na &= b\n\\end{align}\n",
        "write $$ … $$ with \\begin{aligned} instead of a bare environment",
    ),
    "cell in a box": (
        "````{note}\n```{code-cell}\n1\n```\n````\n",
        "Found an unexpected `code-cell`",
    ),
    "raw html": (
        "<b onclick='x'>Text</b>\n",
        "has no rule for <raw>",
    ),
}


@pytest.mark.parametrize("name", STOPS)
def test_what_a_notebook_cannot_hold_stops_the_build(book, name):
    text, message = STOPS[name]
    good, said = book({"index": INDEX, "bad": HEAD + "# Bad\n\nWords.\n\n" + text})
    assert not good
    assert message in " ".join(said.split()), said


def test_a_failing_cell_stops_the_build_and_shows_its_error(book):
    cell = "```{code-cell}\nassert 1 + 1 == 3, 'arithmetic is off'\n```\n"
    good, said = book({"index": INDEX, "bad": HEAD + "# Bad\n\nWords.\n\n" + cell}, execute=True)
    assert not good
    assert "bad.md" in said and "arithmetic is off" in said, said


def test_pictures_and_widgets_of_cells_are_checked(book):
    cells = (
        "```{code-cell}\nimport matplotlib.pyplot as plt\nplt.plot([0, 1]);\n```\n\n"
        "```{code-cell}\nimport ipywidgets\nipywidgets.IntSlider()\n```\n"
    )
    good, said = book({"index": INDEX, "bad": HEAD + "# Bad\n\nWords.\n\n" + cells}, execute=True)
    assert not good
    assert "bad.md" in said
    assert "a figure without alt text: give its cell the metadata mystnb" in said
    assert "an ipywidget that needs a kernel is shown: use isolib.explore.Explorer" in said


# ---- ledger and errata -----------------------------------------------------------------------
ROW = {
    "id": "P1",
    "claim": "A claim.",
    "source": "A source",
    "key": None,
    "chapter": "why-isometry",
    "source_value": None,
    "ours": None,
    "tolerance": None,
    "seeds": None,
    "size": None,
    "hardware": None,
    "verdict": "not yet measured",
    "measured_by": None,
}
ERRATUM = {
    "id": "E1",
    "source": "A source",
    "key": None,
    "text_read": None,
    "says": "One.",
    "is": "Two.",
    "why": "Because.",
    "chapter": "why-isometry",
    "cell": None,
    "status": "not yet shown",
}


def test_a_bad_ledger_row_stops_the_build(book):
    pages = {"index": INDEX, "ledger": "# Ledger\n\n```{ledger}\n```\n"}
    good, said = book(pages, files={"book/ledger.yml": yaml.safe_dump([ROW])})
    assert good, said
    assert 'id="ledger-p1"' in (book.html / "ledger.html").read_text(encoding="utf-8")
    bad = ROW | {"verdict": "proven"}
    good, said = book(pages, files={"book/ledger.yml": yaml.safe_dump([bad])})
    assert not good
    assert "ledger.yml, row P1: unknown verdict 'proven'; use one of: reproduced" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"verdict": "proven"},
            "row P1: unknown verdict 'proven'; use one of: reproduced, partly",
        ),
        ({"chapter": "why"}, "row P1: unknown chapter 'why'; use one of why-isometry"),
        ({"chapter": ["why-isometry", "x"]}, "unknown chapter 'x'"),
        ({"claim": ""}, "row P1: every row states a claim, so claim must be filled in"),
        ({"colour": "red"}, "row P1: unknown field colour; use only id, claim"),
        ({"id": "Z1"}, "row Z1: ids start with one of P, T, H, O, E; rename the row"),
        (
            {"verdict": "reproduced", "ours": "1"},
            "the verdict is 'reproduced', so tolerance, seeds, size, hardware, measured_by must",
        ),
        ({"ours": "1"}, "ours filled in, but the verdict is 'not yet measured'; change one"),
        ({"claim": None, "key": None}, "claim must be filled in"),
    ],
)
def test_ledger_rows_are_checked(tmp_path, change, message):
    path = tmp_path / "ledger.yml"
    path.write_text(yaml.safe_dump([ROW | change]))
    with pytest.raises(tables.TableError, match=re.escape(message)):
        tables.load_ledger(path)
    path.write_text(yaml.safe_dump([ROW]))
    assert tables.load_ledger(path) == [ROW]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "must be a list of rows, each starting with '- id: ...'"),
        ("- [", "not valid YAML"),
        (
            yaml.safe_dump([ROW, ROW]),
            "row P1: duplicate id; give one of the two rows another, as P2",
        ),
        ("- id: P1", "row P1: missing claim, source"),
        ("- claim: x", "row number 1: missing id"),
    ],
)
def test_ledger_files_are_checked(tmp_path, text, message):
    (tmp_path / "ledger.yml").write_text(text)
    with pytest.raises(tables.TableError, match=re.escape(message)):
        tables.load_ledger(tmp_path / "ledger.yml")


def test_a_missing_file_says_where_it_should_be(tmp_path):
    with pytest.raises(tables.TableError, match=f"ledger.yml: file not found; .*{tmp_path.name}"):
        tables.load_ledger(tmp_path / "ledger.yml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "maybe"}, "row E1: unknown status 'maybe'; use one of: not yet shown, shown"),
        ({"why": None}, "row E1: every entry is explained, so why must be filled in"),
        ({"status": "shown"}, "the status is 'shown', so text_read, cell must be filled in"),
    ],
)
def test_errata_are_checked(tmp_path, change, message):
    path = tmp_path / "errata.yml"
    path.write_text(yaml.safe_dump([ERRATUM | change]))
    with pytest.raises(tables.TableError, match=re.escape(message)):
        tables.load_errata(path)
    path.write_text(yaml.safe_dump([ERRATUM]))
    assert tables.load_errata(path) == [ERRATUM]


def test_the_summary_counts_verdicts():
    rows = [ROW, ROW | {"verdict": "partly"}, ROW | {"verdict": "reproduced"}]
    assert tables.summary(rows) == "**2 of 3 rows measured, 1 reproduced, 1 partly.**"
    assert tables.summary([ROW]) == "**0 of 1 rows measured.**"


# ---- the repository's address ----------------------------------------------------------------
@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty git repository in the place of this one; a function that sets its remote."""
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(repository, "ROOT", tmp_path)

    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    return lambda url: git("remote", "add", "origin", url)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/some-one/the.book.git",
        "https://github.com/some-one/the.book",
        "https://github.com/some-one/the.book/",
        "https://token@github.com/some-one/the.book.git",
        "git@github.com:some-one/the.book.git",
        "ssh://git@github.com/some-one/the.book.git",
        "git://github.com/some-one/the.book",
    ],
)
def test_every_form_of_remote(checkout, url):
    checkout(url)
    assert repository.address() == "https://github.com/some-one/the.book"


def test_order_and_absence(checkout, monkeypatch):
    configured = "https://github.com/in/config"
    assert repository.address() == ""
    assert repository.address(configured) == configured
    checkout("https://example.org/some/where.git")
    assert repository.address() == "" and repository.address(configured) == configured
    assert repository.address("https://example.org/in/config") == ""
    monkeypatch.setenv("GITHUB_REPOSITORY", "fork/name")
    assert repository.address(configured) == "https://github.com/fork/name"


def test_a_fork_points_to_itself(checkout):
    checkout("git@github.com:fork/name.git")
    assert repository.address("https://github.com/in/config") == "https://github.com/fork/name"


def test_without_git_there_is_no_address(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(repository.subprocess, "run", missing)
    assert repository.address() == ""


def test_the_colab_link():
    link = repository.colab_link("https://github.com/a/b", "main", "01-x.ipynb")
    assert link == "https://colab.research.google.com/github/a/b/blob/main/notebooks/01-x.ipynb"


# ---- problem sets ----------------------------------------------------------------------------
def test_the_site_links_students_notebooks_and_holds_no_solution(book, tmp_path, monkeypatch):
    from coursework import leaks, source

    demo = (ROOT / "tests" / "coursework" / "demo.md").read_text("utf-8")
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "demo.md").write_text(demo, encoding="utf-8")
    monkeypatch.setattr(source, "FOLDER", folder)
    pages = {"index": INDEX, "part/sets": "# Sets\n\nThere are these.\n\n```{problem-sets}\n```\n"}
    good, said = book(pages)
    assert good, said
    page = (book.html / "part" / "sets.html").read_text("utf-8")
    assert 'href="../notebooks/problem-sets/demo.ipynb"' in page
    assert "github/owner/name/blob/main/notebooks/problem-sets/demo.ipynb" in page
    assert "Demo: a chain of factors" in page and "No part of the book" in page
    held = (book.html / "notebooks" / "problem-sets" / "demo.ipynb").read_text("utf-8")
    nbformat.validate(nbformat.reads(held, as_version=4))
    for path in book.html.rglob("*"):
        assert "solution" not in path.name and "gradescope" not in path.name, path
        if path.suffix in (".html", ".ipynb", ".js", ".txt", ".md", ".json"):
            text = path.read_text("utf-8")
            for where, line in leaks.secrets(source.load("demo")):
                if len(line) > 25:  # shorter ones may be the beginning of another
                    assert line not in text, f"{path.name} holds {where}: {line}"
    # a set that is gone takes its notebook along; a leak stops the build
    (folder / "demo.md").rename(folder / "other.md")
    (folder / "other.md").write_text(demo.replace("key: demo", "key: other"), encoding="utf-8")
    assert book(pages)[0]
    assert [p.name for p in (book.html / "notebooks" / "problem-sets").iterdir()] == [
        "other.ipynb"
    ]
    leak = demo.replace("    if not np.ndim", "    half_step = depth + 0.5\n    if not np.ndim")
    (folder / "other.md").write_text(leak, encoding="utf-8")
    good, said = book(pages)
    assert not good and "holds the solution of q1: half_step" in said


def test_the_build_command_explains_itself():
    run = subprocess.run(
        [sys.executable, "-m", "sitekit.build", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        check=True,
    )
    assert "--notebooks" in run.stdout


# ---- one page alone ---------------------------------------------------------------------------
def test_a_draft_of_one_page(tmp_path):
    lines = "import sys; from pathlib import Path; from sitekit.build import draft; "
    lines += "sys.exit(not draft(['book/back-matter/notation.md'], Path(sys.argv[1])))"
    run = subprocess.run(
        [sys.executable, "-c", lines, tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "html/book/back-matter/notation.html").is_file()
    assert not (tmp_path / "html/book/foundations").exists()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("book/stiefel", "no file book/stiefel.md in .*; did you mean book/training/stiefel"),
        ("book/problem-sets/ps1", "in no part of _toc.yml: add a line '- file: book/problem"),
    ],
)
def test_a_draft_says_what_is_missing(page, words, tmp_path):
    with pytest.raises(SystemExit, match=words):
        build.draft([page], tmp_path)
