"""`python -m coursework build`: student notebook, solution notebook, Gradescope archive."""

from __future__ import annotations

from pathlib import Path

from coursework import gradescope, leaks, notebook, selftest
from coursework.reading import SourceError
from coursework.source import Assignment


def address() -> str:
    """Where the notebooks install isolib from; empty where no address is known."""
    import yaml

    from sitekit.repository import ROOT, address

    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return address((config.get("repository") or {}).get("url") or "")


def student_text(assignment: Assignment, repository: str) -> str:
    """The student's notebook. Raises `SourceError` where something leaks."""
    cells = notebook.student(assignment, repository)
    found = leaks.leaks(assignment, cells)
    if found:
        raise SourceError([f"{assignment.path.name}: {text}" for text in found])
    return notebook.text(cells, f"{assignment.key}-student")


def writable(folder: Path) -> Path:
    """The folder, made if need be. Raises `SourceError` where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise SourceError(f"cannot write to {folder}: {error.strerror or error}") from None
    return folder


def build(assignment: Assignment, out: Path, students: int = 2, say=print) -> list[Path]:
    """Write the three files to `out` after the self-test and the leak check have passed."""
    writable(out)
    repository = address()
    student = student_text(assignment, repository)
    if assignment.questions:
        selftest.require(assignment, students)
    key = assignment.key
    solution = notebook.text(notebook.solution(assignment, repository), f"{key}-solution")
    files = {
        f"{key}-student.ipynb": student.encode(),
        f"{key}-solution.ipynb": solution.encode(),
        f"{key}-gradescope.zip": gradescope.archive(assignment),
    }
    for name, data in files.items():
        (out / name).write_bytes(data)
        say(f"{out / name}  ({len(data) / 1024:.0f} kB)")
    if not repository:
        say("No repository address is known: the first cell will stop where isolib is missing.")
    return [out / name for name in files]
