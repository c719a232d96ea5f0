"""Hidden and public checks, run in the grader's process on answers that live in the worker's."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from coursework.protocol import clean
from coursework.reading import Cell, SourceError
from coursework.session import AnswerError
from coursework.source import Assignment, Question


@dataclass
class Item:
    """One item of a mark: all its points, or none and a hint."""

    key: str
    what: str
    points: float
    earned: float
    hint: str

    def plain(self) -> dict:
        return asdict(self)


class CheckTime(BaseException):
    """A check has used up its time."""


@contextmanager
def time_limit(seconds: float):
    """Raise `CheckTime` after some seconds (in the main thread, where there are alarms)."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "alarm"):
        yield
        return

    def stop(*_):
        raise CheckTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Checks:
    """The checks of one assignment, compiled after its setup cell from the source."""

    def __init__(self, assignment: Assignment):
        self.assignment = assignment
        self.namespace: dict = {"__name__": "coursework_checks"}
        name = assignment.path.name
        try:
            exec(compile(assignment.setup, f"{name}, setup", "exec"), self.namespace)
        except Exception as error:
            raise SourceError(f"{name}, setup cell: {type(error).__name__}: {error}") from error
        self.made = {}
        for question in assignment.questions.values():
            for cell in (*question.public, *question.hidden):
                self.made[cell.number] = self.compiled(cell)

    def compiled(self, cell: Cell):
        where = f"{self.assignment.path.name}, line {cell.line} ({cell.tags[0]} {cell.key})"
        own = dict(self.namespace)
        try:
            exec(compile("\n" * (cell.line - 1) + cell.source, where, "exec"), own)
        except Exception as error:
            raise SourceError(f"{where}: {type(error).__name__}: {error}") from error
        return own["check"]

    def hint(self, cell: Cell, session, name: str, given: dict, limit: float) -> str | None:
        """What one check says of an answer: None if right, else a hint. Never raises for it."""
        said = self._hint(cell, session, name, given, limit)
        return None if said is None else clean(said)

    def _hint(self, cell: Cell, session, name: str, given: dict, limit: float) -> str | None:
        try:
            with time_limit(limit):
                said = self.made[cell.number](session.answer(name), dict(given))
        except AnswerError as error:
            text = str(error)
            if "NotImplementedError" in text or text.endswith("still blank"):
                return "no answer yet"
            if text.endswith("is not defined"):
                return f"{name} is not defined in the notebook"
            return text
        except CheckTime:
            session.stop()  # a reply may be on its way that nobody waits for
            return f"the check took more than {limit:g} s with your answer"
        except Exception as error:
            return f"the check could not use your answer: {type(error).__name__}: {error}"[:600]
        if said is None:
            return None
        return said if isinstance(said, str) and said else f"this check returned {said!r}"[:300]

    def marks(self, question: Question, session, given: dict) -> list[Item]:
        """One item for each hidden check of a question."""
        out = []
        for cell in question.hidden:
            hint = self.hint(cell, session, question.name, given, session.limits.check)
            points = cell.meta["points"]
            what = str(cell.meta["what"])
            out.append(Item(question.key, what, points, 0 if hint else points, hint or ""))
        return out
