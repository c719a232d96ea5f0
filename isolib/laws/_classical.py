"""The laws of chapter 2, with R and S in closed form where they have one."""

from __future__ import annotations

import math

import numpy as np

from isolib._check import HUGE, MOST, finite, in_range, positive, positive_int
from isolib.laws._base import Law
from isolib.laws._series import moments_from_cumulants, upper_log


class Semicircle(Law):
    """Wigner's semicircle law of variance v, on [−2√v, 2√v].

    Density √(4v − x²)/(2πv); G(z) = (z − √(z² − 4v))/(2v); R(g) = v g. Source: Wigner (1955);
    derived in chapter 2, theorem "semicircle". Raises `ValueError` unless variance > 0.

    >>> law = Semicircle()
    >>> law.edges().tolist(), [float(m) for m in law.moments(4)]
    ([-2.0, 2.0], [0.0, 1.0, 0.0, 2.0])
    """

    def __init__(self, variance: float = 1.0):
        self.v = positive("variance", variance)

    def __repr__(self):
        return f"Semicircle(variance={self.v:g})"

    def _key(self):
        return self.v

    def _r(self, g):
        return self.v * g, self.v

    def _density(self, x):
        return np.sqrt(np.clip(4 * self.v - x * x, 0, None)) / (2 * np.pi * self.v)

    def support(self):
        radius = 2 * math.sqrt(self.v)
        return [(-radius, radius)]

    def moments(self, k):
        return moments_from_cumulants(self.v * (np.arange(positive_int("k", k, MOST)) == 1))

    def _scaled(self, k):
        return Semicircle(self.v * k * k)


class MarchenkoPastur(Law):
    """The law of (1/n) X Xᵀ, X p×n with entries of variance v, as p/n → ratio.

    Density √((b−x)(x−a))/(2π r v x) on [a, b] = v(1 ∓ √r)², and an atom 1 − 1/r at 0 when r > 1;
    R(g) = v/(1 − r v g), S(z) = 1/(v(1 + r z)). Source: Marchenko and Pastur (1967); derived in
    chapter 2, theorem "Marchenko–Pastur". Raises `ValueError` unless both arguments are > 0.

    >>> law = MarchenkoPastur(ratio=4)
    >>> law.atoms(), [float(m) for m in law.moments(3)]
    ([(0.0, 0.75)], [1.0, 5.0, 29.0])
    """

    def __init__(self, ratio: float = 1.0, variance: float = 1.0):
        self.r, self.v = positive("ratio", ratio), positive("variance", variance)

    def __repr__(self):
        return f"MarchenkoPastur(ratio={self.r:g}, variance={self.v:g})"

    def _key(self):
        return self.r, self.v

    def _parts(self, product):
        if not product:
            return [(self, 1)]
        # 1/(v(1+rz)) = (1+z)/(z+1/r) · 1/(vr(1+z)): wide matrices are a projection, then r = 1
        wide = [(Bernoulli(1 / self.r), 1)] if self.r > 1 else []
        size = PointMass(self.v * max(self.r, 1.0))
        return [*wide, (MarchenkoPastur(min(self.r, 1.0)), 1), (size, 1)]

    def _r(self, g):
        f = 1 / (1 - self.r * self.v * g)
        return self.v * f, self.r * self.v**2 * f * f

    def _log_s(self, z, z1):
        f = (1 - self.r) + self.r * z1  # = 1 + rz without the cancellation at z = −1
        log_f = np.where(abs(f - 1) < 0.5, np.log1p(self.r * z), np.log(f))
        return -log_f - np.log(self.v), -self.r / f

    def _density(self, x):
        (a, b), r, v = self.support()[0], self.r, self.v
        return np.sqrt(np.clip((b - x) * (x - a), 0, None)) / (2 * np.pi * r * v * x)

    def support(self):
        root = math.sqrt(self.r)
        return [(self.v * (1 - root) ** 2, self.v * (1 + root) ** 2)]

    def atoms(self):
        return [(0.0, 1 - 1 / self.r)] if self.r > 1 else []

    def moments(self, k):
        powers = np.arange(positive_int("k", k, MOST))
        return moments_from_cumulants(self.v * (self.r * self.v) ** powers)

    def _scaled(self, k):
        return MarchenkoPastur(self.r, self.v * k) if k > 0 else super()._scaled(k)


class Atoms(Law):
    """Finitely many point masses: weight w_i at point x_i, weights positive with sum 1.

    Raises `ValueError` for lists of different lengths, weights that are not positive or do not
    sum to 1 within 1e-12, or non-finite numbers. Equal points are merged.

    >>> law = Atoms([-1, 1], [0.5, 0.5])
    >>> law.mean, law.variance, law.cdf([-1, 0, 1]).tolist()
    (0.0, 1.0, [0.5, 0.5, 1.0])
    """

    def __init__(self, points, weights):
        x, w = np.atleast_1d(finite("points", points)), np.atleast_1d(finite("weights", weights))
        if x.ndim != 1 or x.shape != w.shape or x.size == 0:
            shapes = f"{x.shape}, {w.shape}"
            raise ValueError(
                f"points and weights must be lists of one length, got shapes {shapes}"
            )
        if (w <= 0).any():
            raise ValueError(f"weights must be positive, got {w[w <= 0][0]:g}")
        if abs(w.sum() - 1) > 1e-12:
            raise ValueError(f"weights must sum to 1, got {w.sum():.15g}")
        self.x, place = np.unique(x, return_inverse=True)
        self.w = np.bincount(place.ravel(), weights=w)
        self.x = self.x + 0.0  # no −0

    def __repr__(self):
        return f"Atoms({self.x.tolist()}, {self.w.tolist()})"

    def atoms(self):
        return list(zip(self.x.tolist(), self.w.tolist(), strict=True))

    def _key(self):
        # to 13 digits: scaled there and back again is still the same law
        return tuple(f"{v:.13g}" for v in (*self.x, *self.w))

    def _parts(self, product):
        if len(self.x) == 1:
            return [(PointMass(self.x[0]), 1)]
        if product and len(self.x) == 2 and self.x[0] == 0:
            return [(Bernoulli(self.w[1]), 1), (PointMass(self.x[1]), 1)]
        # so that equal laws are met as equal
        if product and self.x[-1] != 1:
            return [(Atoms(self.x / self.x[-1], self.w), 1), (PointMass(self.x[-1]), 1)]
        if not product and self.x[0]:
            return [(Atoms(self.x - self.x[0], self.w), 1), (PointMass(self.x[0]), 1)]
        return [(self, 1)]

    def _scaled(self, k):
        return Atoms(self.x * k, self.w)

    def _leg(self, w, product):
        # Φ is log(N/D) or −N/D with N = Σ w x f and D = Σ w f, f = 1/(1 − x e^w) or 1/(x − w).
        # All f are divided by the largest: its pole cancels before it can drown the rest.
        if product:
            with np.errstate(divide="ignore"):
                f = -1 / np.expm1(w[:, None] + np.log(self.x))
        else:
            f = 1 / (self.x - w[:, None])
        big = np.take_along_axis(f, abs(f).argmax(1)[:, None], 1)
        q, both = f / big, np.stack([self.w * self.x, self.w], 1)
        (n, d), (dn, dd) = (q @ both).T, ((q * (f - big)) @ both).T
        if product:
            return upper_log(n / d), dn / n - dd / d
        return -n / d, -(dn - n * dd / d) / d


class PointMass(Atoms):
    """All the mass at one point x: R(g) = x, S(z) = 1/x (x ≠ 0).

    >>> float(PointMass(2.0).s_transform(0.3).real)
    0.5
    """

    def __init__(self, x: float):
        super().__init__([in_range("x", x, -HUGE, HUGE)], [1.0])

    def __repr__(self):
        return f"PointMass({self.x[0]:g})"

    def _parts(self, product):
        return [(self, 1)]

    def _r(self, g):
        return self.x[0], 0.0

    def _log_s(self, z, z1):
        return -np.emath.log(self.x[0]), 0.0


class Bernoulli(Atoms):
    """Mass p at 1 and 1 − p at 0: the law of a projection of normalised trace p.

    S(z) = (1+z)/(z+p). Raises `ValueError` unless 0 ≤ p ≤ 1.

    >>> Bernoulli(0.25).atoms()
    [(0.0, 0.75), (1.0, 0.25)]
    """

    def __init__(self, p: float):
        self.p = in_range("p", p, 0, 1)
        inner = 0 < self.p < 1
        super().__init__([0, 1] if inner else [self.p], [1 - self.p, self.p] if inner else [1.0])

    def __repr__(self):
        return f"Bernoulli({self.p:g})"

    def _parts(self, product):
        return Atoms._parts(self, product) if self.p in (0, 1) else [(self, 1)]

    def _log_s(self, z, z1):
        f = z1 - (1 - self.p)
        # one log of the quotient: for Re z < 0 both arguments are near π and their difference tiny
        return np.log(z1 / f), 1 / z1 - 1 / f
