"""The autograder archive in Gradescope's form, and what it runs there.

Gradescope unpacks the archive to /autograder/source, runs setup.sh once and run_autograder for
each submission, and reads /autograder/results/results.json. The root folder is in the variable
AUTOGRADER, so that the same program runs in a test.
"""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from pathlib import Path

from coursework import grading
from coursework.sandbox import HERE, isolib_folder
from coursework.source import Assignment, load

REQUIREMENTS = (
    "numpy>=2\nscipy>=1.15\nmatplotlib\ntorch>=2.5\nscikit-learn\ntqdm\nipython\npyyaml\n"
)

SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, when the autograder is made. Python 3.11 or later is needed.
set -euo pipefail
apt-get update -qq
for version in 3.13 3.12 3.11; do
  if apt-get install -y -qq "python$version" "python$version-venv" bubblewrap; then break; fi
done
"python$version" -m venv /opt/coursework
/opt/coursework/bin/python -m pip install --quiet -r /autograder/source/requirements.txt
"""

RUN = """#!/usr/bin/env bash
# The submission runs as another user, who can read neither the checks nor the results.
cd /autograder/source
chmod 600 problem-set.md
chmod 700 /autograder/results /autograder/submission
exec /opt/coursework/bin/python -m coursework.gradescope
"""


def archive(assignment: Assignment) -> bytes:
    """The zip's bytes; the same source gives the same bytes."""
    files = {
        "setup.sh": SETUP.encode(),
        "run_autograder": RUN.encode(),
        "requirements.txt": REQUIREMENTS.encode(),
        "problem-set.md": assignment.path.read_bytes(),
    }
    isolib = isolib_folder()
    for folder, inside in ((HERE, "coursework"), (isolib, "isolib")):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".js", ".css"):
                files[f"{inside}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    for path in sorted((isolib.parent / "book" / "results").glob("*.json")):
        files[f"book/results/{path.name}"] = path.read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as held:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (0o755 if name in ("setup.sh", "run_autograder") else 0o644) << 16
            held.writestr(info, files[name])
    return out.getvalue()


def identity(root: Path, declared: str) -> str:
    """The student's id: what the notebook says if Gradescope knows it, else the address."""
    try:
        meta = json.loads((root / "submission_metadata.json").read_text(encoding="utf-8"))
        users = meta.get("users") or [{}]
    except (OSError, ValueError, AttributeError):
        users = [{}]
    known = []
    for user in users:
        email = str(user.get("email") or "")
        known += [email, email.split("@")[0], str(user.get("id") or ""), str(user.get("name"))]
        known.append(str(user.get("sid") or ""))
    known = [name for name in known if name and name != "None"]
    same = [name for name in known if name.casefold() == declared.strip().casefold()]
    return (same or known or [declared or "unknown"])[0]


def results(assignment: Assignment, graded: dict) -> dict:
    """Gradescope's results.json from one graded submission."""
    tests = []
    for item in graded["items"]:
        tests.append(
            {
                "name": f"{item['key']}: {item['what']}",
                "score": item["earned"],
                "max_score": item["points"],
                "output": item["hint"] or "Right.",
                "output_format": "text",
                "visibility": "after_published",
            }
        )
    lines = [graded["note"]] if graded["note"] else []
    lines += [
        f"{w.key} ({w.points:g} points) is read and marked by a person."
        for w in assignment.written.values()
    ]
    return {
        "score": sum(item["earned"] for item in graded["items"]),
        "output": "\n".join(lines),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"student": graded["student"], "status": graded["status"]},
    }


def main(root: Path | None = None) -> int:
    """Grade the one submission under the root folder and write results.json."""
    root = root or Path(os.environ.get("AUTOGRADER", "/autograder"))
    assignment = load(root / "source" / "problem-set.md")
    found = sorted(
        p for p in (root / "submission").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts
    )
    if not found:
        made = {"score": 0, "output": "There is no .ipynb file in this submission.", "tests": []}
    else:
        declared = grading.declared(found[0])
        graded = grading.grade(assignment, found[0], identity(root, declared))
        if len(found) > 1:
            graded["note"] = (
                f"{len(found)} notebooks; {found[0].name} was graded. " + graded["note"]
            )
        made = results(assignment, graded)
    folder = root / "results"
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(json.dumps(made, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
