"""What every law can do, given its density, support and atoms."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module

import numpy as np

from isolib._check import MOST, finite, in_range, positive_int, values
from isolib.laws._series import bisect, cosines, free_cumulants, log_s_from_moments, upper_log


def levels(u) -> np.ndarray:
    """Levels of a quantile as an array, all in [0, 1]."""
    u = finite("u", u)
    in_range("u", float(u.flat[abs(u - 0.5).argmax()]) if u.size else 0.5, 0, 1)
    return u


class Law:
    """A law on the real line: a continuous part (density on intervals) and atoms.

    A subclass gives `_density(x)` on the interior of its support, `support()` and `atoms()`;
    everything else follows by quadrature, and a subclass replaces what it knows in closed form:
    `moments`; `_scaled(k)`; `_r(g)`, R and its derivative; `_log_s(z, z1)` with z1 = 1 + z, log S
    and its derivative (and `_log_s_series`, if it depends on more than the moments); `_parts`, of
    what it is a free sum or product; `_key()`, what makes two of them equal.
    """

    #: nodes of the quadrature on each interval of the support
    _nodes = 2048

    # ---- what a subclass gives --------------------------------------------------------------
    def _density(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def support(self) -> list[tuple[float, float]]:
        """The intervals that carry the continuous part, sorted: [(lo, hi), ...]."""
        return []

    def atoms(self) -> list[tuple[float, float]]:
        """The point masses, sorted by place: [(location, weight), ...]; [] if there are none."""
        return []

    # ---- density, edges, distribution -------------------------------------------------------
    def density(self, x):
        """The density of the continuous part at real points x; an array shaped like x.

        Zero outside the support. Atoms are not in it: see `atoms`.
        """
        x = finite("x", x)
        rho = np.zeros(x.shape)
        for lo, hi in self.support():
            inside = (x > lo) & (x < hi)
            rho[inside] = self._density(x[inside])
        return rho

    def edges(self) -> np.ndarray:
        """The ends of the continuous part's intervals, ascending; atoms are excluded."""
        return np.array([e for interval in self.support() for e in interval], dtype=float)

    def _places(self) -> list[float]:
        """Where the density is not smooth: edges, atoms, and what else a law knows."""
        return [*self.edges(), *(x for x, _ in self.atoms())]

    def _range(self) -> tuple[float, float]:
        """The smallest and the largest point of the law, atoms included."""
        places = [*self.edges(), *(x for x, _ in self.atoms())]
        return float(min(places)), float(max(places))

    @cached_property
    def _quadrature(self) -> tuple[np.ndarray, np.ndarray]:
        """Places and weights with Σ w f(x) = ∫ρf: x = c − h cos θ, midpoint rule in θ.

        The integrand is then even and periodic in θ whether the density has a square root or an
        inverse square root at its ends, so the midpoint rule converges geometrically.
        """
        theta = (np.arange(self._nodes) + 0.5) * np.pi / self._nodes
        xs, ws = [np.empty(0)], [np.empty(0)]
        for lo, hi in self.support():
            x = lo + (hi - lo) * np.sin(theta / 2) ** 2  # = c − h cos θ, exact next to lo
            xs.append(x)
            ws.append(self._density(x) * (hi - lo) / 2 * np.sin(theta) * np.pi / self._nodes)
        return np.concatenate(xs), np.concatenate(ws)

    @cached_property
    def _cosines(self):
        """The cosine series of dF/dθ on each interval, without the terms that are rounding."""
        slopes = self._quadrature[1].reshape(-1, self._nodes) * self._nodes / np.pi
        series = [cosines(slope) for slope in slopes]
        return [a[: 1 + np.flatnonzero(abs(a) > 1e-16 * abs(a).max())[-1]] for a in series]

    def _below(self, x):
        """The continuous part's mass below real points x."""
        total = np.zeros(x.shape)
        for (lo, hi), a in zip(self.support(), self._cosines, strict=True):
            theta = 2 * np.arcsin(np.sqrt(np.clip((x - lo) / (hi - lo), 0, 1)))
            waves = np.append(a[:0:-1] / np.arange(len(a) - 1, 0, -1), 0)
            total += a[0] * theta + np.polyval(waves, np.exp(1j * theta)).imag
        return total

    def cdf(self, x):
        """P(X ≤ x) at real points x; an array shaped like x, right-continuous at atoms."""
        x = finite("x", x)
        with np.errstate(over="ignore"):  # the square of a large singular value
            total = self._below(x)
        for place, weight in self.atoms():
            total = total + weight * (x >= place)
        return np.where(x < self._range()[0], 0.0, np.clip(total, 0.0, 1.0))

    def quantile(self, u):
        """The smallest x with P(X ≤ x) ≥ u, for u in [0, 1]; an array shaped like u."""
        u = levels(u)
        lo, hi = self._range()
        # halving the whole range 80 times ends below float spacing
        x = bisect(lambda x: self.cdf(x) >= u, np.full(u.shape, lo), np.full(u.shape, hi), 80)
        return np.where(self.cdf(lo) >= u, lo, x)

    # ---- moments ----------------------------------------------------------------------------
    def _integrate(self, f) -> np.ndarray:
        """∫ f dμ over the whole law; f maps places (last axis) to values."""
        x, w = self._quadrature
        total = (f(x) * w).sum(-1)
        for place, weight in self.atoms():
            total = total + weight * f(np.array([place]))[..., 0]
        return total

    def moments(self, k: int) -> np.ndarray:
        """The first k moments [E X, …, E X^k], as a float array."""
        powers = np.arange(1, positive_int("k", k, MOST) + 1)
        return self._integrate(lambda x: x[None, :] ** powers[:, None])

    @property
    def mean(self) -> float:
        """E X."""
        return float(self.moments(1)[0])

    @property
    def variance(self) -> float:
        """E (X − E X)²."""
        mean = self.mean  # E X² − (E X)² may be of rounding errors alone, and negative
        return float(self._integrate(lambda x: (x - mean) ** 2))

    # ---- transforms -------------------------------------------------------------------------
    def cauchy(self, z):
        """The Green's function G(z) = E 1/(z − X), complex in, complex out, off the support."""
        return values("z", z, lambda z: self._green(z)[0], self)

    def _green(self, z):
        """G and G' at z. With y = (z−c)/h and ξ = y − √(y²−1), each cos kθ of a density adds
        π(−ξ)ᵏ/(h√(y²−1)): as exact on the real axis as far from it."""
        g, slope = np.zeros_like(z), np.zeros_like(z)
        for (lo, hi), a in zip(self.support(), self._cosines, strict=True):
            half = (hi - lo) / 2
            y = (z - lo) / half - 1
            root = np.sqrt(y - 1) * np.sqrt(y + 1)
            xi, value, d = -1 / (y + root), 0.0, 0.0
            for c in a[::-1]:
                value, d = value * xi + c, d * xi + value
            g += np.pi / half * value / root
            slope -= np.pi / half**2 * (d * xi / root**2 + value * y / root**3)
        for place, weight in self.atoms():
            g, slope = g + weight / (z - place), slope - weight / (z - place) ** 2
        return g, slope

    def _leg(self, w, product: bool):
        """Φ(w) and Φ'(w) of `Equation`, for Im w ≥ 0."""
        if not product:
            g, slope = self._green(w)
            return 1 / g - w, -slope / g**2 - 1
        lam = np.exp(-w)
        g, slope = self._green(lam)
        eta = 1 - 1 / (lam * g)
        return upper_log(eta) - w, -(g + lam * slope) / (lam * g * g) / eta - 1

    def _follow(self, name, f, target, start):
        """Solve f(u) = target, f giving value and slope, along the ray from 0 to target.

        Near 0 the solution is start(target). Newton corrections hold the branch; what does not
        solve the equation at the end raises. Targets too near 0, where there are no digits left,
        are moved away, and the last of the three values says which.
        """
        radius = max(map(abs, self._range())) or 1.0
        near = abs(target) * (radius if name == "r_transform" else 1) < 1e-5
        target = np.where(near, 1e-5 / radius, target)
        small = 1e-3 / np.maximum(1, radius * abs(start(target)))
        u = start(small * target)
        for s in np.linspace(1, 0, 60):
            for _ in range(5):
                value, slope = f(u)
                u = u - (value - small**s * target) / slope
        wrong = ~(abs(f(u)[0] - target) <= 1e-9 * abs(target))  # also where the path ran away
        if wrong.any():
            raise ValueError(f"{name}: {self!r} is not invertible at {target[wrong].ravel()[0]}")
        return target, u, near

    def r_transform(self, g):
        """R(g), with G(R(g) + 1/g) = g. Complex in, complex out.

        Continued from g = 0 along the ray to g where no formula is known; `ValueError` where that
        fails.
        """
        return values("g", g, self._r_value, self)

    def _r_value(self, g):
        if hasattr(self, "_r"):
            return self._r(g)[0] + 0 * g

        def f(kappa):
            value, slope = self._green(1 / kappa)
            return value, -slope / kappa**2

        far, kappa, near = self._follow("r_transform", f, g, lambda g: g)
        series = np.polyval(free_cumulants(self.moments(6))[::-1], g)
        return np.where(near, series, 1 / kappa - 1 / far)

    def s_transform(self, z):
        """S(z) = (1+z)/(z M⁻¹(z)), M(z) = zG(z) − 1. Complex in, complex out.

        Continued from z = 0 along the ray to z; `ValueError` where that fails, and for a law of
        mean zero: M has then no inverse at 0. Add such laws (with R) instead of multiplying them.
        """
        return values("z", z, self._s_value, self)

    def _s_value(self, z):
        self._needs_mean()
        if hasattr(self, "_log_s"):
            return np.exp(self._log_s(z, 1 + z)[0] + 0 * z)

        def f(kappa):
            value, slope = self._green(1 / kappa)
            return value / kappa - 1, -slope / kappa**3 - value / kappa**2

        mean, m = self.mean, self.moments(6)
        far, kappa, near = self._follow("s_transform", f, z, lambda z: z / mean)
        log_s = log_s_from_moments(m / mean ** np.arange(1, 7))  # of X/mean, which has mean 1
        return np.where(near, np.exp(np.polyval(log_s[::-1], z)) / mean, (1 + far) / far * kappa)

    def _needs_mean(self):
        if abs(self.mean) <= 1e-12 * max(map(abs, self._range())):
            message = "has mean 0, so it has no S-transform; use its R-transform and + instead"
            raise ValueError(f"{self!r} {message}")

    # ---- new laws from old ------------------------------------------------------------------
    def scaled(self, k: float) -> Law:
        """The law of k·X, for a finite k ≠ 0."""
        k = in_range("k", k, -1e300, 1e300)
        if k == 0:
            raise ValueError("k must be a finite number other than 0, got 0")
        return self._scaled(k)

    def _scaled(self, k):
        return other_module("_derived").Scaled(self, k)

    def __add__(self, other) -> Law:
        """The free sum ⊞."""
        return other_module("_combine").free_sum([(self, 1), (other, 1)])

    def __matmul__(self, other) -> Law:
        """The free product ⊠ of laws on [0, ∞)."""
        return other_module("_combine").free_product([(self, 1), (other, 1)])

    def __pow__(self, n) -> Law:
        """The n-fold free product with itself, n a positive whole number."""
        return other_module("_combine").free_product([(self, positive_int("n", n))])

    def _key(self):
        """What makes two laws of one class equal."""
        return id(self)

    def __eq__(self, other):
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self):
        return hash((type(self).__name__, self._key()))

    def _parts(self, product: bool):
        """[(law, n), ...] of which this is the free product (or sum); itself if it is simple."""
        return [(self, 1)]

    def _log_s_series(self, k: int) -> np.ndarray:
        """The first k Taylor coefficients of log S at 0."""
        return log_s_from_moments(self.moments(k))

    def singular_values(self) -> Law:
        """The law of √X, for a law on [0, ∞): from eigenvalues of JJᵀ to singular values of J."""
        return other_module("_derived").Root(self)


def other_module(name):
    """isolib.laws.<name>, which needs this module and so cannot be imported above."""
    return import_module(f"isolib.laws.{name}")
