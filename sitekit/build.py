"""`python -m sitekit.build`: the whole book into _build/html, every warning an error.

With --notebooks: then copy the notebooks that were written beside the pages to notebooks/.
With pages, such as book/training/stiefel: these alone, into _build/draft/html, in seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import yaml
from jupyter_book.sphinx import build_sphinx

from sitekit import pdf
from sitekit.pdf import OUT
from sitekit.repository import ROOT, contents


def build(out: Path, strict: bool = True, **overrides) -> bool:
    """Run Sphinx once; True if it ended without error and, if strict, without warning."""
    status = build_sphinx(
        str(ROOT),
        str(out / "html"),
        doctreedir=str(out / ".doctrees"),
        path_config=str(ROOT / "_config.yml"),
        confoverrides={
            "external_toc_path": str(ROOT / "_toc.yml"),
            "nitpicky": True,
            "latex_individualpages": False,
            **overrides,
        },
        noconfig=True,
        warningiserror=strict,
        keep_going=True,
        quiet=False,
    )
    return status == 0


def draft(pages: list[str], out: Path = OUT / "draft") -> bool:
    """Some pages alone, with their numbers; links to the pages that are not there stay words.

    Raises `SystemExit` where a page is no file or stands in no part of _toc.yml.
    """
    toc = contents()
    pages = [page.removesuffix(".md") for page in pages]
    known = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    for page in pages:
        if not (ROOT / f"{page}.md").is_file():
            near = [name for name in known if Path(name).name == Path(page).name]
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SystemExit(f"there is no file {page}.md in {ROOT.name}{hint}")
        if page not in known:
            raise SystemExit(f"{page} is in no part of _toc.yml: add a line '- file: {page}'")
    for part in toc["parts"]:
        wanted = {*pages, "book/back-matter/bibliography"}  # where citations lead
        part["chapters"] = [one for one in part["chapters"] if one["file"] in wanted]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    out.mkdir(parents=True, exist_ok=True)
    (out / "_toc.yml").write_text(yaml.safe_dump(toc, allow_unicode=True), encoding="utf-8")
    # a draft lacks the pages that its labels lead to; the book itself suppresses nothing
    few = {"external_toc_path": str(out / "_toc.yml"), "suppress_warnings": ["ref"]}
    good = build(out, strict=False, nitpicky=False, **few)  # theorems of other pages still warn
    for page in pages if good else []:
        print(f"open {out / 'html' / page}.html (labels of other pages are not found in a draft)")
    return good


def quiet_kernels() -> None:
    """Kernels of this build say nothing below an error: a loopback port is no news here."""
    profile = OUT / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    config = "c = get_config()\nc.IPKernelApp.log_level = 40\n"
    (profile / "ipython_kernel_config.py").write_text(config, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(OUT / "ipython")


def landing(html: Path) -> None:
    """The site's front door: _build/html/index.html leads to the first page."""
    text = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Dynamical Isometry"
        "</title><meta http-equiv='refresh' content='0; url=book/index.html'></head>"
        "<body><p><a href='book/index.html'>Dynamical Isometry: the book</a></p></body></html>\n"
    )
    (html / "index.html").write_text(text, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebooks", action="store_true", help="then update notebooks/")
    parser.add_argument("pages", nargs="*", help="these pages alone, as book/training/stiefel")
    options = parser.parse_args()
    os.environ["ISOLIB_STATIC"] = "1"  # explorers write their static part only
    # the pages' matrices are small: one thread is as fast, and does not stall on a busy machine
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning")  # of the tools, not ours
    quiet_kernels()
    started = time.perf_counter()
    good = draft(options.pages) if options.pages else build(OUT)
    if good and not options.pages:
        landing(OUT / "html")
        pdf.main()
    if good and options.notebooks and not options.pages:
        target = ROOT / "notebooks"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(OUT / "html" / "notebooks", target)
    print(f"{'done' if good else 'FAILED'} in {time.perf_counter() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
