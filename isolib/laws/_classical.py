"""The laws of chapter 2, each with its transforms in closed form."""

from __future__ import annotations

import math

import numpy as np

from isolib._check import finite, in_range, positive, positive_int
from isolib.laws._base import Law, points


def _edge_root(z: np.ndarray, a: float, b: float) -> np.ndarray:
    """√((z−a)(z−b)), the branch that behaves like z at infinity, cut along [a, b]."""
    return np.sqrt(z - a) * np.sqrt(z - b)


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

    def _density(self, x):
        return np.sqrt(np.clip(4 * self.v - x * x, 0, None)) / (2 * np.pi * self.v)

    def support(self):
        radius = 2 * math.sqrt(self.v)
        return [(-radius, radius)]

    def moments(self, k):
        catalan = [math.comb(j, j // 2) / (j // 2 + 1) for j in range(1, positive_int("k", k) + 1)]
        power = [self.v ** (j // 2) * (j % 2 == 0) for j in range(1, k + 1)]
        return np.array(catalan) * np.array(power)

    def cauchy(self, z):
        z, (lo, hi) = points("z", z), self.support()[0]
        return 2 / (z + _edge_root(z, lo, hi))  # = (z − √(z²−4v))/2v without the cancellation

    def r_transform(self, g):
        return self.v * points("g", g)

    def s_transform(self, z):
        raise ValueError(
            f"{self!r} has mean 0, so it has no S-transform; use its R-transform and + instead"
        )

    def scaled(self, k):
        k = float(finite("k", k))
        return Semicircle(self.v * k * k) if k else super().scaled(k)


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

    def _density(self, x):
        (a, b), r, v = self.support()[0], self.r, self.v
        return np.sqrt(np.clip((b - x) * (x - a), 0, None)) / (2 * np.pi * r * v * x)

    def support(self):
        root = math.sqrt(self.r)
        return [(self.v * (1 - root) ** 2, self.v * (1 + root) ** 2)]

    def atoms(self):
        return [(0.0, 1 - 1 / self.r)] if self.r > 1 else []

    def moments(self, k):
        def narayana(k):
            return sum(
                self.r**j * math.comb(k, j) * math.comb(k - 1, j) / (j + 1) for j in range(k)
            )

        return np.array([self.v**j * narayana(j) for j in range(1, positive_int("k", k) + 1)])

    def cauchy(self, z):
        z, (a, b) = points("z", z), self.support()[0]
        # the root of r v z G² − (z − v(1−r)) G + 1 = 0 that decays at infinity
        return 2 / (z - self.v * (1 - self.r) + _edge_root(z, a, b))

    def r_transform(self, g):
        return self.v / (1 - self.r * self.v * points("g", g))

    def s_transform(self, z):
        return 1 / (self.v * (1 + self.r * points("z", z)))

    def scaled(self, k):
        k = float(finite("k", k))
        return MarchenkoPastur(self.r, self.v * k) if k > 0 else super().scaled(k)


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
            raise ValueError(
                f"points and weights must be lists of one length, got shapes {x.shape}, {w.shape}"
            )
        if (w <= 0).any():
            raise ValueError(f"weights must be positive, got {w[w <= 0][0]:g}")
        if abs(w.sum() - 1) > 1e-12:
            raise ValueError(f"weights must sum to 1, got {w.sum():.15g}")
        self.x, place = np.unique(x, return_inverse=True)
        self.w = np.bincount(place.ravel(), weights=w)

    def __repr__(self):
        return f"Atoms({self.x.tolist()}, {self.w.tolist()})"

    def atoms(self):
        return list(zip(self.x.tolist(), self.w.tolist(), strict=True))

    def _follow(self, target, small, start, f, slope, name):
        """Solve f(u) = target along the ray t·target, from t = small, where u = start(t·target).

        Four Newton corrections on each of 400 steps hold the branch; what does not solve the
        equation at t = 1 raises.
        """
        u = start(small * target)
        with np.errstate(all="ignore"):  # a path that runs away is caught just below
            for s in np.linspace(1, 0, 400):
                for _ in range(4):
                    u = u - (f(u) - small**s * target) / slope(u)
            wrong = ~(abs(f(u) - target) <= 1e-9 * abs(target))
        if wrong.any():
            raise ValueError(f"{name}: {self!r} is not invertible at {target[wrong].ravel()[0]}")
        return u

    def r_transform(self, g):
        g = points("g", g)
        safe = np.where(g == 0, 1e-6, g)

        def f(lam):
            return (self.w / (lam[..., None] - self.x)).sum(-1)

        def slope(lam):
            return -(self.w / (lam[..., None] - self.x) ** 2).sum(-1)

        # near g = 0 the solution is 1/g + mean, well away from every atom
        small = 1e-3 / np.maximum(1, abs(safe) * (abs(self.x).max() or 1))
        lam = self._follow(safe, small, lambda g: 1 / g + self.mean, f, slope, "r_transform")
        return np.where(g == 0, self.mean, lam - 1 / safe)

    def s_transform(self, z):
        z = points("z", z)
        if abs(self.mean) <= 1e-12 * abs(self.x).max():
            raise ValueError(
                f"{self!r} has mean 0, so it has no S-transform; use its R-transform and + instead"
            )
        safe = np.where(z == 0, 1e-9, z)

        # in κ = 1/λ: M = Σ w xκ/(1 − xκ), smooth at κ = 0 with slope the mean
        def f(kappa):
            u = self.x * kappa[..., None]
            return (self.w * u / (1 - u)).sum(-1)

        def slope(kappa):
            return (self.w * self.x / (1 - self.x * kappa[..., None]) ** 2).sum(-1)

        small = 1e-3 * abs(self.mean) / abs(self.x).max() / np.maximum(1, abs(safe))
        kappa = self._follow(safe, small, lambda z: z / self.mean, f, slope, "s_transform")
        return np.where(z == 0, 1 / self.mean, (1 + safe) / safe * kappa)


class PointMass(Atoms):
    """All the mass at one point x: R(g) = x, S(z) = 1/x (x ≠ 0).

    >>> PointMass(2.0).s_transform(0.3).real
    array(0.5)
    """

    def __init__(self, x: float):
        super().__init__([float(finite("x", x))], [1.0])

    def __repr__(self):
        return f"PointMass({self.x[0]:g})"

    def r_transform(self, g):
        return np.full(points("g", g).shape, self.x[0] + 0j)

    def s_transform(self, z):
        z = points("z", z)
        if self.x[0] == 0:
            raise ValueError("PointMass(0) has mean 0, so it has no S-transform")
        return np.full(z.shape, 1 / self.x[0] + 0j)


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

    def s_transform(self, z):
        if self.p == 0:
            raise ValueError("Bernoulli(0) has mean 0, so it has no S-transform")
        z = points("z", z)
        return (1 + z) / (z + self.p)
