"""What an activation function is: φ, its slope φ', and the points where φ is not smooth.

One definition serves NumPy and PyTorch. This module never imports torch itself: a tensor can only
reach it when torch is already loaded, and then its own functions are used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import numpy as np
import scipy.special

from isolib._check import finite, function


def _torch_of(x):
    """The torch module if x is one of its tensors, else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(x, torch.Tensor) else None


def _m(x):
    """The module whose tanh, where, exp ... act on x."""
    return _torch_of(x) or np


def _special(x):
    """The module whose erf, expit, ndtr act on x."""
    torch = _torch_of(x)
    return torch.special if torch else scipy.special


def _lift(f):
    """Let f, written for arrays, take a float, an array or a tensor and return the same kind."""
    if getattr(f, "lifted", False):
        return f

    @wraps(f)
    def g(x):
        torch = _torch_of(x)
        if torch:
            return f(x if x.is_floating_point() else x.to(torch.get_default_dtype()))
        a = np.asarray(x)
        if a.dtype.kind not in "biuf":
            raise ValueError(f"x must be real numbers, got {x!r}")
        if a.dtype.kind != "f":
            a = a.astype(np.float64)
        try:
            y = f(a)
        except (TypeError, AttributeError):  # f was written for tensors only
            torch = sys.modules.get("torch")
            if torch is None:
                raise
            y = f(torch.as_tensor(a)).detach().numpy()
        return np.asarray(y) if np.ndim(x) or isinstance(x, np.ndarray) else float(y)

    g.lifted = True
    return g


def _numerical_slope(phi, kinks):
    """φ' of a function given without one: see `Activation`."""

    def slope(x):
        torch = _torch_of(x)
        if torch:
            return torch.func.vjp(phi, x)[1](torch.ones_like(x))[0]
        x = x.astype(np.float64)
        h = 7e-4 * np.maximum(1.0, np.abs(x))  # ε^(1/5): truncation and rounding balance
        d = (phi(x - 2 * h) - phi(x + 2 * h) + 8 * (phi(x + h) - phi(x - h))) / (12 * h)
        for k in kinks:  # near a kink, a stencil of the same order that looks away from it
            s = np.where(x > k, h, -h)
            f = [phi(x + j * s) for j in range(5)]
            one_sided = (-25 * f[0] + 48 * f[1] - 36 * f[2] + 16 * f[3] - 3 * f[4]) / (12 * s)
            d = np.where(np.abs(x - k) <= 2 * h, one_sided, d)
        return d

    return slope


@dataclass(frozen=True)
class Activation:
    """A scalar function φ with its slope φ'.

    `act(x)`, `act.phi(x)` and `act.slope(x)` take a float, an ndarray or a torch tensor of any
    shape and return the same kind and shape.

    Args:
        name: what plots and messages call it.
        phi: φ, elementwise. For use in networks it must be made of torch operations; for the
            theory it may be made of NumPy or torch ones.
        slope: φ', elementwise. If None it is computed: for tensors exactly, by automatic
            differentiation; for floats and arrays by a five-point difference
            (error about 1e-11 for smooth φ and |x| ≤ 1; the step is 7e-4·max(1, |x|), so give the
            slope of a φ that oscillates).
        kinks: points where φ or φ' is not smooth. Integrals are split there, and the five-point
            difference does not reach across. An undeclared kink smears the slope over ±0.0014.

    At a kink itself the slope of a built-in function is the one torch's autograd gives its
    phi; the five-point difference takes the slope from the left.

    Example:
        >>> from isolib.activations import get
        >>> cube = Activation("cube", phi=lambda x: x**3)
        >>> cube(2.0), round(cube.slope(2.0), 8)
        (8.0, 12.0)
        >>> get("relu").slope(np.array([-1.0, 2.0]))
        array([0., 1.])
    """

    name: str
    phi: Callable
    slope: Callable | None = None
    kinks: tuple[float, ...] = ()

    def __post_init__(self):
        kinks = tuple(np.sort(finite("kinks", self.kinks), axis=None).tolist())
        phi = _lift(function("phi", self.phi))
        set_ = object.__setattr__  # the class is frozen once built
        set_(self, "kinks", kinks)
        set_(self, "phi", phi)
        slope = _numerical_slope(phi, kinks) if self.slope is None else self.slope
        set_(self, "slope", _lift(function("slope", slope)))

    def __call__(self, x):
        return self.phi(x)

    def __repr__(self):
        return f"Activation({self.name!r})"
