"""Laws made from one law: k·X + b, and √X."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from isolib._check import finite
from isolib.laws._base import Law, points
from isolib.laws._classical import PointMass
from isolib.laws._series import free_cumulants, moments_from_cumulants


class Scaled(Law):
    """The law of k·X + b."""

    def __init__(self, law: Law, k: float, b: float = 0.0):
        k = float(finite("k", k))
        if k == 0:
            raise ValueError(f"k must be a finite number other than 0, got {k!r}")
        self.law, self.k, self.b = law, k, b

    def __repr__(self):
        scaled = f"{self.law!r}.scaled({self.k:g})" if self.k != 1 else f"{self.law!r}"
        return f"({scaled} + PointMass({self.b:g}))" if self.b else scaled

    def _key(self):
        return self.law, self.k, self.b

    def _parts(self, product):
        if product and (self.b or self.k < 0):
            return [(self, 1)]
        if product:
            return [*self.law._parts(True), (PointMass(self.k), 1)]
        parts = self.law._parts(False)
        scaled = parts if self.k == 1 else [(law.scaled(self.k), n) for law, n in parts]
        return [*scaled, (PointMass(self.b), 1)]

    def _density(self, x):
        return self.law.density((x - self.b) / self.k) / abs(self.k)

    def support(self):
        ends = [(lo * self.k + self.b, hi * self.k + self.b) for lo, hi in self.law.support()]
        return sorted((min(pair), max(pair)) for pair in ends)

    def atoms(self):
        return sorted((x * self.k + self.b, w) for x, w in self.law.atoms())

    @cached_property
    def _quadrature(self):
        x, w = self.law._quadrature
        return x * self.k + self.b, w

    def moments(self, k):
        c = free_cumulants(self.law.moments(k) * self.k ** np.arange(1, k + 1))
        return moments_from_cumulants(c + self.b * (np.arange(k) == 0))

    def cdf(self, x):
        x = finite("x", x)
        y = (x - self.b) / self.k
        if self.k > 0:
            return self.law.cdf(y)
        jump = sum(w * (y == place) for place, w in self.law.atoms())
        return np.where(x < self._range()[0], 0.0, 1 - self.law.cdf(y) + jump)

    def quantile(self, u):
        if self.k > 0:
            return self.law.quantile(u) * self.k + self.b
        return super().quantile(u)

    def _green(self, z):
        g, slope = self.law._green((z - self.b) / self.k)
        return g / self.k, slope / self.k**2

    def r_transform(self, g):
        return self.k * self.law.r_transform(self.k * points("g", g)) + self.b

    def s_transform(self, z):
        return Law.s_transform(self, z) if self.b else self.law.s_transform(z) / self.k


class Root(Law):
    """The law of √X, X ≥ 0."""

    def __init__(self, law: Law):
        if law._range()[0] < 0:
            raise ValueError(
                f"singular_values needs a law on [0, inf); {law!r} reaches {law._range()[0]:g}"
            )
        self.law = law

    def __repr__(self):
        return f"{self.law!r}.singular_values()"

    def _density(self, s):
        return 2 * s * self.law.density(s * s)

    def support(self):
        return [(float(np.sqrt(lo)), float(np.sqrt(hi))) for lo, hi in self.law.support()]

    def atoms(self):
        return [(float(np.sqrt(x)), w) for x, w in self.law.atoms()]

    def _key(self):
        return self.law

    def _parts(self, product):
        raise ValueError(
            f"+, @ and ** do not take {self!r}: its Green's function is not known next to the "
            "real axis. Combine the laws of λ = s² and take singular_values of the result"
        )

    def _green(self, z):
        f = 1 / (z[..., None] - self._quadrature[0])
        w = self._quadrature[1]
        g, slope = (f * w).sum(-1), -(f * f * w).sum(-1)
        for place, weight in self.atoms():
            g, slope = g + weight / (z - place), slope - weight / (z - place) ** 2
        return g, slope

    @cached_property
    def _quadrature(self):
        x, w = self.law._quadrature  # the rule in θ is smooth for λ, not for s = √λ
        return np.sqrt(x), w

    def cdf(self, x):
        x = finite("x", x)
        return np.where(x < 0, 0.0, self.law.cdf(x * np.abs(x)))

    def quantile(self, u):
        return np.sqrt(self.law.quantile(u))
