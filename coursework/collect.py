"""A folder of submissions as (student, file): names as learning platforms make them."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

from coursework.protocol import clean
from coursework.reading import SourceError

SKIPPED = (".ipynb_checkpoints", "__MACOSX", ".grading")


@dataclass(frozen=True)
class Entry:
    """One student's submission; `note` says what was left out."""

    student: str
    path: Path
    note: str = ""


def student_of(path: Path, folder: Path) -> str:
    """The id in a file's name, up to the first "_"; for a file in a subfolder, in the folder's.

    Canvas writes id_12_34_name.ipynb, Moodle "Name_12_assignsubmission_file_/name.ipynb",
    Gradescope submission_123/name.ipynb (kept whole: use a roster for those).
    """
    inner = path.relative_to(folder)
    name = inner.parts[0] if len(inner.parts) > 1 else path.stem
    # a name may hold any bytes, and two names must not become one
    name = re.sub(r"\s", " ", clean(os.fsencode(name).decode("utf-8", "backslashreplace")))
    if re.fullmatch(r"submission_\d+", name):
        return name
    name = re.sub(r"( ?\(\d+\)|-\d+)$", "", name) if "_" not in name else name
    return name.split("_")[0].strip() or name.strip() or "no name"


def version(path: Path) -> tuple:
    """Later files last: by the platform's "-2" or " (2)", then by time, then by name."""
    number = re.search(r"(?:-(\d{1,2})| ?\((\d+)\))$", path.stem)
    return (int(number[1] or number[2]) if number else 0, path.stat().st_mtime, path.name)


def roster(path: Path) -> dict[str, str]:
    """File name → student, from a CSV with the columns file and student."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"roster {path}: {error}") from None
    if not rows or not {"file", "student"} <= set(rows[0]):
        raise SourceError(f"roster {path}: needs a first line `file,student` and rows below it")
    out = {}
    for number, row in enumerate(rows, 2):
        name, student = (row["file"] or "").strip(), (row["student"] or "").strip()
        if not name or not student:
            raise SourceError(f"roster {path}, row {number}: file or student is empty")
        if name in out:
            raise SourceError(f"roster {path}, row {number}: {name} stands there twice")
        out[name] = student
    return out


def collect(folder: Path, names: dict[str, str] | None = None) -> list[Entry]:
    """The newest notebook of each student, sorted by student.

    Raises `SourceError` where the folder or every notebook is missing, or the roster names a file
    that is not there.
    """
    names = names or {}
    if not folder.is_dir():
        raise SourceError(f"no folder {folder}")
    found = sorted(
        path
        for path in folder.rglob("*.ipynb")
        if path.is_file() and not set(SKIPPED) & set(path.parts) and not path.name.startswith("._")
    )
    if not found:
        there = sorted(path.name for path in folder.iterdir())[:5]
        raise SourceError(
            f"no .ipynb file in {folder}; it holds {', '.join(there) or 'nothing'}. "
            "Unpack a .zip from the platform first."
        )
    by_student: dict[str, list[Path]] = {}
    used = set()
    for path in found:
        inner = path.relative_to(folder)
        forms = (inner.as_posix(), path.name, inner.parts[0])
        key = next((form for form in forms if form in names), None)
        used.add(key)
        by_student.setdefault(names[key] if key else student_of(path, folder), []).append(path)
    missing = sorted(set(names) - used)
    if missing:
        raise SourceError(f"the roster names files that are not in {folder}: {', '.join(missing)}")
    out = []
    for student, paths in sorted(by_student.items()):
        *older, newest = sorted(paths, key=version)
        note = ""
        if older:
            left = ", ".join(path.relative_to(folder).as_posix() for path in older)
            kept = newest.relative_to(folder).as_posix()
            note = clean(f"{len(paths)} files, {kept} was graded, left out: {left}", 3000)
        out.append(Entry(student, newest, note))
    return out
