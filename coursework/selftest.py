"""`python -m coursework check`: does the source keep its word?

For several students: the solution passes every check, each `wrong` is refused with the message it
names, each `right` passes; the public checks pass in the student's own notebook as well.
"""

from __future__ import annotations

import time

from coursework import notebook, sandbox
from coursework.marking import Checks
from coursework.reading import SourceError
from coursework.session import Code, Session
from coursework.source import Assignment
from coursework.variant import Variants

#: students whose variants are made (but not solved)
MANY = 300


def solved_cells(assignment: Assignment) -> list[Code]:
    """The code cells of a solved notebook: what is given, and every solution."""
    answers = {q.cell.number: q.solution for q in assignment.questions.values()}
    kept = {"", "hide-input", "answer"}
    return [
        Code(cell.number, answers.get(cell.number, cell.source))
        for cell in assignment.cells
        if cell.kind == "code" and set(cell.tags or [""]) <= kept
    ]


class SelfTest:
    """Runs the self-test of one assignment; `faults` is what it has found."""

    def __init__(self, assignment: Assignment, say=print):
        self.assignment, self.say = assignment, say
        self.checks = Checks(assignment)
        self.variants = Variants(assignment, self.checks.namespace)
        self.faults: list[str] = []
        self.slow: dict[str, float] = {}
        self.counts = {"solution": 0, "wrong": 0, "right": 0}

    def fault(self, cell, student: str, message: str):
        where = f"{self.assignment.path.name}, line {cell.line} ({cell.tags[0]} {cell.key})"
        text = f"{where}, student {student!r}: {message}"
        if text not in self.faults:
            self.faults.append(text)

    def hints(self, session, question, given) -> tuple[list, list]:
        """What public and hidden checks say: [(cell, hint)] each, hints None where right."""
        out = []
        for cells in (question.public, question.hidden):
            said = []
            for cell in cells:
                start = time.perf_counter()
                said.append(
                    (cell, self.checks.hint(cell, session, question.name, given, 60)),
                )
                name = f"line {cell.line} ({cell.tags[0]} {cell.key})"
                spent = time.perf_counter() - start
                self.slow[name] = max(self.slow.get(name, 0), spent)
            out.append(said)
        return out[0], out[1]

    def passes(self, session, question, given, student: str, cell):
        for _, said in enumerate(self.hints(session, question, given)):
            for check, hint in said:
                if hint is not None:
                    kind = f"the {check.tags[0]} check of line {check.line}"
                    self.fault(cell, student, f"{kind} refuses it: {hint}")

    def refused(self, session, question, given, student: str, cell):
        public, hidden = self.hints(session, question, given)
        hints = [hint for _, hint in (*public, *hidden) if hint is not None]
        says = str(cell.meta.get("says", ""))
        if not any(hint for _, hint in hidden):
            self.fault(cell, student, "the hidden checks give this wrong answer full marks")
        elif says and not any(says.casefold() in hint.casefold() for hint in hints):
            said = "; ".join(dict.fromkeys(hints))
            self.fault(cell, student, f"no hint says {says!r}; the hints are: {said}")

    def in_the_notebook(self, session, student: str):
        """The public checks once more, as the student's notebook runs them."""
        a = self.assignment
        error = session.run(f"STUDENT = {student!r}\n" + notebook.setup_code(a))
        if error:
            self.faults.append(f"{a.path.name}: the notebook's set-up cell fails: {error}")
            return
        for q in a.questions.values():
            call = notebook.check_call(a, q)
            error = q.public and session.run(f"_said = {call}\nassert _said.correct, _said")
            if error:
                self.fault(q.cell, student, f"in the notebook, {call} says {error}")

    def student(self, student: str):
        """Everything for one student."""
        assignment = self.assignment
        given = self.variants.given(student)
        cells = solved_cells(assignment)
        with Session(assignment.setup, given, student, cells) as session:
            for note in session.notes:
                self.faults.append(f"{assignment.path.name}, solved, student {student!r}: {note}")
            if session.broken:
                return
            self.in_the_notebook(session, student)
            for question in assignment.questions.values():
                self.passes(session, question, given, student, question.cell)
                self.counts["solution"] += 1
                for kind, cells in (("right", question.right), ("wrong", question.wrong)):
                    for cell in cells:
                        # what another answer left behind must not stand in for a missing name
                        session.run(f"globals().pop({question.name!r}, None)")
                        error = session.run(cell.source)
                        if error:
                            self.fault(cell, student, f"it does not run: {error}")
                            continue
                        judge = self.passes if kind == "right" else self.refused
                        judge(session, question, given, student, cell)
                        self.counts[kind] += 1
                session.run(question.solution)

    def blank(self):
        """The notebook as handed out: "Run all" reaches its end, whatever is still blank."""
        codes = [
            Code(number, cell["source"])
            for number, cell in enumerate(notebook.student(self.assignment), 1)
            if cell["cell_type"] == "code" and number > 1
        ]
        given = self.variants.given(notebook.BLANK_ID)
        with Session(self.assignment.setup, given, notebook.BLANK_ID, codes) as session:
            for note in session.notes:
                self.faults.append(f"{self.assignment.path.name}, handed out and run: {note}")

    def run(self, students: int = 3) -> bool:
        """True if nothing was found."""
        for i in range(MANY):
            self.variants.given(f"variant-{i}")
        self.blank()
        for i in range(students):
            start = time.perf_counter()
            self.student(f"student-{i}")
            self.say(f"  student-{i}: {time.perf_counter() - start:.1f} s")
        return not self.faults

    def report(self) -> str:
        """What was tried and what was found, in lines."""
        a, c = self.assignment, self.counts
        lines = [
            f"{a.key}: {len(a.questions)} questions for {a.auto_points:g} points, "
            f"{len(a.written)} written parts for {a.points - a.auto_points:g}, "
            f"{a.points:g} in all",
            f"tried: {c['solution']} solutions, {c['wrong']} wrong and {c['right']} other right "
            f"answers; {MANY} variants made",
        ]
        slow = [f"{name}: {t:.1f} s" for name, t in self.slow.items() if t > 2]
        if slow:
            lines.append("slow checks (2 s is the aim): " + "; ".join(slow))
        for q in a.questions.values():
            if not q.public:
                lines.append(f"remark: {q.key} has no public check")
            if len(q.wrong) < 2 or not q.right:
                lines.append(f"remark: {q.key} has {len(q.wrong)} wrong and {len(q.right)} right")
        if not sandbox.available():
            lines.append("remark: no sandbox on this machine (bubblewrap)")
        lines += [f"FAULT {text}" for text in self.faults]
        lines.append("all is well" if not self.faults else f"{len(self.faults)} faults")
        return "\n".join(lines)


def require(assignment: Assignment, students: int = 2):
    """Raise `SourceError` with every fault of the self-test."""
    test = SelfTest(assignment, say=lambda *_: None)
    if not test.run(students):
        raise SourceError(test.faults)
