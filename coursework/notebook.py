"""The student's notebook and the solution notebook, as cells and as text."""

from __future__ import annotations

import re

from coursework import variant
from coursework.source import Assignment, Question, Written

BLANK_ID = "your id"
#: first line of a written answer's cell; it survives what strips metadata
MARKER = "<!-- answer {key}: write below this line, and keep this line -->"
MARKED = re.compile(r"<!--\s*answer ([a-z][a-z0-9]*)\b.{0,99}?-->")

SETUP_TITLE = "# @title Set-up: your own numbers and the checks (run this, no need to read it)"

REGISTER = '''
def _register(key, name, checks):
    def run(answer):
        for one in checks:
            hint = one(answer, dict(given))
            if hint is not None:
                return hint

    run.__doc__ = f"Define `{{name}}` in the cell above."
    exercises.exercise(key)(run)


def check(key, answer=None):
    """What the checks that you can see say of an answer."""
    said = exercises.check(key, None if answer is ... else answer)
    if "NotImplementedError" in said.message or "yours to write" in said.message:
        return exercises.Result(False, f"No answer yet: {{said.message.split(': ')[-1]}}.", "…")
    if said.correct:
        return exercises.Result(True, "It passes the checks you can see; others give the points.")
    return said


for _key, (_name, _list) in _public.items():
    _register(_key, _name, _list)
if STUDENT == "{blank}":
    print("Put your id into STUDENT above, and run both cells again.")
print("given =", given)'''


def setup_code(assignment: Assignment) -> str:
    """The folded cell: set-up, the student's numbers, and the public checks."""
    parts = [SETUP_TITLE, assignment.setup]
    if assignment.variant:
        parts += [assignment.variant, variant.NOTEBOOK.format(key=assignment.key)]
    else:
        parts += ["given = {}"]
    parts += ["from isolib import exercises", "_public = {}"]
    for q in assignment.questions.values():
        for cell in q.public:
            key = f"{assignment.key}/{q.key}"
            add = f'_public.setdefault("{key}", ("{q.name}", []))[1].append(check)'
            parts += [cell.source, add]
    parts.append(REGISTER.format(blank=BLANK_ID).strip("\n"))
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def check_call(assignment: Assignment, q: Question) -> str:
    """The cell below an answer."""
    return f'check("{assignment.key}/{q.key}", {q.name})'


def markdown(source: str, **metadata) -> dict:
    return {"cell_type": "markdown", "metadata": metadata, "source": source}


def code(source: str, **metadata) -> dict:
    return {"cell_type": "code", "metadata": metadata, "source": source}


def points(number: float) -> str:
    """ "1 point", "2.5 points"."""
    return f"{number:g} point" + ("" if number == 1 else "s")


def opening(assignment: Assignment, repository: str) -> list[dict]:
    """The cells that every notebook of a problem set begins with."""
    from sitekit.notebooks import INSTALL

    folded = {"cellView": "form", "jupyter": {"source_hidden": True}}
    student = f'STUDENT = "{BLANK_ID}"  # @param {{type:"string"}}'
    note = "# the id under which you hand in: your numbers depend on it"
    return [
        code(INSTALL.format(repository=repository).rstrip("\n"), cellView="form"),
        code(f"{note}\n{student}"),
        code(setup_code(assignment).rstrip("\n"), **folded),
    ]


def body(assignment: Assignment, solved: bool) -> list[dict]:
    """Statements, answers and written parts, blank or solved."""
    by_number: dict[int, Question | Written] = {
        part.cell.number: part
        for part in (*assignment.questions.values(), *assignment.written.values())
    }
    out = []
    for cell in assignment.cells:
        part = by_number.get(cell.number)
        if isinstance(part, Question):
            how = f"**Answer {part.key}** ({points(part.points)}): define `{part.name}`."
            out.append(markdown(how))
            out.append(code(part.solution if solved else part.starter, coursework=part.key))
            if part.public:
                out.append(code(check_call(assignment, part)))
            if solved:
                out.append(markdown(hidden_notes(part)))
        elif isinstance(part, Written):
            how = f"**Answer {part.key}** ({points(part.points)}, read by a person)."
            out.append(markdown(how))
            if solved:
                out.append(markdown(part.solution))
                notes = part.marking.replace("\n", "\n> ")
                out.append(markdown(f"> **Marking, {points(part.points)}.** {notes}"))
            else:
                text = MARKER.format(key=part.key) + "\n\n" + part.cell.source
                out.append(markdown(text, coursework=part.key))
        elif cell.kind == "markdown" and not cell.tags:
            out.append(markdown(cell.source))
        elif cell.kind == "code" and set(cell.tags) <= {"hide-input"}:
            hidden = {"jupyter": {"source_hidden": True}} if cell.tags else {}
            out.append(code(cell.source, **hidden))
    return out


def hidden_notes(q: Question) -> str:
    """For the instructor: what the hidden checks look at, with their code."""
    lines = [f"> **Hidden checks of {q.key}.**"]
    for cell in q.hidden:
        lines.append(f"> - {points(cell.meta['points'])}: {cell.meta['what']}")
    shown = "\n\n".join(cell.source for cell in q.hidden)
    fold = "<details>\n<summary>Their code</summary>\n\n```python\n"
    return "\n".join(lines) + f"\n\n{fold}{shown}\n```\n\n</details>"


def text(cells: list[dict], name: str) -> str:
    """The cells as an .ipynb; the same cells give the same bytes."""
    from sitekit.notebooks import assemble

    return assemble([dict(cell) for cell in cells], name, gpu=False)


def student(assignment: Assignment, repository: str = "") -> list[dict]:
    """Cells of the notebook that is handed out."""
    return opening(assignment, repository) + body(assignment, solved=False)


def solution(assignment: Assignment, repository: str = "") -> list[dict]:
    """Cells of the notebook for instructors."""
    return opening(assignment, repository) + body(assignment, solved=True)
