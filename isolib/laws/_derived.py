"""Laws made from one law: k·X + b, and √X."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from isolib.laws._base import Law
from isolib.laws._classical import PointMass
from isolib.laws._series import free_cumulants, moments_from_cumulants


class Image(Law):
    """The law of f(X) for a law and a monotone f; back is the inverse, with its slope."""

    law: Law
    k = 1.0  # its sign is that of f'

    def _key(self):
        return self.law

    def _density(self, y):
        x, slope = self._back(y)
        return self.law.density(x) * slope

    def support(self):
        ends = [(float(self._f(lo)), float(self._f(hi))) for lo, hi in self.law.support()]
        return sorted((min(pair), max(pair)) for pair in ends)

    def atoms(self):
        return sorted((float(self._f(x)), w) for x, w in self.law.atoms())

    @cached_property
    def _quadrature(self):  # the rule is smooth for X, perhaps not for f(X)
        x, w = self.law._quadrature
        return self._f(x), w

    def _below(self, y):
        mass = self.law._below(self._back(y)[0])
        return mass if self.k > 0 else 1 - sum(w for _, w in self.atoms()) - mass

    def quantile(self, u):
        return self._f(self.law.quantile(u)) if self.k > 0 else super().quantile(u)


class Scaled(Image):
    """The law of k·X + b."""

    def __init__(self, law: Law, k: float, b: float = 0.0):
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

    def _f(self, x):
        return x * self.k + self.b

    def _back(self, y):
        return (y - self.b) / self.k, 1 / abs(self.k)

    def moments(self, k):
        c = free_cumulants(self.law.moments(k) * self.k ** np.arange(1, k + 1))
        return moments_from_cumulants(c + self.b * (np.arange(k) == 0))

    @property
    def variance(self):
        return self.k**2 * self.law.variance

    def _green(self, z):
        g, slope = self.law._green((z - self.b) / self.k)
        return g / self.k, slope / self.k**2

    def _r_value(self, g):
        return self.k * self.law.r_transform(self.k * g) + self.b

    def _s_value(self, z):
        return super()._s_value(z) if self.b else self.law.s_transform(z) / self.k


class Root(Image):
    """The law of √X, X ≥ 0."""

    def __init__(self, law: Law):
        lo = law._range()[0]
        if lo < 0:
            raise ValueError(f"singular_values needs a law on [0, inf); {law!r} reaches {lo:g}")
        self.law = law

    def __repr__(self):
        return f"{self.law!r}.singular_values()"

    def _f(self, x):
        return np.sqrt(x)

    def _back(self, s):
        return s * np.abs(s), 2 * s

    def _parts(self, product):
        why = "combine the laws of λ = s² and take singular_values then"
        raise ValueError(f"+, @ and ** do not take {self!r}: {why}")

    @cached_property
    def _quadrature(self):
        (lo, hi), *more = self.law.support() or [(1, 1)]
        if lo or more or type(self.law)._quadrature is not Law._quadrature:
            return super()._quadrature
        # from a hard edge at 0 a rule smooth for X is not smooth for √X: tanh-sinh in θ instead
        t = np.linspace(-4, 4, 401)
        e = np.exp(-np.pi * np.sinh(t))
        theta, step = np.pi / (1 + e), np.pi**2 * np.cosh(t) * e / (1 + e) ** 2 * (t[1] - t[0])
        x = hi * np.sin(theta / 2) ** 2
        return np.sqrt(x), self.law._density(x) * hi / 2 * np.sin(theta) * step

    def _green(self, z):
        # right of 0 poles come near the rule: 1/(z−s) = 2z/(z²−s²) − 1/(z+s) has those of λ = s²
        right, z = z.real > 0, np.where(z.real > 0, z, -z)
        far, steep = (self._integrate(lambda s, k=k: (z[..., None] + s) ** -k) for k in (1, 2))
        g, slope = self.law._green(z * z)
        g, slope = np.where(right, (2 * z * g, 2 * g + 4 * z * z * slope), 0)
        return g - far, slope + np.where(right, steep, -steep)
