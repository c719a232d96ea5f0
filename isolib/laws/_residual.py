"""The laws of one residual layer a 1 + X: Gaussian X by its S, orthogonal X as an arcsine law."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from isolib._check import MOST, finite, positive_int
from isolib.laws._base import Law
from isolib.laws._free import FreeProduct
from isolib.laws._named import _Factor


@dataclass(frozen=True)
class _Gaussian(_Factor):
    """v² z(1+z) S² − A S + 1 = 0, A = a² + v(1+2z), by the root with S(0) = 1/(a² + v)."""

    v: float
    a2: float

    def _log_s(self, z, z1):
        v, a2 = self.v, self.a2
        big = (a2 - v) + 2 * v * z1  # A, with its digits next to z = −1
        root = np.sqrt((a2 - v) ** 2 + 4 * a2 * v * z1 + 0j)
        with np.errstate(all="ignore"):  # each form is used where it does not cancel
            s = np.where(big.real > 0, 2 / (big + root), (big - root) / (2 * v**2 * z * z1))
        return np.log(s), (v**2 * (z + z1) * s - 2 * v) / root

    def _log_s_series(self, k):
        z = 0.4 * np.exp(2j * np.pi * np.arange(128) / 128)  # no singularity within 1
        value = np.fft.fft(self._log_s(z, 1 + z)[0])[:k].real / 128
        return value / 0.4 ** np.arange(k)


class GaussianLayer(FreeProduct):
    """The law of Y Yᵀ for Y = a 1 + X, X square Gaussian with entries of variance v/N, a ≠ 0.

    >>> (GaussianLayer(0.25) ** 4).singular_values().edges().round(4).tolist()
    [0.16, 3.7225]
    """

    def __init__(self, v: float, a: float = 1.0):
        super().__init__({_Gaussian(v, a * a): 1}, 0.0)
        self.v, self.a2 = v, a * a

    def __repr__(self):
        return f"GaussianLayer({self.v:g}, a²={self.a2:g})"

    def support(self):
        (lo, hi), *_ = super().support()
        return [(0.0 if self.v >= self.a2 else lo, hi)]


class OrthogonalLayer(Law):
    """The law of Y Yᵀ for Y = a 1 + √v O, O Haar orthogonal: a² + v + 2 a √v cos θ, θ uniform.

    S(z) = (2+z)/(b(1+z) + root), b = a² + v, root² = (a²−v)² + 4 a² v (1+z)². The root is positive
    for z > −1 and analytic between its branch points, which lie on Re z = −1: the curve of a power
    crosses that line between them, or ends there if v = a².

    >>> law = OrthogonalLayer(0.25)
    >>> law.edges().tolist(), (law ** 4).singular_values().edges().round(4).tolist()
    ([0.25, 2.25], [0.1838, 3.3715])
    """

    def __init__(self, v: float, a: float = 1.0):
        self.v, self.a2, self.b = v, a * a, a * a + v
        self.half = 2 * math.sqrt(self.a2 * v)

    def __repr__(self):
        return f"OrthogonalLayer({self.v:g}, a²={self.a2:g})"

    def _key(self):
        return self.v, self.a2

    def _log_s(self, z, z1):
        gap, b = (self.a2 - self.v) ** 2, self.b
        root = np.sqrt(gap + (self.half * z1) ** 2) if gap else self.half * z1
        near = z1.real >= 0
        if not gap:
            near = np.ones(near.shape, bool)
        with np.errstate(all="ignore"):  # each form is used where it does not cancel
            s = np.where(near, (1 + z1) / (b * z1 + root), (b * z1 - root) / (z * (gap or 1.0)))
            slope = self.half**2 * z1 / root
            d = np.where(
                near, 1 / (1 + z1) - (b + slope) / (b * z1 + root),
                (b - slope) / (b * z1 - root) - 1 / z,
            )  # fmt: skip
            return np.log(s), d

    def _density(self, x):
        return 1 / (np.pi * np.sqrt((self.half - (x - self.b)) * (self.half + (x - self.b))))

    def support(self):
        return [(self.b - self.half, self.b + self.half)]

    def cdf(self, x):
        return 0.5 + np.arcsin(np.clip((finite("x", x) - self.b) / self.half, -1, 1)) / np.pi

    def moments(self, k):
        theta = (np.arange(positive_int("k", k, MOST)) + 0.5) * np.pi / k  # exact to degree 2k − 1
        powers = np.arange(1, k + 1)[:, None]
        return ((self.b + self.half * np.cos(theta)) ** powers).mean(1)
