"""The law of one residual layer with orthogonal weights: an arcsine law that knows its S."""

from __future__ import annotations

import math

import numpy as np

from isolib._check import positive_int
from isolib.laws._base import Law


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
        x = np.asarray(x, dtype=float)
        return 0.5 + np.arcsin(np.clip((x - self.b) / self.half, -1, 1)) / np.pi

    def moments(self, k):
        theta = (np.arange(positive_int("k", k)) + 0.5) * np.pi / k  # exact to degree 2k − 1
        powers = np.arange(1, k + 1)[:, None]
        return ((self.b + self.half * np.cos(theta)) ** powers).mean(1)
