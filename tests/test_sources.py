"""The sources: every chapter is complete, every name in it exists, nothing is left undone."""

import ast
import graphlib
import importlib
import io
import re
import tokenize
from pathlib import Path

import numpy as np
import pytest
import yaml

from coursework import source
from isolib import results
from sitekit import tables
from sitekit.repository import contents

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
PAGES = sorted(BOOK.rglob("*.md"))
CHAPTERS = [page for page in PAGES if page.stem in tables.CHAPTERS]
MODULES = sorted((ROOT / "isolib").rglob("*.py"))

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```[ \t]*$", re.M | re.S)
#: cells that no reader sees at first: folded ones, and those of a problem set that are no question
UNSEEN = {"hide-input", "hide-cell", "variant", "public", "hidden", "wrong", "right"}
#: cells between these two lines belong to a solution
SOLUTION = re.compile(r"^`{3,}\{solution-start\} (\S+)\n(.*?)^`{3,}\{solution-end\}", re.M | re.S)


def ids(paths):
    return [path.relative_to(ROOT).as_posix() for path in paths]


def cells(text: str) -> list[dict]:
    """Code cells of a MyST page: metadata, the lines of code, place, and whether in a solution."""
    solutions = [match.span() for match in SOLUTION.finditer(text)]
    out = []
    for match in CELL.finditer(text):
        body, meta = match[1], {}
        if body.startswith("---\n"):
            head, body = body[4:].split("\n---\n", 1)
            meta = yaml.safe_load(head)
        while body.startswith(":"):
            option, body = body.split("\n", 1)
            key, value = re.fullmatch(r":([\w-]+):\s*(.*)", option).groups()
            meta[key] = yaml.safe_load(value)
        out.append(
            {
                "meta": meta,
                "lines": body.strip("\n").split("\n"),
                "line": text.count("\n", 0, match.start()) + 1,
                "solution": any(a < match.start() < b for a, b in solutions),
            }
        )
    return out


def sections(text: str) -> dict[str, str]:
    """Second-level headings of a page and the text below each, code cells' comments apart."""
    text = CELL.sub("", text)
    parts = re.split(r"^## (.+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def resolve(dotted: str):
    """The object that a dotted name of isolib means; AttributeError or ImportError if none."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise ImportError(dotted)


# ---- the helpers themselves -----------------------------------------------------------------
def test_the_cell_reader_reads_all_three_kinds_of_cell():
    text = (
        "# T\n```{code-cell} ipython3\n:tags: [hide-input]\n\na = 1\n```\n"
        "```{solution-start} ex\n:class: dropdown\n```\n```{code-cell}\nb\nc\n```\n"
        "```{solution-end}\n```\n"
        "```{code-cell} ipython3\n---\nmystnb:\n  image:\n    alt: words\n---\nd\n```\n"
    )
    one, two, three = cells(text)
    assert one["meta"] == {"tags": ["hide-input"]} and one["lines"] == ["a = 1"]
    assert two["solution"] and two["lines"] == ["b", "c"] and two["line"] == 10
    assert three["meta"]["mystnb"]["image"]["alt"] == "words" and not three["solution"]


def test_every_page_is_in_the_table_of_contents():
    toc = contents()
    known = {toc["root"], *(one["file"] for part in toc["parts"] for one in part["chapters"])}
    found = {page.relative_to(ROOT).with_suffix("").as_posix() for page in PAGES}
    found -= {f"book/problem-sets/{key}" for key in source.known()}  # they are handed out
    # a page that is in no part is not built, and no test of chapters looks at it
    assert not found - known, f"write '- file: ...' into _toc.yml for {sorted(found - known)}"
    assert not known - found, f"_toc.yml names files that are not there: {sorted(known - found)}"


# ---- chapters -------------------------------------------------------------------------------
@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_cells_are_short_and_narrow(page):
    long = []
    for cell in cells(page.read_text(encoding="utf-8")):
        hidden = UNSEEN & set(cell["meta"].get("tags", []))
        most = 25 if cell["solution"] else 15
        if len(cell["lines"]) > most and not hidden:
            long.append(f"line {cell['line']}: {len(cell['lines'])} lines, at most {most}")
        for i, line in enumerate(cell["lines"]):
            if len(line) > 99:
                long.append(f"cell at line {cell['line']}, its line {i + 1}: {len(line)} columns")
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", CHAPTERS, ids=ids(CHAPTERS))
def test_a_chapter_has_every_part(page):
    text = page.read_text(encoding="utf-8")
    prose = CELL.sub("", text)
    missing = []

    def need(there, what):
        if not there:
            missing.append(what)

    # 1 title and a motivation that ends in a question
    opening = re.search(r"^# .+?\n(.*?)^```\{admonition\}", prose, re.M | re.S)
    need(opening and "?" in opening[1].strip().split("\n\n")[-1], "1: a question before the card")
    # 2 the card
    card = re.search(r"^```\{admonition\} This chapter\n(.*?)^```\s*$", prose, re.M | re.S)
    for words in (r"\*\*You will be able to\*\*", r"\*\*(You need|Prerequisites)", r"\*\*Time"):
        need(card and re.search(words, card[1]), f"2: {words} in the card")
    need(
        card and "CPU" in card[1] and "GPU" in card[1], "2: time on a CPU, and whether a GPU helps"
    )
    # 3 statements, each theorem proved
    kinds = ("theorem", "proposition", "lemma", "corollary")
    claims = re.findall(rf"^`{{3,}}\{{prf:({'|'.join(kinds)})\}}", prose, re.M)
    proofs = re.findall(r"^`{3,}\{prf:proof\}", prose, re.M)
    need(claims and proofs, "3: a theorem with its proof")
    # 4 asserted comparisons
    code = "\n".join("\n".join(c["lines"]) for c in cells(text) if not c["solution"])
    need(code.count("assert ") >= 3, "4: cells that assert theory against simulation")
    # 5 an explorer, and a figure after a source
    need("explorers." in code, "5: an explorer")
    captions = [
        c["meta"].get("mystnb", {}).get("figure", {}).get("caption", "") for c in cells(text)
    ]
    need(
        any(re.search("After |Reproduced from", str(c)) for c in captions), "5: a source's figure"
    )
    # 6 and 7
    parts = sections(text)
    for number, title, words in ((6, "On a GPU", 8), (7, "What could mislead you", 40)):
        need(len(parts.get(title, "").split()) > words, f"{number}: '{title}'")
    # 8 exercises with solutions, autograded checks
    exercises = re.findall(r"^`{3,}\{exercise(?:-start)?\}.*\n:label: (\S+)", prose, re.M)
    solved = [match[1] for match in SOLUTION.finditer(text)]
    need(
        "Exercises" in parts and 4 <= len(exercises) <= 8, f"8: 4 to 8 exercises, {len(exercises)}"
    )
    need(sorted(solved) == sorted(exercises), f"8: solutions for {set(exercises) ^ set(solved)}")
    need("exercises.check(" in code, "8: an autograded check")
    folded = re.findall(r"\{solution-start\} \S+\n(?::\w+: .*\n)*?:class: dropdown", prose)
    need(len(folded) == len(exercises), "8: folded solutions")
    # 9 five lines, the table of functions, further reading
    summary = parts.get("Summary", "")
    need(re.findall(r"^\d\. ", summary, re.M) == [f"{i}. " for i in range(1, 6)], "9: five lines")
    need(re.search(r"^\|.*`?isolib`?.*\|", summary, re.M), "9: a table of functions")
    reading = parts.get("Further reading") or summary.partition("**Further reading.**")[2]
    need(reading.count("{cite:") >= 3, "9: further reading")
    assert not missing, f"{page.name} lacks " + "; ".join(missing)


@pytest.mark.parametrize("page", CHAPTERS, ids=ids(CHAPTERS))
def test_every_check_of_a_chapter_stands_on_its_page(page):
    from isolib import exercises

    code = "\n".join("\n".join(c["lines"]) for c in cells(page.read_text(encoding="utf-8")))
    called = set(re.findall(r"exercises\.check\(\"([^\"]+)\"", code))
    registered = {key for key in exercises.keys() if key.startswith(page.stem + "/")}
    assert called == registered
    for key in called:  # the reader's cell, and the solution that passes it
        assert re.search(rf'exercises\.check\("{key}", answer\)', code), key
        assert re.search(rf'assert exercises\.check\("{key}", .+\)\.correct', code), key


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_figures_have_alt_text(page):
    text = page.read_text(encoding="utf-8")
    bare = []
    for cell in cells(text):
        code = "\n".join(cell["lines"])
        alt = cell["meta"].get("mystnb", {}).get("image", {}).get("alt", "")
        if re.search(r"plots\.(axes|spectrum)\(|plt\.(subplots|figure|plot)\(", code) and (
            len(alt.split()) < 8
        ):
            bare.append(f"cell at line {cell['line']}")
        caption = cell["meta"].get("mystnb", {}).get("figure", {}).get("caption", "")
        if alt and not cell["solution"] and len(str(caption).split()) < 5:
            bare.append(f"no caption at line {cell['line']}")
    for match in re.finditer(r"^`{3,}\{(?:figure|image)\}.*\n((?::.*\n)*)", text, re.M):
        alt = re.search(r"^:alt: (.+)$", match[1], re.M)
        if not alt or len(alt[1].split()) < 5:
            bare.append(match[0].split("\n")[0])
    assert not bare, f"alt text of at least eight words is missing: {bare}"


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_stored_results_that_a_page_reads_exist(page):
    for name in re.findall(r"results\.load\(\s*[\"']([^\"']+)", page.read_text(encoding="utf-8")):
        assert name in results.names(), f"run `make results`: {name} is not stored"


def bibliography() -> list[str]:
    """The keys of references.bib."""
    return re.findall(r"^@\w+\{([^,\s]+),", (BOOK / "references.bib").read_text("utf-8"), re.M)


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_cited_works_are_in_the_bibliography(page):
    keys = set(bibliography())
    assert len(keys) > 50
    text = page.read_text(encoding="utf-8")
    cited = {
        key.strip()
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
        for key in group.split(",")
    }
    assert cited <= keys, f"not in references.bib: {sorted(cited - keys)}"


def test_bibliography_keys_are_unique():
    keys = bibliography()
    assert sorted(set(keys)) == sorted(keys)


def test_every_work_is_cited():
    text = "".join(path.read_text("utf-8") for path in sorted(BOOK.rglob("*.md")))
    text += "".join((BOOK / name).read_text("utf-8") for name in ("ledger.yml", "errata.yml"))
    unused = [key for key in bibliography() if not re.search(rf"\b{key}\b", text)]
    assert not unused, unused


# ---- names ----------------------------------------------------------------------------------
NAME = re.compile(r"`((?:isolib\.)[A-Za-z_][\w.]*)`")
PLAIN = {path.stem for path in (ROOT / "isolib").glob("[a-z]*.py")} | {"laws"}


def named(page) -> list[str]:
    """Dotted names of isolib in backticks; in tables `laws.X(…)` and `.goe` short forms too."""
    text = CELL.sub("", page.read_text(encoding="utf-8"))
    found = set(NAME.findall(text))
    for row in re.findall(r"^\|.*\|$", text, re.M):
        module = None
        for token in re.findall(r"`([A-Za-z_.][\w.]*)(?:\(.*?\))?`", row):
            head, _, rest = token.partition(".")
            if head in PLAIN and rest:
                module = head
                found.add(f"isolib.{token}")
            elif token.startswith(".") and module:
                found.add(f"isolib.{module}{token}")
    return sorted(found)


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_every_isolib_name_in_the_text_exists(page):
    unknown = []
    for name in named(page):
        try:
            resolve(name)
        except (ImportError, AttributeError) as error:
            unknown.append(f"{name} ({error})")
    assert not unknown, unknown


def test_the_notation_table_names_enough():
    names = named(BOOK / "back-matter" / "notation.md")
    assert len(names) > 25 and "isolib.laws.MarchenkoPastur.s_transform" in names
    with pytest.raises(AttributeError):
        resolve("isolib.laws.Wigner")
    with pytest.raises(AttributeError):
        resolve("isolib.nothing")


# ---- data files -----------------------------------------------------------------------------
def test_the_ledger_holds_every_claim():
    found = [row["id"] for row in tables.load_ledger(BOOK / "ledger.yml")]
    wanted = [
        f"{k}{i}" for k, n in (("P", 17), ("T", 12), ("H", 11), ("O", 4)) for i in range(1, n + 1)
    ]
    assert not set(wanted) - set(found), sorted(set(wanted) - set(found))
    errata = [row["id"] for row in tables.load_errata(BOOK / "errata.yml")]
    assert [i for i in found if i[0] == "E"] == errata  # one row for each erratum


def test_ledger_and_errata_cite_what_there_is():
    keys = set(bibliography())
    rows = [*tables.load_ledger(BOOK / "ledger.yml"), *tables.load_errata(BOOK / "errata.yml")]
    assert {row["key"] for row in rows if row["key"]} <= keys
    for row in rows:
        place = row.get("measured_by") or ""
        if place.startswith("results/"):
            assert (BOOK / place).is_file() or (BOOK / f"{place}.json").is_file(), row["id"]


def test_every_stored_result_has_provenance_and_finite_size():
    files = sorted((BOOK / "results").glob("*"))
    assert files, "book/results is empty: run `make results`"
    for path in files:
        assert path.suffix == ".json", f"{path.name}: a result is one JSON file"
        stored = results.load(path.stem)  # raises where provenance is missing
        provenance = stored["provenance"]
        assert provenance["scale"] in ("laptop", "paper"), f"{path.name}: {provenance['scale']}"
        assert provenance["seeds"] and provenance["wall_seconds"] > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", provenance["date"])
        assert stored["data"]
        assert path.stat().st_size < 1_000_000
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|work|tmp|Users)/", text), f"{path.name}: a machine path"


# ---- words ----------------------------------------------------------------------------------
FORBIDDEN = (
    r"it can be shown",
    r"TODO",
    r"FIXME",
    r"left to the reader",
    r"\bpowerful\b",
    r"\bcrucial\b",
    r"dive into",
    r"eigenvalues? of \$?J\$?(?!\s*J|\s*\\|\w|\^)",
)
#: sentences that speak about the mistake itself
ALLOWED = (
    r"never (?:speak|say)",
    r"they are not",
)


def forbidden(text: str) -> list[str]:
    flat = re.sub(r"\s+", " ", text)
    out = []
    for pattern in FORBIDDEN:
        flags = 0 if pattern.isupper() or "J" in pattern else re.I
        for match in re.finditer(pattern, flat, flags):
            around = flat[max(0, match.start() - 60) : match.end() + 60]
            if not any(re.search(a, around, re.I) for a in ALLOWED):
                out.append(around)
    return out


def test_the_word_check_finds_what_it_should():
    for bad in (
        "It can be\nshown that",
        "a crucial step",
        "# TODO: later",
        "the eigenvalues of $J$ are",
        "eigenvalues of J grow",
    ):
        assert forbidden(bad), bad
    for good in (
        "the eigenvalues of $JJ^\\top$",
        "eigenvalues of J Jᵀ",
        "eigenvalues of $J J^{\\mathsf T}$",
        "We never speak of the eigenvalues of $J$",
    ):
        assert not forbidden(good), good


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_no_forbidden_words_in_the_book(page):
    assert not forbidden(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
def test_no_forbidden_words_in_the_library(path):
    assert not forbidden(path.read_text(encoding="utf-8"))


# ---- the library's size and manners -----------------------------------------------------------
def code_lines(path: Path) -> int:
    """Lines with code on them: docstrings, comments and blank lines apart."""
    source = path.read_text(encoding="utf-8")
    strings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            first = node.body[0]
            strings |= set(range(first.lineno, first.end_lineno + 1))
    lines = set()
    skip = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.ENCODING,
    )
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skip:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - strings)


def test_the_line_counter(tmp_path):
    path = tmp_path / "m.py"
    path.write_text(
        '"""Doc."""\n\n# comment\nx = (\n    1,  # one\n)\n\n\ndef f():\n    """D\n    e."""\n'
    )
    assert code_lines(path) == 4


def test_isolib_is_small():
    # the library; isolib.pages holds what belongs to single chapters and grows with the book
    library = [path for path in MODULES if path.parent.name != "pages"]
    total = sum(map(code_lines, library))
    print(f"isolib: {total} lines of code in {len(library)} modules")
    # the aim is 2,500 in all: laws with several coordinates, curves that touch the axis and slopes
    # without a closed S keep the law engine above the 1,000 it was meant to have
    of_laws = sum(code_lines(path) for path in library if path.parent.name == "laws")
    remedy = "what one chapter alone uses goes into isolib/pages; else make other code shorter"
    assert of_laws <= 1473, f"isolib.laws has {of_laws} lines of code, at most 1473: {remedy}"
    assert total <= 4650, f"isolib has {total} lines of code, at most 4650: {remedy}"


@pytest.mark.parametrize("path", MODULES, ids=ids(MODULES))
def test_modules_are_short_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= 300, (
        f"{path.name} has {lines} lines, at most 300: give one idea its own module"
    )
    assert ast.get_docstring(ast.parse(text)), "a module starts with its one idea in words"


def imports(path: Path, known: set[str]) -> set[str]:
    """The modules among `known` that a module imports while it is itself imported."""
    found, waiting = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names} | {node.module}
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            waiting += node.orelse if types else list(ast.iter_child_nodes(node))
    return found & known


@pytest.mark.parametrize("package", ["isolib", "sitekit", "coursework"])
def test_no_modules_import_each_other(package):
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    graph = {name: imports(path, set(paths)) - {name} for name, path in paths.items()}
    if package == "isolib":
        assert "isolib._check" in graph["isolib.spectra"]  # the reader of imports reads
        assert "isolib.laws" not in graph["isolib.spectra"]  # inside a function: later
    for name in graph:  # importing a module imports the packages it is in, before anything else
        graph[name] -= {parent for parent in graph if name.startswith(f"{parent}.")}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"import later, in a function, or move what both need: {error.args[1]}")


PUBLIC = [path for path in MODULES if not any(p.startswith("_") for p in path.parts[-1:])]


@pytest.mark.parametrize("path", PUBLIC, ids=ids(PUBLIC))
def test_public_functions_and_classes_are_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and node.name[0] != "_" and not ast.get_docstring(node)
    ]
    assert not bare, bare


@pytest.mark.parametrize("name", ["isolib", "isolib.laws", "isolib.activations"])
def test_light_imports(name):
    import subprocess
    import sys

    code = f"import sys, {name}; print({{'torch', 'ipywidgets', 'matplotlib'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_results_of_this_book_are_the_ones_loaded():
    assert np.all([folder.is_relative_to(ROOT) for folder in results.FOLDERS])


def test_the_reference_holds_every_module():
    page = (ROOT / "book/back-matter/reference.md").read_text(encoding="utf-8")
    inside = {"explorers"}  # they stand on their pages
    for path in MODULES:
        name = path.stem if path.parent.name == "isolib" else path.parent.name
        if name not in inside | {"pages", "isolib"} and not path.stem.startswith("_"):
            assert f"automodule:: isolib.{name}\n" in page, name
