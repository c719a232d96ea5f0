"""The one place that knows this repository: its root, its contents, its public address."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def contents() -> dict:
    """The table of contents: `root`, and `parts` with their `caption` and `chapters`."""
    return yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))


def address(configured: str = "") -> str:
    """ "https://github.com/OWNER/NAME", or "" where no address is known.

    In this order: the CI variable GITHUB_REPOSITORY, the git remote "origin", the argument (from
    _config.yml). A fork that builds its own site therefore points to itself.
    """
    named = os.environ.get("GITHUB_REPOSITORY", "")
    if named:
        return f"https://github.com/{named}"
    try:
        run = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True
        )
        remote = run.stdout.strip()
    except OSError:
        remote = ""
    for text in (remote, configured):
        match = re.search(r"github\.com[:/]+([\w.-]+)/([\w.-]+?)(?:\.git)?/?$", text)
        if match:
            return f"https://github.com/{match[1]}/{match[2]}"
    return ""


def colab_link(repository: str, branch: str, notebook: str) -> str:
    """Where Colab opens a notebook of this repository."""
    path = repository.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{path}/blob/{branch}/notebooks/{notebook}"
