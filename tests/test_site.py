"""The built site, page by page: in a real browser, over http and from file://, in both themes.

Each page is visited once (http) and once more (file); what was seen is kept in a record, and each
test looks at one side of the records, so that its name says what is wrong.
"""

import importlib
import json
import re
import statistics
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import pytest
import yaml

from isolib import explorers
from sitekit import repository, tables

ROOT = Path(__file__).resolve().parent.parent

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
W, H, BOX = 640, 380, {"left": 62, "right": 14, "top": 14, "bottom": 50}  # as in explorer.js
PAGE_BYTES = 1_500_000
REFERENCE = "book/back-matter/reference.html"


# ---- the pages as files ----------------------------------------------------------------------
class Reader(HTMLParser):
    """A light reader: ids, links, images, metadata and the places of formulas."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.images, self.meta = set(), [], [], {}
        self.formulas, self.explorers, self.lang = 0, [], None

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        classes = (a.get("class") or "").split()
        self.ids |= {a[k] for k in ("id", "name") if a.get(k)}
        for key in ("href", "src", "poster"):
            if a.get(key):
                self.links.append(a[key])
        if tag == "img":
            self.images.append(a)
        if tag == "meta" and (a.get("name") or a.get("property")):
            self.meta[a.get("name") or a["property"]] = a.get("content") or ""
        if tag in ("span", "div") and "math" in classes:
            self.formulas += 1
        if a.get("data-explorer"):
            self.explorers.append(a["data-explorer"])
        if tag == "html":
            self.lang = a.get("lang")


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="session")
def pages(html) -> dict[str, Reader]:
    """Every page of the site by its path: the book, the search page, the indices."""
    paths = [p for p in sorted(html.rglob("*.html")) if "_static" not in p.parts]
    found = {path.relative_to(html).as_posix(): read(path) for path in paths}
    wanted = {f"book/foundations/{slug}.html" for slug in ("why-isometry", "random-matrices")}
    wanted |= {"index.html", "search.html", "genindex.html"}
    assert wanted <= set(found), f"run `make book`: {wanted - set(found)} is not built"
    return found


def chapters(pages) -> list[str]:
    return [name for name in pages if Path(name).stem in tables.CHAPTERS]


def broken_links(html: Path, pages: dict[str, Reader]) -> list[str]:
    ids = {(html / name).resolve(): reader.ids for name, reader in pages.items()}
    broken = []
    for name, reader in pages.items():
        here = html / name
        for link in reader.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            target = (
                (here.parent / unquote(parts.path)).resolve() if parts.path else here.resolve()
            )
            if not target.is_relative_to(html) or not target.is_file():
                broken.append(f"{name}: {link} leads to no file")
            elif parts.fragment and target.suffix == ".html":
                if target not in ids:
                    ids[target] = read(target).ids
                if unquote(parts.fragment) not in ids[target]:
                    broken.append(f"{name}: {link} leads to no anchor")
    return broken


def test_every_internal_link_and_anchor_leads_somewhere(html, pages):
    assert sum(len(reader.links) for reader in pages.values()) > 500
    assert not broken_links(html, pages)


def test_every_page_says_what_it_is(pages):
    seen = {}
    for name, reader in pages.items():
        assert reader.lang == "en", name
        if not name.startswith("book/"):
            continue
        description = reader.meta.get("description", "")
        assert len(description) >= 30, f"{name}: a meta description is missing: {description!r}"
        assert reader.meta.get("og:title"), f"{name}: no social preview"
        assert seen.setdefault(description, name) == name, (
            f"{name}, {seen[description]}: same text"
        )


def test_headings_below_the_second_level_carry_no_number(html):
    """Without care Sphinx gives them the number of their chapter."""
    seen = 0
    for path in sorted((html / "book").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        seen += len(re.findall(r"<h2><span class=\"section-number\">\d+\.\d+\. ", text))
        assert not re.findall(r"<h[3-6]><span class=\"section-number\">.{60}", text), path.name
    assert seen > 50


def test_every_image_has_alt_text(pages):
    images = [(name, image) for name, reader in pages.items() for image in reader.images]
    assert len(images) >= 5
    bare = [(name, i.get("src", "")[:60]) for name, i in images if len(i.get("alt") or "") < 10]
    # the theme's own decorations say so with an empty alt
    assert not [b for b in bare if "_static/" not in b[1]], bare


def test_pictures_take_their_room_at_once(pages):
    """Width and height before a picture comes: nothing jumps under the reader's eyes."""
    images = [(name, i) for name, reader in pages.items() for i in reader.images]
    own = [(n, i) for n, i in images if "_images/" in i.get("src", "")]
    assert len(own) > 50
    assert not [(n, i["src"]) for n, i in own if not (i.get("width") and i.get("height"))]
    assert not [(n, i["src"]) for n, i in own if i.get("loading") != "lazy"]


def test_text_waits_for_no_script(html):
    """Scripts of a page are deferred, the search index is the search page's, icons are few."""
    for path in html.rglob("*.html"):
        if path.name == "search.html" or "_static" in path.parts or path.parent == html:
            continue
        head = path.read_text(encoding="utf-8").partition("</head>")[0]
        scripts = re.findall(r"<script[^>]*\bsrc=[^>]*>", head)
        eager = [s for s in scripts if " defer" not in s and "documentation_options" not in s]
        assert scripts and not eager, f"{path.name}: {eager}"
        assert "searchindex.js" not in head and 'rel="icon"' in head, path.name
    assert (html / "_static/scripts/fontawesome.js").stat().st_size < 150_000


def own_bytes(html: Path, name: str, reader: Reader) -> int:
    """A page's html and its own images; what all pages share lies in _static."""
    own = {(html / name).resolve()}
    for image in reader.images:
        source = image.get("src", "")
        if not urlsplit(source).scheme and "_static/" not in source:
            own.add((html / name).parent.joinpath(unquote(source)).resolve())
    return sum(path.stat().st_size for path in own if path.is_file())


def test_pages_are_light(html, pages):
    sizes = {name: own_bytes(html, name, reader) for name, reader in pages.items()}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:3]:
        print(f"{name}: {size / 1e6:.2f} MB of its own")
    assert max(sizes.values()) <= PAGE_BYTES, sizes


def test_what_a_page_costs_is_listed(html, pages):
    text = (html / "book" / "how-to-use.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr.*?</tr>", text, flags=re.S)
    cells = [
        [unescape(re.sub("<[^>]+>", "", c)).strip() for c in re.findall(r"<td.*?</td>", r, re.S)]
        for r in rows
    ]
    costs = {c[0]: c[1:] for c in cells if len(c) == 5}
    for name in chapters(pages):
        number = tables.CHAPTERS.index(Path(name).stem) + 1
        (row,) = [v for title, v in costs.items() if title.startswith(f"{number} · ")]
        assert float(row[0]) >= 0
        assert abs(float(row[1]) - own_bytes(html, name, pages[name]) / 1000) <= 1, name
        stored = "results.load(" in (ROOT / name.replace(".html", ".md")).read_text("utf-8")
        assert (row[2] != "–") == stored == (row[3] != "–")


def test_the_reference_has_every_public_name(html):
    ids = set(re.findall(r'id="isolib\.([\w.]+)"', (html / REFERENCE).read_text("utf-8")))
    shown = {name.rpartition(".")[2] for name in ids}
    for path in sorted((ROOT / "isolib").glob("*.py")):
        module = importlib.import_module(f"isolib.{path.stem}")
        public = {n for n in getattr(module, "__all__", ()) if callable(getattr(module, n))}
        missing = public - shown
        assert not missing, f"{path.name}: {sorted(missing)}"


def test_each_chapter_offers_its_notebook(html, pages):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    home = repository.address(config["repository"]["url"])
    for name in chapters(pages):
        links = pages[name].links
        notebooks = [link for link in links if link.endswith(".ipynb") and "://" not in link]
        assert len(notebooks) == 1, f"{name}: {notebooks}"
        file = Path(notebooks[0]).name
        assert file.endswith(f"{Path(name).stem}.ipynb")
        colab = [link for link in links if "colab.research.google.com" in link]
        expected = repository.colab_link(home, config["repository"]["branch"], file)
        assert colab == ([expected] if home else []), name


def test_the_search_index_is_there(html):
    text = (html / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").rstrip(";\n").removesuffix(")"))
    assert "book/foundations/random-matrices" in index["docnames"]


# ---- nothing of the machine that built it ----------------------------------------------------
TEXT = {".html", ".js", ".json", ".ipynb", ".css", ".md", ".txt", ".svg", ".xml", ".buildinfo"}
#: a path from the root of a file system, not the tail of an address
MACHINE = re.compile(r"(?<![\w.\-/:~%@+}])/(?:work|root|tmp|home|Users|opt/wheels)/[\w.\-]")


def leaks(folder: Path) -> tuple[list[str], int]:
    private = [str(ROOT), str(Path.home()) + "/", str(Path.home()) + '"']
    found, count = [], 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix not in TEXT:
            continue
        count += 1
        text = path.read_text(encoding="utf-8", errors="replace")
        places = [text.find(p) for p in private if p in text]
        places += [m.start() for m in MACHINE.finditer(text)]
        for place in places[:3]:
            around = text[max(0, place - 40) : place + 60]
            found.append(f"{path.relative_to(folder)}: …{around}…")
    return found, count


def test_no_machine_path_is_in_the_output(html):
    found, count = leaks(html)
    assert count > 30 and not found, "\n".join(found)


def test_no_machine_path_is_in_the_notebooks():
    found, count = leaks(ROOT / "notebooks")
    assert count >= 2 and not found, "\n".join(found)


def test_the_leak_test_finds_paths(tmp_path):
    for i, text in enumerate([f"see {ROOT}/x", 'File "/tmp/ipykernel_1/2.py"', "/home/someone/x"]):
        (tmp_path / f"{i}.html").write_text(text)
    (tmp_path / "good.html").write_text("https://example.org/home/x and a/tmp/b and /work alone")
    assert len({line.split(":")[0] for line in leaks(tmp_path)[0]}) == 3


# ---- the pages in a browser ------------------------------------------------------------------
@dataclass
class Visit:
    """What a browser met on one page."""

    outside: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    seen: dict = field(default_factory=dict)
    axe: dict = field(default_factory=dict)
    boxes: list = field(default_factory=list)
    scroll: int = 0


WAIT = """async () => {
  if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
  if (document.fonts) await document.fonts.ready;
}"""
OPEN = """() => {
  for (const d of document.querySelectorAll('details')) d.open = true;
  for (const b of document.querySelectorAll('button.toggle-button-hidden')) b.click();
  if (document.querySelector('.toggle-hidden')) throw new Error('a fold does not open');
  const still = document.createElement('style');  // a colour half-way to another misleads axe
  still.textContent = '*, ::before, ::after { transition: none !important; animation: none }';
  document.head.append(still);
}"""
STAND_IN = """() => {  // axe needs minutes for the thousands of boxes of a page's formulas:
  // a formula has the colour of its place, and one letter shows it as well
  for (const m of document.querySelectorAll('mjx-container')) m.textContent = 'x';
}"""
BOXES = """() => [...document.querySelectorAll('.bd-article pre, .bd-article mjx-container, ' +
    '.bd-article .output, .bd-article .pst-scrollable-table-container')]
  .filter((b) => b.clientWidth && b.scrollWidth > b.clientWidth + 2 &&
    getComputedStyle(b).overflowX === 'auto')
  .map((b) => ({ text: b.textContent.slice(0, 60), key: b.tabIndex, role: b.getAttribute('role'),
    name: b.getAttribute('aria-label') || '', more: getComputedStyle(b).maskImage !== 'none',
    kind: b.tagName }))"""
LOOK = r"""() => {
  const places = [...document.querySelectorAll('span.math, div.math')];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const raw = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, host = node.parentElement;
    if (host.closest('script, style, noscript, code, pre, textarea, mjx-container')) continue;
    if (/\\\(|\\\[|\$\$|\\begin\{|\\frac|\$[^$\s][^$]*\$|\{(eq|ref|numref|cite)/.test(node.data))
      raw.push(node.data.slice(0, 80));
  }
  return {
    places: places.length,
    wrong: places.filter((p) => p.querySelectorAll('mjx-container').length !== 1)
      .map((p) => p.textContent.slice(0, 80)),
    containers: document.querySelectorAll('mjx-container').length,
    // a macro that MathJax does not know is no error to it: it is printed in red
    merrors: [...document.querySelectorAll('mjx-merror, [data-mjx-error], ' +
      'mjx-container [style*="color: red"], mjx-container [mathcolor="red"]')]
      .map((e) => e.outerHTML.slice(0, 120)),
    raw,
    broken: [...document.images].filter((i) => i.complete && i.naturalWidth === 0 && i.src)
      .map((i) => i.src.slice(0, 80)),
    // a display formula in its column: what the formula needs, and what the column gives
    wide: [...document.querySelectorAll('div.math')].filter((d) => d.checkVisibility())
      .map((d) => [d.querySelector('mjx-container'), d]).filter(([m, d]) => m &&
        Math.max(m.scrollWidth - m.clientWidth, d.scrollWidth - d.clientWidth) > 1)
      .map(([m, d]) => `${m.scrollWidth} px in ${d.clientWidth} px: ` +
        (d.querySelector('mjx-assistive-mml') || d).textContent.replace(/\s+/g, ' ').slice(0, 80)),
    displays: document.querySelectorAll('div.math').length,
    copy: [...document.querySelectorAll('div.cell_input div.highlight')]
      .filter((d) => !d.querySelector('.copybtn')).length,
    titles: [...document.querySelectorAll('h1')].filter((h) => h.checkVisibility()).length,
  };
}"""


def watched(context, home: str):
    """A new page whose doings are recorded; requests to any other host are cut off."""
    visit = Visit()

    def gate(route):
        url = route.request.url
        if url.startswith(home) or not url.startswith(("http:", "https:", "ws:", "wss:")):
            route.continue_()
        else:
            visit.outside.append(url)
            route.abort()

    page = context.new_page()
    page.route("**/*", gate)
    page.on("websocket", lambda socket: visit.outside.append(socket.url))
    page.on("pageerror", lambda error: visit.errors.append(f"page error: {error}"))
    page.on(
        "console",
        lambda m: visit.errors.append(f"console: {m.text}") if m.type == "error" else None,
    )
    page.on("requestfailed", lambda r: visit.failed.append(f"{r.url}: {r.failure}"))
    page.on(
        "response",
        lambda r: visit.failed.append(f"{r.url}: {r.status}") if r.status >= 400 else None,
    )
    return page, visit


def serious(axe, page, **options) -> list[str]:
    """What axe finds on a page and calls serious or critical."""
    # inside a formula MathJax's boxes are no text: its colour is its paragraph's
    parts = {"exclude": [["mjx-container > *"]]}
    options |= {"resultTypes": ["violations"], "preload": False}  # no requests of axe's own
    return [
        f"{v['impact']}: {v['id']}: {v['help']}: "
        + "; ".join(f"{n['target']} {n['html'][:120]}" for n in v["nodes"][:3])
        for v in axe.run(page, context=parts, options=options).response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


@pytest.fixture(scope="session")
def visits(browser, server, pages):
    """Every page over http: looked at, judged by axe in both themes, narrowed to a phone."""
    from axe_playwright_python.sync_playwright import Axe

    axe, out = Axe(), {}
    context = browser.new_context(viewport=DESK, color_scheme="light", reduced_motion="reduce")
    for name in pages:
        page, visit = watched(context, server)
        address = f"{server}/{name}"
        if name == "index.html":  # the front door leads on at once
            page.goto(address)
            page.wait_for_url(f"{server}/book/index.html")
        else:
            page.goto(address)
        page.evaluate(WAIT)
        page.evaluate(OPEN)
        page.wait_for_timeout(400)  # the theme looks for boxes that scroll 300 ms after a change
        visit.seen = page.evaluate(LOOK)
        page.set_viewport_size(PHONE)
        visit.scroll = page.evaluate("document.documentElement.scrollWidth")
        if name != "index.html":  # what is narrow scrolls in its own box, which keys must reach
            page.wait_for_timeout(900)
            visit.boxes = page.evaluate(BOXES)
            visit.axe["phone"] = serious(axe, page, runOnly=["scrollable-region-focusable"])
            page.set_viewport_size(DESK)
            page.wait_for_timeout(900)
            visit.axe["desk"] = serious(axe, page, runOnly=["scrollable-region-focusable"])
            page.evaluate(STAND_IN)
            # that rule has judged the formulas themselves; a letter in a formula's box is taller
            # than its line of height 0, which no reader meets
            others = {"scrollable-region-focusable": {"enabled": False}}
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
                visit.axe[theme] = serious(axe, page, rules=others)
        page.close()
        out[name] = visit
    context.close()
    return out


@pytest.fixture(scope="session")
def file_visits(browser, html, pages):
    """Every page from file://, as a reader opens an unpacked archive."""
    context, out = browser.new_context(viewport=DESK), {}
    for name in pages:
        page, visit = watched(context, html.as_uri())
        page.goto((html / name).as_uri())
        if name == "index.html":
            page.wait_for_url((html / "book/index.html").as_uri())
        page.evaluate(WAIT)
        visit.seen = page.evaluate(LOOK)
        page.close()
        out[name] = visit
    context.close()
    return out


@pytest.fixture(params=["http", "file"])
def either(request):
    """The visits over http, then those from file://."""
    return request.getfixturevalue("visits" if request.param == "http" else "file_visits")


@pytest.mark.browser
def test_no_request_leaves_the_site(either):
    assert not {name: v.outside for name, v in either.items() if v.outside}


@pytest.mark.browser
def test_no_error_is_reported(either):
    assert not {name: v.errors for name, v in either.items() if v.errors}


@pytest.mark.browser
def test_no_request_fails(either):
    bad = {name: v.failed for name, v in either.items()}
    assert not {name: failed for name, failed in bad.items() if failed}
    assert not {name: v.seen["broken"] for name, v in either.items() if v.seen["broken"]}


@pytest.mark.browser
def test_every_formula_is_rendered(either, pages):
    total = 0
    for name, visit in either.items():
        seen = visit.seen
        assert not seen["merrors"], f"{name}: MathJax cannot read {seen['merrors']}"
        assert not seen["wrong"], f"{name}: not rendered: {seen['wrong']}"
        assert not seen["raw"], f"{name}: raw TeX or markup in the text: {seen['raw']}"
        assert seen["containers"] == seen["places"], name
        if name != "index.html":
            assert seen["places"] == pages[name].formulas, name
        total += seen["containers"]
    assert total > 300


@pytest.mark.browser
def test_no_display_formula_is_wider_than_its_column(visits):
    """At the width of a laptop; on a phone a formula may scroll in its own box."""
    assert sum(visit.seen["displays"] for visit in visits.values()) > 60
    wide = [f"{name}: {line}" for name, v in visits.items() for line in v.seen["wide"]]
    assert not wide, "break these into aligned lines: " + "; ".join(wide)


@pytest.mark.browser
def test_the_width_of_a_formula_is_seen_at_all(browser, html):
    """A column made narrow on purpose: the check above would have seen it."""
    page = browser.new_page(viewport=DESK)
    page.goto((html / "book/foundations/random-matrices.html").as_uri())
    page.evaluate(WAIT)
    page.add_style_tag(content="div.math { max-width: 120px }")
    assert len(page.evaluate(LOOK)["wide"]) > 3
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark", "phone", "desk"])
def test_axe_finds_nothing_serious(visits, theme):
    judged = {name: v.axe[theme] for name, v in visits.items() if v.axe}
    assert len(judged) == len(visits) - 1
    found = [f"{name}: {line}" for name, lines in judged.items() for line in lines]
    assert not found, "\n".join(found)


@pytest.mark.browser
def test_nothing_scrolls_sideways_on_a_phone(visits):
    assert not {name: v.scroll for name, v in visits.items() if v.scroll > PHONE["width"]}


@pytest.mark.browser
def test_what_scrolls_sideways_says_so(visits):
    """Keys reach it, a screen reader names it, a fade at its edge shows that there is more."""
    boxes = [(name, box) for name, visit in visits.items() for box in visit.boxes]
    assert {box["kind"] for _, box in boxes} >= {"PRE", "MJX-CONTAINER", "DIV"}
    bad = [b for b in boxes if b[1]["key"] != 0 or b[1]["role"] != "region" or not b[1]["more"]]
    assert not bad, bad[:5]
    assert all(box["name"].endswith("scrolls sideways") for _, box in boxes)


@pytest.mark.browser
def test_code_can_be_copied_and_every_page_has_one_title(visits):
    assert not {name: v.seen["copy"] for name, v in visits.items() if v.seen["copy"]}
    titles = {name: v.seen["titles"] for name, v in visits.items() if name.startswith("book/")}
    assert set(titles.values()) == {1}, titles


@pytest.mark.browser
def test_axe_sees_faults_at_all(browser, html):
    """A page made worse on purpose: the check above would have seen it."""
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page()
    page.goto((html / "book/index.html").as_uri())
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('afterbegin', "
        '\'<img src="x.png"><p style="color:#bbb;background:#fff">pale</p>\')'
    )
    found = {v["id"] for v in Axe().run(page).response["violations"]}
    page.close()
    assert {"image-alt", "color-contrast"} <= found


# ---- problem sets -----------------------------------------------------------------------------
def letters(text: str) -> str:
    """Letters and digits only, so that markup makes no difference."""
    return re.sub(r"[^A-Za-z0-9]+", "", text)


def secret_texts() -> dict[str, str]:
    """Whole solutions, hidden checks and other answers, and long lines for markers, by place."""
    from coursework import blanks, leaks, source

    out = {}
    for one in map(source.load, source.known()):
        for q in one.questions.values():
            lines = q.cell.source.split("\n")
            parts = [("solution", lines[a + 1 : b]) for a, b, _ in blanks.blocks(q.cell.source)]
            cells = (*q.hidden, *q.wrong, *q.right)
            parts += [(f"line {cell.line}", cell.source.split("\n")) for cell in cells]
            out |= {f"{one.key} {q.key} {name}": "".join(part) for name, part in parts}
        for where, line in leaks.secrets(one):
            if where.split()[1] in ("marking", "solution") and where.split()[-1] in one.written:
                out[f"{one.key}: {where}: {line[:40]}"] = line
    return {place: letters(text) for place, text in out.items() if len(letters(text)) >= 40}


def test_no_solution_of_a_problem_set_is_on_the_site(html):
    from coursework import source

    there = {path.stem for path in (html / "notebooks" / "problem-sets").glob("*")}
    assert there == set(source.known())
    secrets = secret_texts()
    assert len(secrets) > 20 * len(there) - 20
    for path in html.rglob("*"):
        if path.suffix in (".html", ".ipynb", ".txt", ".md", ".inv", ".zip"):
            assert "solution" not in path.stem and "gradescope" not in path.stem
            text = path.read_text("utf-8", errors="replace")
            text = re.sub(r"<script\b.*?</script>|<[^>]+>", "", text, flags=re.S)
            text = letters(text.replace("\\n", "\n"))
            found = [place for place, secret in secrets.items() if secret in text]
            assert not found, f"{path.relative_to(html)} holds {found}"
    assert not list(html.glob("book/problem-sets/ps*.html"))


# ---- theme and search ------------------------------------------------------------------------
@pytest.mark.browser
def test_the_theme_button_switches_and_is_remembered(browser, server):
    context = browser.new_context(viewport=DESK, color_scheme="light")
    page = context.new_page()
    page.goto(f"{server}/book/foundations/why-isometry.html")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    button = page.locator("button.theme-switch-button:visible").first
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(background)
    for _ in range(3):  # the button goes round: light, dark, as the system has it
        button.click()
        if page.evaluate(theme) == "dark":
            break
    assert page.evaluate(theme) == "dark" and page.evaluate(background) != before
    page.goto(f"{server}/book/index.html")
    assert page.evaluate(theme) == "dark"
    context.close()


@pytest.mark.browser
def test_search_finds_the_semicircle(browser, server):
    context = browser.new_context(viewport=DESK)
    page, visit = watched(context, server)
    page.goto(f"{server}/search.html?q=semicircle")
    page.wait_for_selector("#search-results ul li a")
    links = page.eval_on_selector_all("#search-results ul li a", "all => all.map((a) => a.href)")
    assert any("book/foundations/random-matrices.html" in link for link in links), links
    page.goto(f"{server}/search.html?q=zzyzx")
    page.wait_for_function("/did not match|not match any/.test(document.body.innerText)")
    assert not visit.errors and not visit.outside
    context.close()


# ---- keyboard and paper ----------------------------------------------------------------------
FOLDED = "book/foundations/why-isometry.html"  # proofs, solutions, code, an explorer
SEEN = """() => {
  const e = document.activeElement, c = getComputedStyle(e);
  if (e === document.body) return null;
  const again = e.dataset.tabbed; e.dataset.tabbed = 1;
  const ring = (c.outlineStyle !== 'none' && parseFloat(c.outlineWidth) >= 2)
    || (c.boxShadow !== 'none' && c.boxShadow.includes('3px'));
  return { again, ring: ring && c.opacity !== '0', formula: !!e.closest('mjx-container, .math'),
    what: e.outerHTML.slice(0, 90),
    name: e.getAttribute('aria-label') || e.textContent.trim() || e.title
      || (e.labels && e.labels[0].textContent) || e.querySelector('[aria-label]')?.ariaLabel };
}"""


@pytest.mark.browser
def test_tab_reaches_everything_and_is_seen(browser, server):
    """From the skip link to the last link: each stop once, named, visible; no formula is one."""
    page = browser.new_page(viewport=DESK)
    page.goto(f"{server}/{FOLDED}")
    page.evaluate(WAIT)
    page.add_style_tag(content="* { transition: none !important }")  # a ring half faded in
    page.wait_for_timeout(400)
    stops = []
    for _ in range(400):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(SEEN))
        if stops[-1] is None or stops[-1]["again"]:
            break
    assert stops.pop() is None  # past the last stop the keyboard leaves the page: no trap
    assert "main-content" in stops[0]["what"]
    assert not [s for s in stops if not s["ring"] or not s["name"] or s["formula"]]
    left = page.evaluate(
        "[...document.querySelectorAll('a[href], button, input, summary')].filter((e) => "
        "e.tabIndex >= 0 && e.checkVisibility({visibilityProperty: true}) && !e.dataset.tabbed)"
        ".map((e) => e.outerHTML.slice(0, 90))"
    )
    assert not left
    assert any(s["name"] == "Proof" for s in stops)
    assert any(s["name"].startswith("Solution to Exercise 1.1") for s in stops)
    page.close()


@pytest.mark.browser
def test_folds_open_by_key_by_title_and_by_link(browser, server):
    page = browser.new_page(viewport=DESK)
    page.goto(f"{server}/{FOLDED}")
    folds = page.locator(".toggle-button")
    opened = "(b) => b.getAttribute('aria-expanded')"
    for i, key in enumerate(("Enter", "Space")):
        assert folds.nth(i).evaluate(opened) == "false"
        folds.nth(i).focus()
        page.keyboard.press(key)
        assert folds.nth(i).evaluate(opened) == "true"
    # a title opens its own fold, but a link in it only leads where it leads
    solution = page.locator(".toggle:has(> .admonition-title a)").first
    for part, state in ((" a", "false"), ("", "true")):
        solution.locator(f"> .admonition-title{part}").first.click(position={"x": 3, "y": 5})
        assert solution.locator(".toggle-button").evaluate(opened) == state
    name = page.locator(".toggle-hidden [id]").last.get_attribute("id")
    page.evaluate("(id) => { location.hash = id }", name)
    page.locator(f"[id='{name}']").wait_for(state="visible", timeout=5000)
    page.close()


@pytest.mark.browser
def test_paper_is_white_and_has_no_folds(browser, server):
    page = browser.new_page(viewport=DESK, color_scheme="dark")
    page.goto(f"{server}/{FOLDED}")
    page.evaluate(WAIT)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    state = page.evaluate(
        """() => ({ theme: document.documentElement.dataset.theme,
          folded: document.querySelectorAll('.toggle-hidden, article details:not([open])').length,
          shown: ['.bd-sidebar-primary', '.bd-sidebar-secondary', '.bd-header-article',
            '.prev-next-area', '.isolib-controls', '.toggle-button', '.copybtn', '.headerlink']
            .filter((s) => [...document.querySelectorAll(s)].some((e) => e.checkVisibility())),
          cut: [...document.querySelectorAll('article pre')]
            .filter((p) => p.scrollWidth > p.clientWidth + 1).length })"""
    )
    assert state == {"theme": "light", "folded": 0, "shown": [], "cut": 0}
    assert page.locator(".isolib-explorer svg").first.is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("article details:not([open])").count() > 0
    page.close()


# ---- explorers -------------------------------------------------------------------------------
def unscaled(kind, limits, pixels, start, end):
    """The data values that a scale of explorer.js sends to these pixels."""
    lo, hi = np.log10(limits) if kind == "log" else np.asarray(limits, float)
    value = lo + (np.asarray(pixels) - start) / (end - start) * (hi - lo)
    return 10**value if kind == "log" else value


def same_drawing(kind, limits, pixels, start, end, values, name):
    """Pixels equal values to drawing precision: 0.01 px, and the five digits of the data."""
    pixels, values = np.asarray(pixels, float), np.asarray(values, float)
    assert pixels.shape == values.shape, name
    steps = [unscaled(kind, limits, pixels + d, start, end) for d in (-0.0051, 0.0051)]
    room = 5.1e-5 * abs(values) + 1e-300
    low, high = np.minimum(*steps) - room, np.maximum(*steps) + room
    # far outside the frame the view stops at a clamp: the value must lie beyond it
    vertical = start > end
    top, bottom = (pixels <= -H + 0.01) & vertical, (pixels >= 2 * H - 0.01) & vertical
    high = np.where(top, np.inf, high)
    low = np.where(bottom, -np.inf, low)
    bad = ~((low <= values) & (values <= high))
    at = np.flatnonzero(bad)[:3]
    assert not bad.any(), f"{name}: drawn {low[at]}…{high[at]}, computed {values[at]}"


def drawn(svg) -> dict:
    """What an explorer's picture holds now: limits, state, and every curve's coordinates."""
    return svg.evaluate(
        """(svg) => {
          const curves = {};
          for (const node of svg.querySelectorAll('[data-curve]')) {
            const curve = (curves[node.dataset.curve] ||= {circles: [], paths: [], lines: []});
            if (node.tagName === 'circle')
              curve.circles.push(['cx', 'cy'].map((k) => Number(node.getAttribute(k))));
            else if (node.tagName === 'line')
              curve.lines.push([Number(node.getAttribute('x1')), Number(node.dataset.weight)]);
            else curve.paths.push(node.getAttribute('d'));
          }
          return {xlim: JSON.parse(svg.dataset.xlim), ylim: JSON.parse(svg.dataset.ylim),
                  state: JSON.parse(svg.dataset.state), curves};
        }"""
    )


def check_picture(root, explorer, indices):
    """Compare the browser's picture and read-out with the Python function's own values."""
    picture, frame = drawn(root.locator("svg")), explorer.frame(indices)
    assert picture["state"] == list(indices)
    assert picture["xlim"] == pytest.approx(list(frame.xlim or explorer.xlim))
    assert picture["ylim"] == pytest.approx(list(frame.ylim or explorer.ylim))
    assert root.locator("output").inner_text() == frame.readout
    drawn_ones = [c.label for c in frame.curves if c.kind != "atoms" or len(c.x)]
    assert list(picture["curves"]) == drawn_ones
    assert root.locator(".isolib-legend > span").count() == len(drawn_ones)
    count = 0
    for curve in frame.curves:
        x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
        if curve.label not in drawn_ones:
            continue
        shown = picture["curves"][curve.label]
        if curve.kind == "atoms":
            px, weights = np.array(shown["lines"]).T
            np.testing.assert_allclose(weights, y, rtol=5.1e-5)
            ends = BOX["left"], W - BOX["right"]
            same_drawing(explorer.xscale, picture["xlim"], px, *ends, x, curve.label)
            count += len(px)
            continue
        if curve.kind == "points":
            keep = np.isfinite(y)
            x, y, points = x[keep], y[keep], shown["circles"]
        else:
            (d,) = shown["paths"]
            points = [[float(v) for v in p.split(",")] for p in re.split("[ML]", d)[1:]]
            if curve.kind == "steps":
                base = picture["ylim"][0]
                x = np.r_[x[0], np.repeat(x, 2)[1:-1], x[-1]]
                y = np.r_[base, np.repeat(y, 2), base]
            else:
                keep = np.isfinite(y)
                assert d.count("M") == np.sum(keep & ~np.r_[False, keep[:-1]])  # gaps stay gaps
                x, y = x[keep], y[keep]
        px, py = np.array(points).T
        where = f"{explorer.name}, {curve.label}, {indices}"
        same_drawing(
            explorer.xscale, picture["xlim"], px, BOX["left"], W - BOX["right"], x, f"x of {where}"
        )
        same_drawing(
            explorer.yscale, picture["ylim"], py, H - BOX["bottom"], BOX["top"], y, f"y of {where}"
        )
        count += len(points)
    return count


@cache
def made(name: str):
    """An explorer of the book; its frames are computed once."""
    return explorers.ALL[name]()


def settings(counts):
    """Three settings of the sliders: first, last, and one between."""
    return [[0] * len(counts), [n - 1 for n in counts], [n // 3 for n in counts]]


@pytest.fixture(scope="session")
def placed(pages) -> list[tuple[str, str]]:
    """(page, explorer) for every explorer of the book."""
    return [(name, e) for name, reader in pages.items() for e in reader.explorers]


def test_every_explorer_stands_on_a_page_and_every_chapter_has_one(pages, placed):
    assert {e for _, e in placed} == set(explorers.ALL)
    for name in chapters(pages):
        assert pages[name].explorers, f"{name} has no explorer"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize("name", sorted(explorers.ALL))
def test_explorer(browser, server, html, placed, name, scheme):
    """Drawn, moved by mouse and by keyboard, compared at three settings, quick to redraw."""
    home = server if scheme == "http" else html.as_uri()
    page_name = next(page for page, e in placed if e == name)
    explorer = made(name)
    context = browser.new_context(viewport=DESK)
    page, visit = watched(context, home)
    page.goto(f"{home}/{page_name}")
    root = page.locator(f'[data-explorer="{name}"]')
    root.scroll_into_view_if_needed()
    page.evaluate(WAIT)
    svg, inputs = root.locator("svg"), root.locator("input[type=range]")
    counts = [len(values) for values in explorer._values()]
    start = [c["start"] for c in explorer.spec["controls"]]
    assert inputs.count() == len(counts)
    assert root.locator("noscript").count() == 0  # the still gave way to the moving figure
    assert check_picture(root, explorer, start) > 10

    state = list(start)
    for i, count in enumerate(counts):
        slider, control = inputs.nth(i), explorer.spec["controls"][i]
        assert (
            page.locator(f"label[for='{slider.get_attribute('id')}']").inner_text()
            == (control["label"])
        )
        # by mouse: drag the thumb from where it is to the left end, then to the right end
        for goal in (0, count - 1):
            box = slider.bounding_box()
            y, thumb = box["y"] + box["height"] / 2, 8
            usable = box["width"] - 2 * thumb
            at = box["x"] + thumb + usable * state[i] / (count - 1)
            page.mouse.move(at, y)
            page.mouse.down()
            page.mouse.move(box["x"] + thumb + usable * goal / (count - 1), y, steps=4)
            page.mouse.up()
            state[i] = goal
            assert drawn(svg)["state"] == state, f"dragging control {i} to {goal}"
        # by keyboard, one step left and one right
        slider.focus()
        for key, change in (("ArrowLeft", -1), ("ArrowRight", 1), ("Home", 1 - count)):
            page.keyboard.press(key)
            state[i] += change
            assert drawn(svg)["state"] == state, f"{key} on control {i}"
            assert slider.get_attribute("aria-valuetext") == control["text"][state[i]]

    for indices in settings(counts):
        for i, index in enumerate(indices):
            inputs.nth(i).focus()
            page.keyboard.press("Home")
            for _ in range(index):
                page.keyboard.press("ArrowRight")
        check_picture(root, explorer, indices)

    times = inputs.first.evaluate(
        """(input) => {
          const times = [], svg = input.closest('.isolib-explorer').querySelector('svg');
          for (let i = 0; i < 10; i++) {
            const begin = performance.now();
            input.value = i % (Number(input.max) + 1);
            input.dispatchEvent(new Event('input', {bubbles: true}));
            svg.getBoundingClientRect();
            times.push(performance.now() - begin);
          }
          return times;
        }"""
    )
    median = statistics.median(times)
    print(f"{name} ({scheme}): redraws in {median:.1f} ms")
    assert median < 50
    assert not visit.errors and not visit.outside
    context.close()


@pytest.mark.browser
def test_explorers_fit_a_phone_and_follow_the_theme(browser, server, placed):
    context = browser.new_context(viewport=PHONE, color_scheme="dark")
    page = context.new_page()
    for page_name, name in placed:
        page.goto(f"{server}/{page_name}")
        box = page.locator(f'[data-explorer="{name}"] svg').bounding_box()
        assert 200 < box["width"] <= PHONE["width"]
        colour = "(e) => getComputedStyle(e).getPropertyValue('--isolib-1').trim()"
        assert page.locator(f'[data-explorer="{name}"]').evaluate(colour) == "#56b4e9"
        slider = page.locator(f'[data-explorer="{name}"] input').first.bounding_box()
        assert slider["height"] >= 24  # large enough for a finger
    context.close()


@pytest.mark.browser
def test_without_javascript_an_explorer_is_a_still_figure(browser, server, placed):
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = context.new_page()
    for page_name, name in placed:
        page.goto(urljoin(server + "/", page_name))
        still = page.locator(f'[data-explorer="{name}"] img')
        assert still.count() == 1 and still.is_visible(), name
        explorer = made(name)
        start = [c["start"] for c in explorer.spec["controls"]]
        assert still.get_attribute("alt") == f"{explorer.title}. {explorer.frame(start).readout}"
        box = still.bounding_box()
        assert box["width"] > 300 and box["height"] > 150, name
        assert page.locator(f'[data-explorer="{name}"] svg').count() == 0
    context.close()
