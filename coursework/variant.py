"""Each student's own numbers, drawn from the assignment's key and the student's id."""

from __future__ import annotations

import copy
import hashlib

import numpy as np

from coursework.reading import SourceError

#: the same lines, as the student's notebook carries them; `tests` hold the two together
NOTEBOOK = """import hashlib as _hashlib

import numpy as _numpy

_digest = _hashlib.sha256(f"{key}\\n{{STUDENT.strip().casefold()}}".encode()).digest()
_bits = _numpy.random.PCG64(int.from_bytes(_digest[:16], "big"))
given = variant(_numpy.random.Generator(_bits))"""


def rng(key: str, student: str) -> np.random.Generator:
    """The generator of one student's numbers: the same on every machine.

    >>> int(rng("ps1", "ada").integers(1000)) == int(rng("ps1", " Ada ").integers(1000))
    True
    """
    digest = hashlib.sha256(f"{key}\n{student.strip().casefold()}".encode()).digest()
    bits = np.random.PCG64(int.from_bytes(digest[:16], "big"))
    return np.random.Generator(bits)


def plain(value, where: str = "variant(rng)"):
    """Refuse what is not made of numbers, strings, lists and dicts of Python's own types."""
    if type(value) in (list, tuple):
        for part in value:
            plain(part, where)
    elif type(value) is dict:
        for name, part in value.items():
            plain(part, f"{where}[{name!r}]")
    elif type(value) not in (int, float, str, bool, type(None)):
        raise ValueError(
            f"{where} holds {value!r} of type {type(value).__name__}: make it a plain number, "
            "string or list, for example int(rng.integers(5, 10))"
        )
    return value


class Variants:
    """The `variant` of an assignment, run after its setup in the grader's own process."""

    def __init__(self, assignment, namespace: dict):
        self.assignment, self.namespace = assignment, dict(namespace)
        code = compile(assignment.variant or "def variant(rng): return {}", "variant", "exec")
        exec(code, self.namespace)

    def given(self, student: str) -> dict:
        """The numbers of one student. Raises `SourceError` where the function is at fault."""
        key = self.assignment.key
        try:
            made = self.namespace["variant"](rng(key, student))
            if type(made) is not dict:
                raise ValueError(f"variant(rng) must return a dict, got {made!r}")
            return copy.deepcopy(plain(made))
        except Exception as error:
            name = self.assignment.path.name
            raise SourceError(f"{name}, variant for the student {student!r}: {error}") from error
