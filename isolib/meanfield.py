"""Signal propagation in wide feedforward networks: lengths, correlations and χ.

In the limit of infinite width the entries of h^l = W^l φ(h^{l−1}) + b^l are Gaussian, of variance
q^l, and two inputs give jointly Gaussian entries of correlation c^l. What remains of the network
are three maps of numbers, all of them Gaussian integrals of φ and φ' (Poole et al. 2016;
Schoenholz et al. 2017). Everywhere q is the variance of a pre-activation, σ_w² = N Var W_ij and
σ_b² = Var b_i.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from isolib import activations
from isolib._check import finite, in_range, nonnegative, positive
from isolib.gaussian import gaussian_mean, pair_mean
from isolib.residual import cumulant_sigma_w2, effective_cumulant, residual_lengths

__all__ = [
    "DepthScales", "chi", "correlation_map", "critical_point", "critical_q", "depth_scales",
    "effective_cumulant", "fixed_point", "gaussian_mean", "length_map", "pair_mean",
    "residual_lengths",
    "cumulant_sigma_w2",
]  # fmt: skip

SMALLEST, LARGEST = 1e-14, 1e12  # lengths between which a fixed point is looked for


def _square(f, kinks, q):
    return gaussian_mean(lambda u: f(u) ** 2, q, kinks)


def length_map(activation, sigma_w2: float, sigma_b2: float, q):
    """The next variance of the pre-activations: σ_w² E φ(√q z)² + σ_b², for each q ≥ 0.

    Args:
        activation: a name or an `Activation`.
        sigma_w2, sigma_b2: σ_w² > 0 and σ_b² ≥ 0.
        q: a number or an array, of any shape; the result has the same.

    Source: Poole et al. 2016 (the length map).

    Example:
        >>> round(float(length_map("relu", 2.0, 0.0, 3.0)), 10)
        3.0
    """
    act = activations.get(activation)
    w, b = positive("sigma_w2", sigma_w2), nonnegative("sigma_b2", sigma_b2)

    def one(v):
        if v < 0:
            raise ValueError(f"q must be at least 0, got {v:g}")
        return w * (_square(act.phi, act.kinks, v) if v else act.phi(0.0) ** 2) + b

    q = np.asarray(finite("q", q), dtype=float)
    return np.array([one(v) for v in q.flat]).reshape(q.shape)[()]


def chi(activation, sigma_w2: float, q: float) -> float:
    """χ = σ_w² E φ'(√q z)²: what a layer does to the mean squared singular value; q > 0.

    Also the slope of the correlation map at c = 1. At q = 0 it is not defined for φ with a kink
    at 0, and `ValueError` is raised for every φ.

    Source: Poole et al. 2016; Pennington, Schoenholz and Ganguli 2017.

    Example:
        >>> chi("linear", 0.5, 1.0)
        0.5
    """
    act = activations.get(activation)
    return positive("sigma_w2", sigma_w2) * _square(act.slope, act.kinks, positive("q", q))


def length_slope(act, w, q):
    """The derivative of the length map, σ_w² E[zφφ']/√q; χ + σ_w² E[φφ''] fails at kinks."""
    return w * gaussian_mean(lambda u: u * act.phi(u) * act.slope(u), q, act.kinks) / q


def fixed_point(activation, sigma_w2: float, sigma_b2: float, *, start: float = 1.0) -> float:
    """q*, the length that an input of length `start` is brought to, layer by layer.

    The length map increases for every |φ| that increases with |h|; then the lengths go from
    `start` monotonically to the next fixed point above or below, which is found by bracketing.
    0.0 where lengths shrink to nothing (φ(0) = 0, σ_b = 0 and σ_w too small).

    Raises:
        ValueError: lengths grow without bound; or every q is a fixed point (ReLU at σ_w² = 2,
            linear at 1, both with σ_b = 0).

    Example:
        >>> round(fixed_point("tanh", 2.0, 0.1037877), 4)
        0.8214
        >>> fixed_point("tanh", 0.9, 0.0)
        0.0
    """
    act, low = activations.get(activation), in_range("start", start, SMALLEST, LARGEST)
    positive("sigma_w2", sigma_w2), nonnegative("sigma_b2", sigma_b2)

    def gain(q):  # relative to q: near 0 the map is all but linear
        return length_map(act, sigma_w2, sigma_b2, q) / q - 1

    where = f"of {act.name} at sigma_w2 = {sigma_w2:g}, sigma_b2 = {sigma_b2:g}"
    first = gain(low)
    if abs(first) < 1e-13 and abs(gain(low / 2)) < 1e-13 and abs(gain(2 * low)) < 1e-13:
        raise ValueError(f"every q is a fixed point {where}: choose q yourself")
    if abs(first) < 1e-15:
        return low
    least = min(SMALLEST, float(length_map(act, sigma_w2, sigma_b2, 0.0)) or SMALLEST)
    factor = 1.6 if first > 0 else 1 / 1.6
    while True:
        high = low * factor
        if high > LARGEST:
            raise ValueError(
                f"no fixed point {where}: lengths grow without bound from q = {start:g} "
                f"(at q = {low:.3g} by a factor {1 + gain(low):.6g} a layer)"
            )
        if high < least / 2:
            return 0.0
        if gain(high) * first <= 0:
            return float(brentq(gain, *sorted((low, high)), xtol=1e-300, rtol=1e-13))
        low = high


def critical_point(activation, q: float) -> tuple[float, float]:
    """(σ_w², σ_b²) at which q is the fixed point and χ = 1.

    That lengths near q stay near it is not implied: for GELU with q < 3.56 and SiLU with q < 14.3
    the length map is steeper than 1 there, and lengths leave.

    Raises:
        ValueError: q ≤ 0, or no such point (σ_b² would be negative).

    Example:
        >>> [round(v, 4) for v in critical_point("tanh", 0.8214)]
        [2.0, 0.1038]
        >>> [round(v, 12) for v in critical_point("relu", 3.0)]
        [2.0, 0.0]
    """
    act, q = activations.get(activation), positive("q", q)
    slope2 = chi(act, 1.0, q)
    if not slope2 > 0:
        raise ValueError(f"{act.name} has slope 0 wherever |h| ~ √q, q = {q:g}: no χ is 1")
    w = 1 / slope2
    b = q - w * _square(act.phi, act.kinks, q)
    if b < -1e-11 * q:
        raise ValueError(
            f"{act.name} has no critical point with q = {q:g}: "
            f"chi = 1 needs sigma_w2 = {w:.6g}, and sigma_b2 would be {b:.6g} < 0"
        )
    return w, (b if b > 1e-11 * q else 0.0)


def critical_q(activation, sigma_w2: float) -> float:
    """The smallest q on the critical line at σ_w²: χ(q) = 1, with some σ_b² ≥ 0 to hold q.

    The inverse of `critical_point` where that is one-to-one (tanh, erf, hard tanh, sin at small
    q). Looked for between q = 1e-12 and 1e4.

    Raises:
        ValueError: χ ≠ 1 at every such q, or χ = 1 at every q (ReLU, linear).

    Example:
        >>> round(critical_q("tanh", 2.0), 4)
        0.8214
    """
    act, w = activations.get(activation), positive("sigma_w2", sigma_w2)

    def excess(q):
        return chi(act, w, q) - 1

    low, before, flat = 1e-12, excess(1e-12), 0
    for high in np.geomspace(1e-12, 1e4, 161)[1:]:
        now = excess(high)
        flat = flat + 1 if abs(before) < 1e-13 > abs(now) else 0
        if flat == 2:
            raise ValueError(
                f"chi of {act.name} is 1 for every q around {low:.3g} at sigma_w2 = {w:g}: "
                "choose q yourself"
            )
        if before * now <= 0 and not flat:
            q = float(brentq(excess, low, high, xtol=1e-300, rtol=1e-13))
            if q - w * _square(act.phi, act.kinks, q) >= -1e-9 * q:
                return q
        low, before = high, now
    raise ValueError(
        f"{act.name} has no critical point at sigma_w2 = {w:g}: "
        f"chi goes from {excess(1e-12) + 1:.6g} at q = 1e-12 to {before + 1:.6g} at q = 1e4"
    )


def correlation_map(activation, sigma_w2: float, sigma_b2: float, c, q: float | None = None):
    """The next correlation of two inputs' pre-activations, [σ_w² E φ(u₁)φ(u₂) + σ_b²]/q.

    Args:
        c: a number or an array in [−1, 1]; the result has its shape.
        q: the length both inputs have and keep; the fixed point unless given (it must be given
            where every q is fixed).

    Source: Poole et al. 2016 (the correlation map).

    Example:
        >>> round(float(correlation_map("relu", 2.0, 0.0, 0.0, q=1.0)), 10) == round(1 / np.pi, 10)
        True
    """
    act = activations.get(activation)
    w, b = positive("sigma_w2", sigma_w2), nonnegative("sigma_b2", sigma_b2)
    q = fixed_point(act, w, b) if q is None else positive("q", q)
    if q == 0:
        raise ValueError(f"lengths of {act.name} shrink to 0 here: there is no correlation left")
    c = np.asarray(finite("c", c), dtype=float)
    return np.array([(w * pair_mean(act, q, v) + b) / q for v in c.flat]).reshape(c.shape)[()]


class DepthScales(NamedTuple):
    """Layers after which a difference has shrunk to 1/e; `math.inf` where it does so more slowly.

    q: of a length from q*. c: of a correlation from its stable fixed point. gradient: of the mean
    squared gradient, −1/ln χ; negative in the chaotic phase, where it grows.
    """

    q: float
    c: float
    gradient: float


def depth_scales(activation, sigma_w2: float, sigma_b2: float) -> DepthScales:
    """How many layers a length, a correlation and a gradient survive, at the fixed point q*.

    Source: Schoenholz et al. 2017.

    Example:
        >>> xi = depth_scales("tanh", 2.0, 0.0)
        >>> [round(v, 2) for v in xi]
        [1.69, 21.72, -9.97]
    """
    act, w = activations.get(activation), positive("sigma_w2", sigma_w2)
    q = fixed_point(act, w, sigma_b2)
    if q == 0:
        raise ValueError(
            f"lengths of {act.name} shrink to 0 at sigma_w2 = {w:g}: no scale is left"
        )
    x = chi(act, w, q)
    c = stable_correlation(act, w, sigma_b2, q, x)
    slope = w * pair_mean(act.slope, q, c, act.kinks) if c < 1 else x
    return DepthScales(_scale(length_slope(act, w, q)), _scale(slope), _scale(x, signed=True))


def stable_correlation(act, w, b, q, x):
    """c*: 1 while χ ≤ 1; below it the one other fixed point of the (convex) correlation map."""
    if x <= 1 + 1e-12:
        return 1.0

    def excess(c):
        return float(correlation_map(act, w, b, c, q)) - c

    top = 1 - min(1e-2, (x - 1) / 10)
    while excess(top) >= 0:
        top = 1 - (1 - top) / 10
        if 1 - top < 1e-12:
            return 1.0
    low = excess(0.0)
    return 0.0 if abs(low) < 1e-12 else float(brentq(excess, 0.0 if low > 0 else -1.0, top))


def _scale(slope, signed=False):
    if abs(slope - 1) < 1e-12:
        return math.inf
    if slope <= 0:
        return 0.0 if slope == 0 else -1 / math.log(-slope)
    return -1 / math.log(slope) if signed or slope < 1 else math.inf
