"""The generated notebooks: up to date, well formed, the page's numbers, and they run on their own.

Execution happens in a fresh environment that holds what a hosted notebook service brings along
(requirements-colab.txt) and this repository's wheel, in a folder outside the repository.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from html import unescape
from pathlib import Path

import nbformat
import pytest

from coursework import notebook, source
from sitekit import tables

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "notebooks"
ENVIRONMENT = ROOT / "_build" / "colab-env"
PINS = ROOT / "requirements-colab.txt"

SECONDS_WANTED, SECONDS_ALLOWED = 10, 30


def names() -> list[str]:
    return sorted(path.name for path in COMMITTED.glob("*.ipynb"))


def slug(name: str) -> str:
    return re.sub(r"^\d\d-", "", name).removesuffix(".ipynb")


def load(name: str):
    return nbformat.read(COMMITTED / name, as_version=4)


def markdown(notebook) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


@pytest.fixture(params=names())
def name(request):
    return request.param


def test_there_is_one_for_each_chapter():
    chapters = {p.stem for p in (ROOT / "book").rglob("*.md")} & set(tables.CHAPTERS)
    assert {"why-isometry", "random-matrices"} <= chapters
    assert chapters <= {slug(name) for name in names()}, "run `make notebooks`"


# ---- up to date -----------------------------------------------------------------------------
def normalised(path: Path) -> str:
    """The notebook without the one line that depends on where the repository lives."""
    return re.sub(r'REPOSITORY = \\".*?\\"', 'REPOSITORY = \\"\\"', path.read_text("utf-8"))


def stale(committed: Path, built: Path) -> list[str]:
    """What differs between two folders of notebooks."""
    old, new = (
        {p.relative_to(f).as_posix(): normalised(p) for p in f.rglob("*.ipynb")}
        for f in (committed, built)
    )
    out = [f"{name} is missing" for name in sorted(set(new) - set(old))]
    out += [f"{name} belongs to no page" for name in sorted(set(old) - set(new))]
    for name in sorted(set(old) & set(new)):
        if old[name] != new[name]:
            pairs = zip(old[name].splitlines(), new[name].splitlines(), strict=False)
            place = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), "its end")
            out.append(f"{name} differs from its page at line {place}")
    return out


def test_notebooks_are_up_to_date(html):
    found = stale(COMMITTED, html / "notebooks")
    assert not found, "run `make notebooks` and commit notebooks/: " + "; ".join(found)


def test_staleness_is_seen_and_the_address_is_not(tmp_path):
    copy = Path(shutil.copytree(COMMITTED, tmp_path / "copy"))
    assert not stale(COMMITTED, copy)
    path = copy / names()[0]
    text = path.read_text("utf-8")
    moved = re.sub(r'REPOSITORY = \\".*?\\"', r'REPOSITORY = \\"https://github.com/a/b\\"', text)
    assert moved != text
    path.write_text(moved, "utf-8")
    assert not stale(COMMITTED, copy)
    path.write_text(moved.replace("import numpy", "import  numpy", 1), "utf-8")
    assert stale(COMMITTED, copy)[0].startswith(f"{path.name} differs from its page at line")
    path.rename(copy / "99-other.ipynb")
    assert stale(COMMITTED, copy) == [
        "99-other.ipynb is missing",
        f"{path.name} belongs to no page",
    ]


# ---- form -----------------------------------------------------------------------------------
RAW = re.compile(
    r"(^|\n)\s*(```+|:::+)\{"  # a directive
    r"|\{(eq|ref|numref|doc|cite|prf|term|kbd|math|download)(:\w+)?\}`"  # a role
    r"|(^|\n)\([\w-]+\)=\s*(\n|$)"  # a target
    r"|\\(eqref|ref|label|newcommand|def)\b"
)


def test_a_notebook_is_well_formed(name):
    notebook = load(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    chapter = re.match(r"\d\d-", name)  # back matter may have a cell or two only
    assert len(code) >= (5 if chapter else 2)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert not re.search(RAW, markdown(notebook)), re.search(RAW, markdown(notebook))[0]
    assert markdown(notebook).count("$$") % 2 == 0
    for cell in code:
        assert "ISOLIB_DATA" not in cell.source


def test_the_raw_markup_check_finds_what_it_should():
    for bad in (
        "```{note}\n",
        ":::{tip}",
        "see {eq}`a`",
        "{cite:p}`k`",
        "(a-label)=\n",
        r"\ref{x}",
    ):
        assert RAW.search(bad), bad
    for good in ("```python\n", "$f(x)=\ny$", "{eq} in words", "f(x)=1", r"\rho \reflect"):
        assert not RAW.search(good), good


def test_the_first_cell_installs_and_leaves_torch_and_numpy_alone(name):
    notebook = load(name)
    first = notebook.cells[0]
    assert first.cell_type == "code" and first.metadata.get("cellView") == "form"
    assert first.source.startswith("# @title ") and "except ImportError:" in first.source
    installs = [
        line
        for cell in notebook.cells
        if cell.cell_type == "code"
        for line in cell.source.split("\n")
        if re.search(r"\b(pip|conda|uv|mamba)3?\b.*\binstall\b", line)
    ]
    assert len(installs) == 1 and installs[0] in first.source
    assert "--no-deps" in installs[0] and "isolib @ git+{REPOSITORY}" in installs[0]
    assert not re.search(r"\b(torch|numpy|scipy|upgrade)\b|-U", installs[0])


def test_a_set_up_cell_is_a_form_and_code_is_complete(name):
    """Every code cell of the source is in the notebook, in order."""
    source = next((ROOT / "book").rglob(f"{slug(name)}.md")).read_text("utf-8")
    wanted = []
    for match in re.finditer(r"^```\{code-cell\}[^\n]*\n(.*?)^```[ \t]*$", source, re.M | re.S):
        body = re.sub(r"\A---\n.*?\n---\n", "", match[1], flags=re.S)
        wanted.append(re.sub(r"\A(:\w+:.*\n)*", "", body).strip())
    got = [c.source for c in load(name).cells if c.cell_type == "code"][1:]
    forms = [c.metadata.get("cellView") for c in load(name).cells if c.cell_type == "code"][1:]
    for cell, view in zip(got, forms, strict=True):
        assert cell.startswith("# @title ") == (view == "form")
    assert [re.sub(r"\A# @title .*\n", "", cell).strip() for cell in got] == wanted


# ---- the page's numbers ---------------------------------------------------------------------
KINDS = "Theorem|Definition|Lemma|Proposition|Corollary|Remark|Example|Exercise|Fig\\.|Table"


def numbers(text: str) -> dict[str, set[str]]:
    """Numbers that a text shows: of equations, and of statements and figures, by kind."""
    text = re.sub(r"[*\s]+", " ", text)
    return {
        "equations": set(re.findall(r"\(((?:\d+|A)\.\d+)\)", text)),
        "statements": set(re.findall(rf"\b((?:{KINDS}) (?:\d+|A)\.\d+)", text)),
        "sections": set(re.findall(r"§(\d+(?:\.\d+)*)\. ", text)),
    }


def page_numbers(page: str) -> dict[str, set[str]]:
    body = page[page.index("<article") : page.index("</article>")]
    body = re.sub(r"<(script|style|pre)\b.*?</\1>", " ", body, flags=re.S)
    body = re.sub(r'<span class="section-number">([\d.]+?)\. ', r"§\1. ", body)
    return numbers(
        unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?(span|strong|p)\b[^>]*>", "", body)))
    )


def notebook_numbers(notebook) -> dict[str, set[str]]:
    text = re.sub(r"\\tag\{((?:\d+|A)\.\d+)\}", r" (\1) ", markdown(notebook))
    text = re.sub(r"^(#+) (\d[\d.]*?)\. ", r"\1 §\2. ", text, flags=re.M)
    return numbers(re.sub(r"</?\w+>", " ", text))


def test_numbers_are_the_pages(name, html):
    page = next((html / "book").rglob(f"{slug(name)}.html")).read_text("utf-8")
    notebook = load(name)
    on_page, here = page_numbers(page), notebook_numbers(notebook)
    assert here == on_page
    if re.match(r"\d\d-", name):  # a chapter; back matter may number less
        assert len(here["equations"]) >= 3 and len(here["statements"]) >= 5
    # and each numbered equation of the page is a tag here, once
    tags = re.findall(r"\\tag\{([A\d.]+)\}", markdown(notebook))
    eqno = re.findall(r'<span class="eqno">\(([A\d.]+)\)', page)
    assert tags == eqno and len(set(tags)) == len(tags)
    # formulas of the page are formulas here
    displays = len(re.findall(r'<div class="math ', page[: page.index("</article>")]))
    assert markdown(notebook).count("$$") // 2 == displays


# ---- they run -------------------------------------------------------------------------------
def run(*command, **options):
    """A command, its output shown if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def clean_environment(**changes):
    """This process's environment without what would let the repository or its data be seen."""
    hidden = {"PYTHONPATH", "PYTHONWARNINGS", "ISOLIB_DATA", "ISOLIB_STATIC", "ISOLIB_DOWNLOAD"}
    kept = {k: v for k, v in os.environ.items() if k not in hidden}
    return kept | {"ISOLIB_SCALE": "test"} | changes


def versions(python) -> dict[str, str]:
    listed = run(python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check")
    return {p["name"].lower().replace("_", "-"): p["version"] for p in json.loads(listed)}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = ("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    run(sys.executable, *command, env=clean_environment())
    (path,) = folder.glob("isolib-*.whl")
    return path


@pytest.fixture(scope="session")
def fresh(wheel):
    """The Python of a fresh environment: requirements-colab.txt and the wheel, nothing else.

    Its packages are kept between runs as long as the list is the same; the wheel never is.
    """
    key = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()
    mark, python = ENVIRONMENT / "made-from", ENVIRONMENT / "bin" / "python"
    if not mark.is_file() or mark.read_text() != key:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        venv.create(ENVIRONMENT, with_pip=True)
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        torch = re.search(r"^torch==\S+", PINS.read_text(), re.M)[0]
        run(*pip, torch, env=clean_environment())  # first and alone, as in the Makefile
        run(*pip, "-r", PINS, env=clean_environment())
        mark.write_text(key)
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "uninstall", "--yes", "isolib", env=clean_environment())
    before = versions(python)
    run(*pip, "install", "--no-deps", "--force-reinstall", wheel, env=clean_environment())
    after = versions(python)
    assert after.pop("isolib") and after == before  # torch and numpy stay as they were
    for line in PINS.read_text().splitlines():
        if pin := re.match(r"([\w-]+)==(\S+)", line):
            assert after[pin[1].lower()].split("+")[0] == pin[2]
    run(python, "-m", "pip", "check", env=clean_environment())
    return python


@pytest.fixture(scope="session")
def outside(tmp_path_factory) -> Path:
    """A folder that is not in the repository."""
    folder = tmp_path_factory.mktemp("reader")
    assert not folder.is_relative_to(ROOT)
    return folder


def test_the_wheel_holds_what_the_notebooks_need(wheel):
    import zipfile

    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"isolib/explorer.js", "isolib/explorer.css", "isolib/laws/__init__.py"}
    wanted |= {f"isolib/_results/{p.name}" for p in (ROOT / "book" / "results").glob("*.json")}
    assert wanted <= held
    assert all(name.startswith(("isolib/", "isolib-")) for name in held)


@pytest.mark.notebooks
def test_isolib_comes_from_the_wheel(fresh, outside):
    code = "import isolib, isolib.results as r; print(isolib.__file__); print(r.names())"
    place, stored = run(fresh, "-c", code, cwd=outside, env=clean_environment()).splitlines()
    assert "site-packages" in place and Path(place).is_relative_to(ENVIRONMENT)
    assert "why-isometry" in stored  # stored results travel with the library


def seconds(report: Path) -> dict[str, float]:
    """Seconds of each notebook from a JUnit report: the sum over its cells."""
    from xml.etree import ElementTree

    spent: dict[str, float] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("classname", "").removesuffix(".ipynb").rsplit(".", 1)[-1]
        spent[name] = spent.get(name, 0.0) + float(case.get("time"))
    return spent


def nbval(python, folder: Path, **changes):
    """Run every notebook of a folder with nbval, in that folder."""
    command = (
        python, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=300", "-q",
        "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}",
        f"--junit-xml={folder / 'report.xml'}", str(folder),
    )  # fmt: skip
    # the networks are small: a second thread gains nothing, and where other programs keep the
    # cores busy, threads that wait for each other take minutes instead of seconds
    environment = clean_environment(OMP_NUM_THREADS="1", **changes)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.notebooks
def test_every_notebook_runs_on_its_own(fresh, outside):
    folder = outside / "notebooks"
    # the students' notebooks are run below, blank and solved
    shutil.copytree(COMMITTED, folder, ignore=shutil.ignore_patterns("problem-sets"))
    done = nbval(fresh, folder)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    spent = seconds(folder / "report.xml")
    assert set(spent) == {name.removesuffix(".ipynb") for name in names()}, spent
    for name, time in spent.items():
        over = "" if time <= SECONDS_WANTED else f" (more than the {SECONDS_WANTED} s wanted)"
        print(f"{name}: {time:.1f} s at test scale{over}")
    # a loose bound: a machine under load is slower, a chapter that has run away is much slower
    assert max(spent.values()) <= SECONDS_ALLOWED, spent


def set_paths() -> list[Path]:
    """Sources of the problem sets, and the tests' own small one."""
    return [ROOT / "tests" / "coursework" / "demo.md", *(source.find(k) for k in source.known())]


@pytest.mark.notebooks
def test_students_notebooks_run_as_handed_out_and_solved(fresh, outside):
    """As on Colab: what is blank says so and stops nothing; a solved set passes; no upgrade."""
    folder, before = outside / "sets", versions(fresh)
    folder.mkdir()
    for path in set_paths():
        one = source.load(path)
        calls = {notebook.check_call(one, q) for q in one.questions.values() if q.public}
        for name, cells in (("blank", notebook.student(one)), ("solved", notebook.solution(one))):
            for cell in cells:
                text = cell["source"].replace('"your id"  #', '"ada"  #')
                if text in calls:
                    good = (
                        "not said.correct and said.mark == '…'"
                        if name == "blank"
                        else "said.correct"
                    )
                    text = f"said = {text}\nassert {good}, said"
                cell["source"] = text
            (folder / f"{one.key}-{name}.ipynb").write_text(notebook.text(cells, name), "utf-8")
    done = nbval(fresh, folder)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert set(seconds(folder / "report.xml")) == {p.stem for p in folder.glob("*.ipynb")}
    print({name: round(time, 1) for name, time in seconds(folder / "report.xml").items()})
    assert versions(fresh) == before


@pytest.mark.notebooks
def test_a_failing_assertion_in_a_notebook_is_seen(fresh, tmp_path):
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import isolib"),
            nbformat.v4.new_code_cell("assert isolib.__version__ == 'another'"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    done = nbval(fresh, tmp_path)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout


@pytest.mark.notebooks
def test_the_install_cell_is_silent_where_isolib_is_and_clear_where_not(fresh, outside, tmp_path):
    source = load(names()[0]).cells[0].source
    script = "\n".join(
        line.replace("%pip install", "raise RuntimeError('pip') #") for line in source.split("\n")
    )
    here = run(fresh, "-c", script, cwd=outside, env=clean_environment())
    assert re.fullmatch(r"isolib \d+\.\d+\.\d+\n", here)
    # where isolib is missing: it would install from the address, and says so if there is none
    hide = "import sys; sys.modules['isolib'] = None\n"
    nowhere = re.sub(r'REPOSITORY = ".*"', 'REPOSITORY = ""', script)
    done = subprocess.run([fresh, "-c", hide + nowhere], capture_output=True, text=True)
    assert (
        done.returncode == 1
        and "set REPOSITORY to the https address of this book's source" in done.stderr
    )
    known = re.sub(r'REPOSITORY = ".*"', 'REPOSITORY = "https://github.com/a/b"', script)
    done = subprocess.run([fresh, "-c", hide + known], capture_output=True, text=True)
    assert done.returncode == 1 and "RuntimeError: pip" in done.stderr
