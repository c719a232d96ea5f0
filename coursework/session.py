"""One submission at work: its cells run in a worker, its answers asked for from outside.

A worker that dies or hangs is started again without the cell or the call that did it, so that one
bad cell costs its own points and no others.
"""

from __future__ import annotations

import cmath
import tempfile
import time
from dataclasses import dataclass

import numpy as np

from coursework import bubblewrap
from coursework.protocol import ProtocolError
from coursework.sandbox import Gone, Limits, Process

#: more than any right answer; squares and products of what is smaller stay finite, and so a check
#: never compares a NaN of its own making
MOST = 1e75


class AnswerError(Exception):
    """What is wrong with an answer before any check has looked at it; shown to the student."""


@dataclass
class Code:
    """A code cell of a submission: its number in the notebook and its text."""

    number: int
    source: str


class Function:
    """A function of the submission: a call runs in the worker, what it returns is checked."""

    def __init__(self, session: Session, name: str, path: list):
        self._session, self._name, self._path = session, name, path
        self.__name__ = name + "".join(f"[{p!r}]" for p in path)

    def __call__(self, *args, **kwargs):
        return self._session.call(self._name, self._path, args, kwargs, self.__name__)

    def __repr__(self):
        return f"<function {self.__name__} of the submission>"


def usable(value, what: str):
    """Refuse what no right answer holds: NaN, infinity and the like, emptiness, a blank.

    An empty array is refused because every comparison with it holds.
    """
    if value is ...:
        raise AnswerError(f"{what} is still blank")
    if isinstance(value, (list, tuple, dict)):
        if not value and not isinstance(value, dict):
            raise AnswerError(f"{what} is empty")
        for part in value.values() if isinstance(value, dict) else value:
            usable(part, what)
    elif isinstance(value, (int, float, complex)):
        if not (abs(value.real) <= MOST and abs(value.imag) <= MOST):
            large = isinstance(value, int) or cmath.isfinite(value)
            said = f"above {MOST:g}" if large else "not a finite number"
            raise AnswerError(f"{what} is {str(value)[:40]}, {said}")
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        array = np.asarray(value)
        if not array.size:
            raise AnswerError(f"{what} is an empty array")
        bad = ~(abs(array) <= MOST) if array.dtype.kind in "fc" else np.zeros((), bool)
        if bad.any():
            share = f"{int(bad.sum())} of {array.size} entries" if array.ndim else "the value"
            raise AnswerError(f"{what} is not finite: {share} NaN or infinite, or above {MOST:g}")
    return value


class Session:
    """A submission's worker, restarted where it must be. Use it as a context manager.

    `notes` says in words what went wrong while the cells ran; `broken` is set where nothing more
    can be asked.
    """

    def __init__(
        self, setup: str, given: dict, student: str, cells: list[Code],
        *, limits: Limits | None = None, sandboxed: bool | None = None,
    ):  # fmt: skip
        self.limits = limits or Limits()
        self.sandboxed = bubblewrap.available() if sandboxed is None else sandboxed
        self.setup, self.given, self.student, self.cells = setup, given, student, cells
        self.process: Process | None = None
        self.notes: list[str] = []
        self.skipped: set[int] = set()
        self.dead: dict[str, str] = {}
        self.restarts, self.broken = 0, ""
        self.end = time.monotonic() + self.limits.wall
        self.folder = tempfile.TemporaryDirectory(prefix="coursework-", ignore_cleanup_errors=True)

    def __enter__(self):
        try:
            self.ready()
        except AnswerError:
            pass  # said in `broken`
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process = None

    # ---- keeping a worker ---------------------------------------------------------------------
    def ask(self, message: dict, value=None, *, limit: float, function=None) -> dict:
        """A request within the wall clock; `Gone` where the worker does not survive it."""
        left = self.end - time.monotonic()
        if left <= 0:
            self.give_up(f"the time for one submission ({self.limits.wall:g} s) was over")
        try:
            return self.process.request(
                message, value, limit=min(limit, left), grace=min(5, left), function=function
            )
        except Gone:
            self.stop()
            raise

    def give_up(self, reason: str):
        self.stop()
        if not self.broken:
            self.broken = reason
            self.notes.append(reason)
        raise AnswerError(f"not run: {self.broken}")

    def ready(self):
        """A living worker that has run every cell it can."""
        while self.process is None:
            if self.broken:
                raise AnswerError(f"not run: {self.broken}")
            if self.restarts > self.limits.restarts:
                self.give_up(f"it crashed {self.restarts} times")
            self.begin()

    def begin(self):
        self.process = process = Process(self.limits, self.sandboxed, self.folder.name)
        start = {"op": "start", "setup": self.setup, "student": self.student}
        start["limits"] = self.limits.resources()
        try:
            reply = self.ask(start, self.given, limit=120)
        except Gone as gone:
            last = process.tail.decode(errors="replace").strip().split("\n")[-1]
            self.give_up(f"the worker did not start: {gone} {last}".strip())
        if "error" in reply:
            self.give_up(f"the set-up cell of the problem set failed: {reply['error']}")
        for cell in self.cells:
            if cell.number in self.skipped:
                continue
            try:
                reply = self.ask({"op": "cell", "code": cell.source}, limit=self.limits.cell)
            except Gone as gone:
                self.note(cell, str(gone))
                self.restarts += 1
                return
            except ProtocolError as error:  # megabytes of text in one cell
                self.note(cell, str(error))
                continue
            if "error" in reply:
                error = str(reply["error"])[:600]
                if not self.restarts or "time limit" in error:
                    self.note(cell, error, skip="time limit" in error)

    def note(self, cell: Code, reason: str, skip: bool = True):
        if skip:
            self.skipped.add(cell.number)
        text = f"cell {cell.number}: {reason}"
        if text not in self.notes:
            self.notes.append(text)

    # ---- what checks see ----------------------------------------------------------------------
    def run(self, code: str) -> str | None:
        """Run more code in the submission's namespace (the self-test does); its error or None."""
        self.ready()
        try:
            return self.ask({"op": "cell", "code": code}, limit=self.limits.cell).get("error")
        except Gone as gone:
            self.restarts += 1
            return str(gone)

    def _asked(self, name: str, message: dict, value=None, *, limit: float, function=None):
        if name in self.dead:
            raise AnswerError(self.dead[name])
        self.ready()
        try:
            reply = self.ask(message, value, limit=limit, function=function)
        except Gone as gone:
            self.restarts += 1
            self.dead[name] = f"{name} was stopped: {gone}"
            self.notes.append(self.dead[name])
            raise AnswerError(self.dead[name]) from None
        if "error" in reply:
            raise AnswerError(f"{name}: {str(reply['error'])[:600]}")
        return reply["value"]

    def answer(self, name: str):
        """The student's `name`: a value, or a `Function`. Raises `AnswerError`."""

        def function(path):
            return Function(self, name, path)

        message = {"op": "get", "name": name}
        value = self._asked(name, message, limit=self.limits.call, function=function)
        return usable(value, name)

    def call(self, name: str, path: list, args: tuple, kwargs: dict, what: str):
        """Call the student's function; its result, checked. Raises `AnswerError`."""
        message = {"op": "call", "name": name, "path": path}
        try:
            value = self._asked(name, message, [list(args), kwargs], limit=self.limits.call)
        except ProtocolError as error:  # our own arguments
            raise TypeError(f"this check calls {what} with something odd: {error}") from None
        return usable(value, f"what {what} returned")
