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
HUGE = 1e150


def _real(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or value != value:
        raise ValueError(f"{name} must be a real number, got {value!r}")
    try:
        return float(value)
    except OverflowError:  # an integer too large for a double
        return math.inf if value > 0 else -math.inf


def positive(name: str, value) -> float:
    """A finite real number above 0, and within what squares and products of doubles can hold.

    >>> positive("variance", 2)
    2.0
    """
    x = _real(name, value)
    if not 1 / HUGE <= x <= HUGE:
        raise ValueError(f"{name} must be positive and finite, got {value!r} (1e-150 to 1e150)")
    return x


def nonnegative(name: str, value) -> float:
    """A finite real number, 0 or above, and within what its square can hold."""
    x = _real(name, value)
    if not 0 <= x <= HUGE:
        raise ValueError(f"{name} must be at least 0 and finite, got {value!r} (≤ 1e150)")
    return x


def positive_int(name: str, value, most: int = 10**9) -> int:
    """A whole number from 1 to `most` (a float that is whole is not enough)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 0 < value <= most:
        raise ValueError(f"{name} must be a whole number, 1 or larger, got {value!r} (≤ {most})")
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
        raise ValueError(f"{name} must be finite everywhere, got {a[~np.isfinite(a)].flat[0]}")
    return a


def function(name: str, f):
    """Something that can be called with an array."""
    if not callable(f) or isinstance(f, type):
        raise ValueError(f"{name} must be a function of one array, got {f!r}")
    return f


def module(model):
    """A torch module."""
    import torch

    if not isinstance(model, torch.nn.Module):
        raise ValueError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    return model


def tensor(name: str, x):
    """A tensor of numbers, from one, from an array or from lists."""
    import torch

    try:
        return torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{name} must be a tensor or an array of numbers, got {x!r}") from error


def values(name: str, z, f, law) -> np.ndarray:
    """f(z), a transform of a law, at points that are checked; and its values are."""
    z = finite(name, z, complex)
    with np.errstate(all="ignore"):  # what is not finite is found
        try:
            value = f(z)
        except ValueError as error:
            raise ValueError(f"{name} must be where this is defined: {error}") from error
    if (bad := ~np.isfinite(value)).any():
        raise ValueError(f"{name} must be off atoms and poles of {law!r}, got {z[bad].ravel()[0]}")
    return value
