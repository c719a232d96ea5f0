"""The page checks: `check("random-matrices/2", answer)` marks an answer and names the mistake.

A chapter registers its checks in `isolib/pages/<chapter>.py` with the decorator `exercise`. A
check gets the answer and returns None if it is right, else a hint; an exception inside a check
becomes a hint too, so that no answer can crash a page.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isolib._check import finite, one_of

_CHECKS: dict[str, Callable] = {}


@dataclass(frozen=True)
class Result:
    """What a check says: `correct`, a `message` for the reader, and the `mark` before it."""

    correct: bool
    message: str
    mark: str = ""

    def __repr__(self):
        return (self.mark or ("✓" if self.correct else "✗")) + " " + self.message


def exercise(key: str):
    """Register a check under `key`, "chapter/number"."""

    def register(function):
        _CHECKS[key] = function
        return function

    return register


def keys() -> list[str]:
    """Every exercise with a check, sorted.

    >>> "why-isometry/2" in keys()
    True
    """
    from isolib import pages

    for module in pkgutil.iter_modules(pages.__path__):
        importlib.import_module(f"isolib.pages.{module.name}")
    return sorted(_CHECKS)


def check(key: str, answer=None) -> Result:
    """Mark `answer` to exercise `key`. Without an answer, say what form it should have.

    Raises `ValueError` for an unknown key, with a near match. Never raises for an answer.

    >>> check("why-isometry/2", "many")
    ✗ Expected a number, got 'many'.
    """
    if (
        not isinstance(key, str) or key not in _CHECKS
    ):  # the pages that register theirs are read on demand
        key = one_of("key", key, keys())
    function = _CHECKS[key]
    if answer is None:
        return Result(False, f"No answer yet. {(function.__doc__ or '').strip()}", "…")
    try:
        hint = function(answer)
    except Exception as error:  # noqa: BLE001 - a reader's answer may fail in any way at all
        return Result(False, f"The check could not use your answer: {error}")
    return Result(True, "Right.") if hint is None else Result(False, hint)


def number(answer, exact: float, *, rtol: float, wrong: dict[float, str] | None = None):
    """Compare a number with `exact`; `wrong` maps typical wrong values to the hint they earn.

    Returns None if right, else the hint. `rtol` is relative to `exact` (absolute if that is 0).
    """
    if isinstance(answer, (bool, str, bytes)) or np.ndim(answer) != 0:
        return f"Expected a number, got {answer!r}."
    try:
        value = complex(answer)  # float(…) would drop an imaginary part
    except (TypeError, ValueError):
        return f"Expected a number, got {answer!r}."
    if not np.isfinite(value):
        return f"Expected a finite number, got {value}."

    value = value if value.imag else value.real

    def near(target):
        return abs(value - target) <= rtol * (abs(target) or 1.0)

    if near(exact):
        return None
    for target, hint in (wrong or {}).items():
        if near(target):
            return hint
    return f"{value:.6g} is not it, and not one of the usual slips: check each step."


def function_of(answer, points, exact, *, rtol: float, wrong=()):
    """Compare a function with `exact` at `points`; `wrong` is a list of (function, hint).

    Both are called with the array of points; a function that takes only numbers is called point
    by point. Returns None if right, else the hint.
    """
    if not callable(answer):
        return f"Expected a function, got {answer!r}."
    points = finite("points", points)

    def values(f):
        try:
            out = np.asarray(f(points), dtype=complex)
        except (TypeError, ValueError):
            out = np.array([f(float(p)) for p in points], dtype=complex)
        if out.shape != points.shape:
            raise ValueError(f"for {points.size} points it returned an array of shape {out.shape}")
        return out if out.imag.any() else out.real

    got, want = values(answer), exact(points)

    def agree(a, b):
        return np.allclose(a, b, rtol=rtol, atol=rtol * abs(want).max())

    if agree(got, want):
        return None
    for other, hint in wrong:
        if agree(got, other(points)):
            return hint
    worst = int(np.argmax(abs(got - want)))
    return f"At {points[worst]:g} your function gives {got[worst]:.6g}, which is not right."
