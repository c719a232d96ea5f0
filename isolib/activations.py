"""Activation functions: φ, its slope φ', and the points where φ is not smooth.

One definition serves NumPy and PyTorch. This module never imports torch itself: a tensor can only
reach it when torch is already loaded, and then its own functions are used.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps

import numpy as np
import scipy.special

from isolib._check import HUGE, finite, function, in_range, one_of

__all__ = ["Activation", "get", "NAMES"]


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
            (relative error about 1e-11 for smooth φ).
        kinks: points where φ or φ' is not smooth. Integrals are split there, and the five-point
            difference does not reach across. An undeclared kink smears the slope over ±0.0014.

    At a kink itself the slope of a built-in function is the one torch's autograd uses; the
    five-point difference takes the slope from the left.

    Example:
        >>> import numpy as np
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


def _linear():
    return Activation("linear", lambda x: x, lambda x: _m(x).ones_like(x))


def _relu():
    def phi(x):  # not where(x > 0, x, 0): that would hide a nan
        return x.relu() if _torch_of(x) else np.maximum(x, 0)

    def slope(x):
        return _m(x).where(x > 0, _m(x).ones_like(x), 0)

    return Activation("relu", phi, slope, (0,))


def _leaky_relu(alpha=0.05):
    alpha = in_range("alpha", alpha, -10, 10)
    return Activation(
        "leaky_relu",
        lambda x: _m(x).where(x > 0, x, alpha * x),
        lambda x: _m(x).where(x > 0, _m(x).ones_like(x), alpha),
        (0,),
    )


def _hard_tanh():
    return Activation(
        "hard_tanh",
        lambda x: _m(x).clip(x, -1, 1),
        lambda x: _m(x).where(abs(x) <= 1, _m(x).ones_like(x), 0),
        (-1, 1),
    )


def _tanh():
    def slope(x):  # 1/cosh², but without cancellation or overflow far from 0
        return 4 * _special(x).expit(2 * x) * _special(x).expit(-2 * x)

    return Activation("tanh", lambda x: _m(x).tanh(x), slope)


def _erf():
    return Activation(
        "erf",
        lambda x: _special(x).erf(x),
        lambda x: 2 / math.sqrt(math.pi) * _m(x).exp(-(x**2)),
    )


def _sigmoid():
    def slope(x):
        return _special(x).expit(x) * _special(x).expit(-x)

    return Activation("sigmoid", lambda x: _special(x).expit(x), slope)


def _exponential_unit(name, scale, alpha):
    """scale·x above 0 and scale·α(eˣ − 1) below: ELU and SELU."""

    def phi(x):
        m = _m(x)
        return scale * m.where(x > 0, x, alpha * m.expm1(m.clip(x, None, 0)))

    def slope(x):
        m = _m(x)
        return scale * m.where(x > 0, m.ones_like(x), alpha * m.exp(m.clip(x, None, 0)))

    return Activation(name, phi, slope, (0,))


def _elu(alpha=1.0):
    return _exponential_unit("elu", 1.0, in_range("alpha", alpha, 0, 10, open_lo=True))


def _selu():
    # Klambauer et al. 2017: mean 0, variance 1 is a fixed point of the unit-variance network
    return _exponential_unit("selu", 1.0507009873554805, 1.6732632423543772)


def _gelu():
    def slope(x):
        bell = _m(x).exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        return _special(x).ndtr(x) + x * bell

    return Activation("gelu", lambda x: x * _special(x).ndtr(x), slope)


def _silu():
    def slope(x):
        s = _special(x).expit(x)
        return s * (1 + x * (1 - s))

    return Activation("silu", lambda x: x * _special(x).expit(x), slope)


def _sin():
    return Activation("sin", lambda x: _m(x).sin(x), lambda x: _m(x).cos(x))


def _softplus():
    def phi(x):
        torch = _torch_of(x)
        return torch.logaddexp(x, 0 * x) if torch else -scipy.special.log_expit(-x)

    return Activation("softplus", phi, lambda x: _special(x).expit(x))


_BUILDERS = {
    "linear": _linear, "relu": _relu, "leaky_relu": _leaky_relu, "hard_tanh": _hard_tanh,
    "tanh": _tanh, "erf": _erf, "sigmoid": _sigmoid, "selu": _selu, "elu": _elu, "gelu": _gelu,
    "silu": _silu, "sin": _sin, "softplus": _softplus,
}  # fmt: skip

NAMES = tuple(_BUILDERS)


def get(activation: str | Activation, **params: float) -> Activation:
    """The activation of that name; an `Activation` is returned as it is.

    Names: linear x, relu max(x, 0), leaky_relu (x above 0, αx below, α = 0.05), hard_tanh
    (x cut off at ±1), tanh, erf (2/√π ∫₀ˣ e^{−t²}dt, slope 2/√π at 0), sigmoid 1/(1+e^{−x}), selu,
    elu (α = 1), gelu xΦ(x), silu x/(1+e^{−x}), sin, softplus ln(1+eˣ).

    Args:
        activation: a name from `NAMES`, or an `Activation`.
        **params: `alpha` for leaky_relu (in [−10, 10]) and elu (in (0, 10]).

    Raises:
        ValueError: unknown name (with the list and a near match) or parameter.

    Equal requests return the same object, so activations compare and hash by what they are.

    Example:
        >>> round(get("tanh")(0.5), 6)
        0.462117
        >>> get("leaky_relu", alpha=0.2).slope(-3.0)
        0.2
        >>> get("tanh") is get(get("tanh"))
        True
    """
    if isinstance(activation, Activation):
        if params:
            raise ValueError(f"parameters {sorted(params)} need a name, got {activation!r}")
        return activation
    return _build(
        one_of("activation", activation, NAMES),
        tuple(sorted((k, in_range(k, v, -HUGE, HUGE)) for k, v in params.items())),
    )


@lru_cache(maxsize=256)
def _build(name, params):
    build = _BUILDERS[name]
    allowed = build.__code__.co_varnames[: build.__code__.co_argcount]
    for key, _ in params:
        if key not in allowed:
            takes = f"takes only {', '.join(allowed)}" if allowed else "takes no parameters"
            raise ValueError(f"activation {name!r} {takes}, got {key!r}")
    return build(**dict(params))
