"""Residual networks x^l = φ(h^l) + a x^{l−1}, h^l = W^l x^{l−1} + b^l: lengths, c and the laws.

Weights have Var W_ij = σ_w²/(N L) or, orthogonal, WᵀW = (σ_w²/L) 1: each of the L branches then
adds 1/L to the logarithm of J Jᵀ, and what all of them add is c, the effective cumulant.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from isolib import activations
from isolib._check import HUGE, in_range, nonnegative, one_of, positive, positive_int
from isolib.gaussian import gaussian_mean

if TYPE_CHECKING:
    from isolib.laws import Law

__all__ = [
    "cumulant_sigma_w2", "effective_cumulant", "residual", "residual_layer", "residual_lengths",
    "residual_outlier",
]  # fmt: skip

LARGE = 25.0  # λ_max of the limit law is above 1e22 here: no network, but forgotten 1/L


def residual_lengths(
    activation, depth: int, sigma_w2: float, sigma_b2: float = 0.0, q1: float = 1.0,
    a: float = 1.0, *, mean: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """q^1, …, q^L, the variances of h^1, …, h^L in the limit of infinite width; shape (depth,).

    q^{l+1} = a² q^l − (a² − 1) σ_b² + (σ_w²/L) (E φ(h)² + 2 a m^{l−1} E φ(h)), h ~ N(0, q^l),
    where m^l = a m^{l−1} + E φ(h^l) is the mean over neurons of x^l.

    Args:
        activation: a name or an `Activation`.
        depth: L, the number of layers.
        sigma_w2, sigma_b2: σ_w² > 0 (entries of W have variance σ_w²/(N L)) and σ_b² ≥ 0.
        q1: q^1 = (σ_w²/L) ⟨x⁰²⟩ + σ_b², at least σ_b² and positive.
        a: the factor of the skip connection, not 0 (without a skip: `length_map`).
        mean: m⁰ = ⟨x⁰⟩, the mean over the entries of the input; m⁰² ≤ ⟨x⁰²⟩.

    Raises:
        ValueError: an argument out of range, or lengths beyond 1e150.

    Source: Tarnowski, Warchoł, Jastrzębski, Tabor and Nowak 2019 (its recursion, with m⁰ = 0).

    Example:
        >>> residual_lengths("linear", 4, 1.0).round(6).tolist()  # each layer adds q/L
        [1.0, 1.25, 1.5625, 1.953125]
    """
    act, depth, w, b, q, a = _arguments(activation, depth, sigma_w2, sigma_b2, q1, a)
    m = in_range("mean", mean, -HUGE, HUGE)
    if m**2 > (q - b) / w * (1 + 1e-9):
        raise ValueError(f"mean must satisfy mean² ≤ ⟨x⁰²⟩ = {(q - b) / w:.6g}, got {mean!r}")
    lengths = []
    for _ in range(depth):
        if not q < HUGE:
            raise ValueError(
                f"lengths overflow at layer {len(lengths) + 1}: a = {a:g} is too large"
            )
        lengths.append(q)
        first = gaussian_mean(act.phi, q, act.kinks)
        second = gaussian_mean(lambda h: act.phi(h) ** 2, q, act.kinks)
        q = a**2 * q - (a**2 - 1) * b + w * (second + 2 * a * m * first)
        m = a * m + first
    return np.array(lengths)


def effective_cumulant(
    activation, depth: int, sigma_w2: float, sigma_b2: float = 0.0, q1: float = 1.0,
    a: float = 1.0, *, mean: float = 0.0,
) -> float:  # fmt: skip
    """c = (1/L) Σ_l σ_w² E φ'(√q^l z)²: the one number of the network that its law depends on.

    Arguments as for `residual_lengths`. A warning is given where c/a² is above 25, for then the
    law has λ_max > 1e22: as a rule σ_w² was meant for weights without the factor 1/L, and is L
    times too large.

    Source: Tarnowski et al. 2019.

    Example:
        >>> round(effective_cumulant("relu", 100, 0.5), 12)
        0.25
    """
    lengths = residual_lengths(activation, depth, sigma_w2, sigma_b2, q1, a, mean=mean)
    c = _cumulant(activation, sigma_w2, lengths)
    if c > LARGE * a**2:
        warnings.warn(
            f"c = {c:.4g} at sigma_w2 = {sigma_w2:g}, so the mean of J Jᵀ is about "
            f"e^{c / a**2:.3g}: entries of W are meant to have variance sigma_w2/(N L) "
            f"with L = {depth}",
            stacklevel=2,
        )
    return c


def _cumulant(activation, sigma_w2, lengths):
    """σ_w² times the mean over layers of E φ'²; no warning, for trial values nobody gave."""
    act = activations.get(activation)
    slopes = [gaussian_mean(lambda h: act.slope(h) ** 2, q, act.kinks) for q in lengths]
    return float(sigma_w2 * np.mean(slopes))


def cumulant_sigma_w2(
    activation, depth: int, c: float, *, mean_square: float = 1.0, q1: float | None = None
) -> float:
    """The smallest σ_w² at which a residual network (a = 1, σ_b = 0) has the effective cumulant c.

    Args:
        activation, depth: as for `residual_lengths`.
        c: the wanted cumulant, positive.
        mean_square: ⟨x⁰²⟩ of the input, whose mean over neurons is taken to be 0, as it is behind
            a random input layer; q^1 = σ_w² ⟨x⁰²⟩/L.
        q1: q^1, where that is to be held instead of ⟨x⁰²⟩.

    Raises:
        ValueError: an argument out of range, or a c that no σ_w² below 2¹⁵ c reaches.

    Example:
        >>> round(cumulant_sigma_w2("relu", 50, 0.5), 6)
        1.0
    """
    c, square = positive("c", c), positive("mean_square", mean_square)
    depth, q1 = positive_int("depth", depth, 10**5), None if q1 is None else positive("q1", q1)

    def above(w):
        lengths = residual_lengths(activation, depth, w, q1=q1 or w * square / depth)
        return _cumulant(activation, w, lengths) - c

    top = c / 16
    while above(top / 2) > 0:  # a slope beyond 4
        top /= 2
    for _ in range(20):
        if above(top) > 0:
            return float(brentq(above, top / 2, top, rtol=1e-10))
        top *= 2
    raise ValueError(f"c = {c:g} is not reached by {activation!r} with sigma_w2 up to {top / 2:g}")


def _arguments(activation, depth, sigma_w2, sigma_b2, q1, a):
    depth, w = positive_int("depth", depth, 10**5), positive("sigma_w2", sigma_w2)
    b, q = nonnegative("sigma_b2", sigma_b2), positive("q1", q1)
    if q < b:
        raise ValueError(f"q1 must be at least sigma_b2 = {b:g}, got {q1!r}")
    return activations.get(activation), depth, w / depth, b, q, _skip(a)


def _skip(a):
    a = in_range("a", a, -1e75, 1e75)
    if abs(a) < 1e-75:
        raise ValueError("a must not be 0: without a skip connection use spectra.feedforward")
    return a


def residual(c: float, a: float = 1.0, depth: int | None = None) -> Law:
    """The law of J Jᵀ of a residual network as N and then L go to infinity, for any φ.

    S(z) = a^{−2L} e^{−(c/a²)(1+2z)}: free multiplicative Brownian motion, scaled by a^{2L}.

    Args:
        c: the effective cumulant, at least 0.
        a: the factor of the skip connection, not 0.
        depth: L, the number of layers; needed when |a| ≠ 1, where the law has no limit as L grows.

    Source: Tarnowski et al. 2019 (the universal law).

    Example:
        >>> residual(0.5).singular_values().edges().round(3).tolist()
        [0.353, 2.83]
    """
    from isolib.laws import MultiplicativeBrownian, PointMass

    c, a = nonnegative("c", c), _skip(a)
    if depth is None and abs(a) != 1:
        raise ValueError(f"a = {a:g} needs a depth: the law scales with a^(2 depth)")
    scale = 1.0 if depth is None else _power(a, positive_int("depth", depth))
    return MultiplicativeBrownian(c / a**2).scaled(scale) if c > 0 else PointMass(scale)


def _power(a, depth):
    exponent = 2 * depth * math.log(abs(a))
    if abs(exponent) > 690:
        raise ValueError(f"a^(2 depth) = e^{exponent:.4g} is out of range: a = {a:g}, {depth = }")
    return math.exp(exponent)


def residual_layer(v: float, a: float = 1.0, weights: str = "gaussian") -> Law:
    """The law of Y Yᵀ for Y = a 1 + X, X square with E X Xᵀ = v 1: exact.

    `residual_layer(c/L) ** L` is the linear residual network of depth L. Gaussian: entries of
    variance v/N, and S(z) solves v² z(1+z) S² − (a² + v(1+2z)) S + 1 = 0; the root with
    S(0) = 1/(a² + v) is written without a difference, S = 2/(A + √((a²+v)² + 4a²v z)),
    A = a² + v(1+2z). Orthogonal: X = √v O, and the law is that of a² + v + 2a√v cos θ.

    Args:
        v: positive. For a layer with D: v = (σ_w²/L) E φ'², to first order in 1/L.
        a: the factor of the skip connection; 0 gives Marchenko–Pastur, or the point v.
        weights: "gaussian" or "orthogonal".

    Example:
        >>> (residual_layer(0.25) ** 4).singular_values().edges().round(4).tolist()
        [0.16, 3.7225]
    """
    from isolib.laws import MarchenkoPastur, PointMass
    from isolib.laws._residual import GaussianLayer, OrthogonalLayer

    v, a = positive("v", v), in_range("a", a, -1e75, 1e75)
    if one_of("weights", weights, ("gaussian", "orthogonal")) == "orthogonal":
        return OrthogonalLayer(v, a) if a else PointMass(v)
    return GaussianLayer(v, a) if a else MarchenkoPastur(variance=v)


def residual_outlier(
    activation, depth: int, sigma_w2: float, q1: float = 1.0, *, mean: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """(t, β), each of shape (depth,): what drives one singular value out of the law.

    β_l = √(σ_w²/L) E[z φ'(√q^l z)] is the rank-one mean of D^l W^l, t_{l−1} = ⟨x⟩/rms x at its
    input, for a = 1 and no biases. Where Σ t_{l−1} β_l is large, the largest eigenvalue λ₁ of
    J Jᵀ has ln λ₁ = 2 Σ t_{l−1} β_l + O(ln L), and O(1) where t soon settles, as for a ReLU.
    Arguments as for `residual_lengths`.

    Source: this book, chapter 12.

    Example:
        >>> t, beta = residual_outlier("relu", 1000, 0.5)
        >>> round(float(2 * t @ beta), 2)
        16.37
    """
    act = activations.get(activation)
    lengths = residual_lengths(act, depth, sigma_w2, 0.0, q1, mean=mean)
    root, m, t, beta = math.sqrt(sigma_w2 / depth), float(mean), [], []
    for q in lengths:
        beta.append(root * gaussian_mean(lambda h: h * act.slope(h), q, act.kinks) / math.sqrt(q))
        t.append(m * root / math.sqrt(q))  # rms x^{l−1} = √q^l / root
        m += gaussian_mean(act.phi, q, act.kinks)
    return np.array(t), np.array(beta)
