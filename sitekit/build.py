"""`python -m sitekit.build`: the whole book into _build/html, every warning an error.

With --notebooks: then copy the notebooks that were written beside the pages to notebooks/.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from jupyter_book.sphinx import build_sphinx

from sitekit import pdf
from sitekit.pdf import OUT
from sitekit.repository import ROOT


def build(out: Path, **overrides) -> bool:
    """Run Sphinx once; True if it ended without error or warning."""
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
        warningiserror=True,
        keep_going=True,
        quiet=False,
    )
    return status == 0


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
    options = parser.parse_args()
    os.environ["ISOLIB_STATIC"] = "1"  # explorers write their static part only
    # the pages' matrices are small: one thread is as fast, and does not stall on a busy machine
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning")  # of the tools, not ours
    quiet_kernels()
    started = time.perf_counter()
    good = build(OUT)
    if good:
        landing(OUT / "html")
        pdf.main()
    if good and options.notebooks:
        target = ROOT / "notebooks"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(OUT / "html" / "notebooks", target)
    print(f"{'done' if good else 'FAILED'} in {time.perf_counter() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
