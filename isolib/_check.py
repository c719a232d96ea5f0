"""Argument checks. Each returns the value it accepts and raises `ValueError` otherwise.

Every message names the argument, the value it had and the range it should have had.
"""

from __future__ import annotations

import difflib
import math
import numbers

import numpy as np


def _real(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} must be a real number, got {value!r}")
    if math.isnan(value):
        raise ValueError(f"{name} must be a real number, got nan")
    return float(value)


def positive(name: str, value) -> float:
    """A finite real number above 0.

    >>> positive("variance", 2)
    2.0
    """
    x = _real(name, value)
    if not 0 < x < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return x


def nonnegative(name: str, value) -> float:
    """A finite real number, 0 or above."""
    x = _real(name, value)
    if not 0 <= x < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite, got {value!r}")
    return x


def positive_int(name: str, value) -> int:
    """A whole number, 1 or above (a float that is whole is not enough)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number, 1 or larger, got {value!r}")
    return int(value)


def in_range(name: str, value, lo: float, hi: float, open_lo=False, open_hi=False) -> float:
    """A real number between `lo` and `hi`, ends included unless said otherwise."""
    x = _real(name, value)
    below = x <= lo if open_lo else x < lo
    above = x >= hi if open_hi else x > hi
    if below or above:
        interval = f"{'(' if open_lo else '['}{lo:g}, {hi:g}{')' if open_hi else ']'}"
        raise ValueError(f"{name} must lie in {interval}, got {value!r}")
    return x


def one_of(name: str, value, choices):
    """One of `choices`; the message lists them and offers the nearest."""
    choices = list(choices)
    if isinstance(value, str) and value in choices:
        return value
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.{hint}")


def finite(name: str, array) -> np.ndarray:
    """A real array without NaN or infinity, as float64.

    >>> finite("x", [1, 2])
    array([1., 2.])
    """
    try:
        a = np.asarray(array)
        a = a if np.iscomplexobj(a) else a.astype(float)
    except (TypeError, ValueError) as error:  # text, or rows of different lengths
        raise ValueError(f"{name} must be an array of real numbers, got {array!r}") from error
    if np.iscomplexobj(a):
        raise ValueError(f"{name} must be real, got complex values")
    if not np.isfinite(a).all():
        bad = a[~np.isfinite(a)].ravel()[0]
        raise ValueError(f"{name} must be finite everywhere, got {bad}")
    return a
