"""Argument checks. Each returns the value it accepts and raises `ValueError` otherwise.

Every message names the argument, the value it had and the range it should have had.
"""

from __future__ import annotations

import difflib
import math
import numbers

import numpy as np

#: moments beyond this many are no doubles for most laws, and their recursion takes long
MOST = 200


def _real(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} must be a real number, got {value!r}")
    try:
        x = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be finite, got an integer beyond 1e308") from None
    if math.isnan(x):
        raise ValueError(f"{name} must be a real number, got nan")
    return x


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


def positive_int(name: str, value, most: int = 10**9) -> int:
    """A whole number from 1 to `most` (a float that is whole is not enough)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number, 1 or larger, got {value!r}")
    if value > most:
        raise ValueError(f"{name} must be a whole number, at most {most}, got {value}")
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


def finite(name: str, array, dtype=float) -> np.ndarray:
    """A real array without NaN or infinity, as float64; with dtype=complex a complex one.

    >>> finite("x", [1, 2])
    array([1., 2.])
    """
    wanted = "real" if dtype is float else "complex"
    try:
        a = np.asarray(array)
        if a.dtype.kind not in "iufcO":
            raise TypeError("text, dates and truth values are no numbers")
        a = a if np.iscomplexobj(a) and dtype is float else a.astype(dtype)
    # text, rows of different lengths, 10**400, a tensor that requires a gradient
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array of {wanted} numbers, got {array!r}") from error
    if np.iscomplexobj(a) and dtype is float:
        raise ValueError(f"{name} must be real, got complex values")
    if not np.isfinite(a).all():
        bad = a[~np.isfinite(a)].ravel()[0]
        raise ValueError(f"{name} must be finite everywhere, got {bad}")
    return a


def number(name: str, value) -> float:
    """One finite real number, of Python or NumPy, or in an array or tensor without axes."""
    x = finite(name, value)
    if x.ndim:
        raise ValueError(f"{name} must be one number, got shape {x.shape}")
    return float(x)


def values(name: str, z, f, law) -> np.ndarray:
    """f(z), a transform of a law, at points that are checked; and its values are."""
    z = finite(name, z, complex)
    with np.errstate(all="ignore"):  # what is not finite is found
        try:
            value = f(z)
        except ValueError as error:
            raise ValueError(f"{name} must be where this is defined: {error}") from error
    if (bad := ~np.isfinite(value) | (abs(z) > 1e100)).any():
        where = f"below 1e100 and off the atoms and poles of {law!r}"
        raise ValueError(f"{name} must be {where}, got {z[bad].ravel()[0]}")
    return value
