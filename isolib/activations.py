"""Activation functions by name, for NumPy and PyTorch alike, and those of one's own."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.special

from isolib._activation import Activation, _m, _special, _torch_of
from isolib._check import HUGE, in_range, one_of

__all__ = ["Activation", "get", "NAMES"]


def _where(inside, outside, x, yes, no):
    """yes inside, no outside, and nan where x is nan: a slope of 0 would hide it."""
    m = _m(x)
    return m.where(inside, yes * m.ones_like(x), m.where(outside, no * m.ones_like(x), x))


def _linear():
    return Activation("linear", lambda x: x, lambda x: _m(x).ones_like(x))


def _relu():
    def phi(x):  # not where(x > 0, x, 0): that would hide a nan
        return x.relu() if _torch_of(x) else np.maximum(x, 0)

    def slope(x):
        return _where(x > 0, x <= 0, x, 1, 0)

    return Activation("relu", phi, slope, (0,))


def _leaky_relu(alpha=0.05):
    alpha = in_range("alpha", alpha, -10, 10)
    return Activation(
        "leaky_relu",
        lambda x: _m(x).where(x > 0, x, alpha * x),
        lambda x: _where(x > 0, x <= 0, x, 1, alpha),
        (0,),
    )


def _hard_tanh():
    def phi(x):  # not clip: its derivative at the kinks depends on torch's version
        one = _m(x).ones_like(x)
        return _m(x).where(x > 1, one, _m(x).where(x < -1, -one, x))

    return Activation(
        "hard_tanh",
        phi,
        lambda x: _where(abs(x) <= 1, abs(x) > 1, x, 1, 0),
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
        return scale * m.where(x > 0, x, alpha * m.expm1(m.where(x > 0, m.zeros_like(x), x)))

    def slope(x):
        m = _m(x)
        low = m.where(x > 0, m.zeros_like(x), x)
        return scale * m.where(x > 0, m.ones_like(x), alpha * m.exp(low))

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

    The same words return the same object, which compares and hashes as itself.

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
