"""How pages look and what they load: nothing from any other host."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from docutils import nodes

from sitekit.notebooks import notebook_name
from sitekit.repository import ROOT, address, colab_link

#: what a chapter's outputs depend on besides its own text
EXECUTION_INPUTS = ("isolib/**/*.py", "isolib/*.js", "book/results/*.json", "requirements.txt")


def _execution_key() -> str:
    digest = hashlib.sha256()
    for pattern in EXECUTION_INPUTS:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    digest.update(os.environ.get("ISOLIB_SCALE", "laptop").encode())
    digest.update(os.environ.get("ISOLIB_DATA", "").encode())
    return digest.hexdigest()[:16]


def configure(app, config):
    # a new key reads every page again and runs it with the library as it is now
    config.execution_key = _execution_key()
    cache = Path(app.outdir).parent / "executed"
    for old in cache.glob("*"):
        if old.name != config.execution_key:
            shutil.rmtree(old, ignore_errors=True)
    config.nb_execution_cache_path = str(cache / config.execution_key)
    config.html_static_path = [*config.html_static_path, str(ROOT / "sitekit" / "static")]
    config.templates_path = [str(ROOT / "sitekit" / "templates"), *config.templates_path]
    # Tab goes from link to link, not through every formula; the menu is there by mouse and touch
    config.mathjax3_config = config.mathjax3_config or {}
    options = config.mathjax3_config.setdefault("options", {})
    options["menuOptions"] = {"settings": {"inTabOrder": False}}
    repository = config.html_theme_options.get("repository_url") or ""
    config.book_repository = address(repository)
    config.book_branch = config.html_theme_options.get("repository_branch") or "main"
    if config.book_repository:
        owner, name = config.book_repository.rsplit("/", 2)[1:]
        config.ogp_site_url = config.ogp_site_url or f"https://{owner}.github.io/{name}/"
        config.ogp_image = config.ogp_image or config.ogp_site_url + "_static/social.png"


def write_assets(app):
    """The explorer's one source file as a plain script (modules do not load from file://)."""
    if app.builder.format != "html":
        return
    source = (ROOT / "isolib" / "explorer.js").read_text(encoding="utf-8")
    body = re.sub(r"^export default .*$", "", source, flags=re.M).replace(
        "export function", "function"
    )
    start = (
        "for (const root of document.querySelectorAll('div.isolib-explorer[data-explorer]')) {\n"
        "  const data = root.querySelector('script[type=\"application/json\"]');\n"
        "  if (data) mount(JSON.parse(data.textContent), root);\n}\n"
    )
    static = Path(app.outdir) / "_static"
    static.mkdir(parents=True, exist_ok=True)
    (static / "explorer.js").write_text(
        "(() => {\n" + body + "\nconst boot = () => {\n" + start + "};\n"
        "document.readyState === 'loading'\n"
        "  ? document.addEventListener('DOMContentLoaded', boot) : boot();\n})();\n",
        encoding="utf-8",
    )
    shutil.copy(ROOT / "isolib" / "explorer.css", static / "explorer.css")


def proof_titles(app, doctree, docname):
    """A folded proof needs a title to click on, and ids of its own to fold by."""
    for number, proof in enumerate(doctree.findall(lambda n: n.tagname == "proof_node"), 1):
        for box in proof.children:
            box["ids"] = [f"proof-{number}"]
            if "dropdown" in box.get("classes", []):
                first = next(box.findall(nodes.Text), None)
                if first is not None and first.startswith("Proof. "):
                    first.parent.replace(first, nodes.Text(first.removeprefix("Proof. ")))
                box.insert(0, nodes.title("", "Proof"))
    for section in doctree.findall(nodes.section):
        if section["ids"] and re.fullmatch(r"[a-z]+-content", section["ids"][0]):
            section["ids"] = []  # the same on every statement of the page: not an id at all


def breakable(cell: re.Match) -> str:
    """A table's cell in which dotted names may break after a dot or an underscore.

    >>> import re
    >>> breakable(re.match(".*", '<td><span class="pre">a.b_c</span></td>'))
    '<td><span class="pre">a.<wbr>b_<wbr>c</span></td>'
    """

    def name(match):
        return match[1] + re.sub(r"(?<=[._])(?=\w)", "<wbr>", match[2])

    return re.sub(r'(<span class="pre">)([^<]*)', name, cell[0])


def page_context(app, pagename, templatename, context, doctree):
    """Runs last: only the scripts a page needs, once each, and buttons to this book's notebook."""
    seen, scripts = set(), []
    for script in context.get("script_files", []):
        key = f"{script.filename} {script.attributes.get('body', '')}"
        # live code from a server elsewhere is not something this site asks for
        if "thebe" not in key.lower() and key not in seen:
            seen.add(key)
            scripts.append(script)
    context["script_files"] = scripts
    body = context.get("body", "")
    body = re.sub(r'<script type="text/x-thebe-config">.*?</script>', "", body, flags=re.S)
    body = re.sub(r"<script>kernelName = .*?</script>", "", body)
    body = re.sub(r"<td\b.*?</td>", breakable, body, flags=re.S)
    if 'data-explorer="' in body:
        source = context["pathto"]("_static/explorer.js", 1)
        body += f'\n<script src="{source}"></script>\n'
    context["body"] = body
    if not app.config.ogp_site_url:  # a relative address is no use to whoever shows a preview
        tags = context.get("metatags", "")
        context["metatags"] = re.sub(r'<meta property="og:(url|image)[^>]*>\s*', "", tags)
    notebook = notebook_name(app.env, pagename)
    header = context.get("header_buttons")
    if header is None:
        return
    theirs = ("download-buttons", "launch-buttons")
    header[:] = [b for b in header if b.get("label") not in theirs]
    if notebook is None:
        return
    header.insert(
        0,
        {
            "type": "link",
            "text": ".ipynb",
            "icon": "fas fa-download",
            "label": "book-download",
            "url": context["pathto"](f"notebooks/{notebook}", 1),
            "tooltip": "Download this chapter as a notebook",
        },
    )
    if app.config.book_repository:
        header.insert(
            0,
            {
                "type": "link",
                "text": "Colab",
                "icon": "fas fa-rocket",
                "label": "book-colab",
                "url": colab_link(app.config.book_repository, app.config.book_branch, notebook),
                "tooltip": "Open this chapter in Colab",
            },
        )


def trim(app, exception):
    """MathJax comes with every output format it knows; the pages use one."""
    folder = Path(app.outdir) / "_static" / "mathjax"
    if exception or not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name not in ("tex-chtml.js", "output", "input", "a11y", "sre"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(folder / "output" / "svg", ignore_errors=True)
    (folder / "output" / "svg.js").unlink(missing_ok=True)


def setup(app):
    app.add_config_value("execution_key", "", "env")
    app.add_config_value("book_repository", "", "html")
    app.connect("config-inited", configure)
    app.connect("builder-inited", write_assets)
    app.add_config_value("book_branch", "main", "html")
    app.connect("doctree-resolved", proof_titles)
    app.connect("html-page-context", page_context, priority=900)
    app.connect("build-finished", trim, priority=900)
    app.add_css_file("explorer.css")
    app.add_css_file("book.css")
    app.add_js_file("book.js")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
