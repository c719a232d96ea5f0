"""What every law can do, given its density, support and atoms."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from isolib._check import finite, in_range, positive_int


def points(name: str, z) -> np.ndarray:
    """Complex evaluation points as an array; NaN is refused, infinity too."""
    z = np.asarray(z, dtype=complex)
    if not np.isfinite(z).all():
        raise ValueError(f"{name} must be finite everywhere, got {z[~np.isfinite(z)].ravel()[0]}")
    return z


class Law:
    """A law on the real line: a continuous part (density on intervals) and atoms.

    A subclass gives `_density(x)` on the interior of its support, `support()` and `atoms()`;
    everything else follows by quadrature, and a subclass replaces what it knows in closed form.
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
    def _cumulative(self) -> list[tuple]:
        """(lo, hi, mass up to angle θ) for each interval: a spline, exact at nodes and slopes."""
        from scipy import fft  # here, so that importing isolib.laws stays quick
        from scipy.interpolate import CubicHermiteSpline

        pieces, n = [], self._nodes
        theta = (np.arange(n) + 0.5) * np.pi / n
        k = np.arange(1, n)
        for i, (lo, hi) in enumerate(self.support()):
            slope = self._quadrature[1][i * n : (i + 1) * n] * n / np.pi
            # slope(θ) = a₀ + Σ aₖ cos kθ integrates to a₀θ + Σ (aₖ/k) sin kθ
            a = fft.dct(slope) / n
            a[0] /= 2
            sines = np.concatenate([a[1:] / k, [0.0]])
            mass = a[0] * theta + fft.dst(sines, type=3) / 2
            ends = a.sum(), (a * (-1.0) ** np.arange(n)).sum()
            spline = CubicHermiteSpline(
                np.concatenate([[0], theta, [np.pi]]),
                np.concatenate([[0], mass, [a[0] * np.pi]]),
                np.concatenate([[ends[0]], slope, [ends[1]]]),
            )
            pieces.append((lo, hi, spline))
        return pieces

    def cdf(self, x):
        """P(X ≤ x) at real points x; an array shaped like x, right-continuous at atoms."""
        x = finite("x", x)
        total = np.zeros(x.shape)
        for lo, hi, mass in self._cumulative:
            half = np.sqrt(np.clip((x - lo) / (hi - lo), 0, 1))
            total += np.clip(mass(2 * np.arcsin(half)), 0, None)
        for place, weight in self.atoms():
            total += weight * (x >= place)
        return np.minimum(total, 1.0)

    def quantile(self, u):
        """The smallest x with P(X ≤ x) ≥ u, for u in [0, 1]; an array shaped like u."""
        u = finite("u", u)
        for value in (u.min(initial=1.0), u.max(initial=0.0)):
            in_range("u", float(value), 0, 1)
        lo, hi = self._range()
        below, above = np.full(u.shape, lo), np.full(u.shape, hi)
        for _ in range(80):  # halving the whole range 80 times ends below float spacing
            middle = (below + above) / 2
            reached = self.cdf(middle) >= u
            above = np.where(reached, middle, above)
            below = np.where(reached, below, middle)
        return np.where(self.cdf(lo) >= u, lo, above)

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
        powers = np.arange(1, positive_int("k", k) + 1)
        return self._integrate(lambda x: x[None, :] ** powers[:, None])

    @property
    def mean(self) -> float:
        """E X."""
        return float(self.moments(1)[0])

    @property
    def variance(self) -> float:
        """E X² − (E X)²."""
        m1, m2 = self.moments(2)
        return float(m2 - m1**2)

    # ---- transforms -------------------------------------------------------------------------
    def cauchy(self, z):
        """The Green's function G(z) = E 1/(z − X), complex in, complex out, off the support."""
        z = points("z", z)
        return self._integrate(lambda x: 1 / (z[..., None] - x))

    def r_transform(self, g):
        """R(g), with G(R(g) + 1/g) = g. Complex in, complex out."""
        raise ValueError(f"{self!r} has no R-transform in closed form")

    def s_transform(self, z):
        """S(z) = (1+z)/(z M⁻¹(z)), M(z) = zG(z) − 1. Complex in, complex out.

        Raises `ValueError` for a law of mean zero: M has then no inverse at 0. Add such laws
        (with R-transforms) instead of multiplying them.
        """
        raise ValueError(f"{self!r} has no S-transform in closed form")

    # ---- new laws from old ------------------------------------------------------------------
    def scaled(self, k: float) -> Law:
        """The law of k·X, for a finite k ≠ 0."""
        return Scaled(self, k)

    def singular_values(self) -> Law:
        """The law of √X, for a law on [0, ∞): from eigenvalues of JJᵀ to singular values of J."""
        return Root(self)


class Scaled(Law):
    """The law of k·X."""

    def __init__(self, law: Law, k: float):
        k = float(finite("k", k))
        if k == 0:
            raise ValueError(f"k must be a finite number other than 0, got {k!r}")
        self.law, self.k = law, k

    def __repr__(self):
        return f"{self.law!r}.scaled({self.k:g})"

    def _density(self, x):
        return self.law.density(x / self.k) / abs(self.k)

    def support(self):
        return sorted(tuple(sorted((lo * self.k, hi * self.k))) for lo, hi in self.law.support())

    def atoms(self):
        return sorted((x * self.k, w) for x, w in self.law.atoms())

    def moments(self, k):
        return self.law.moments(k) * self.k ** np.arange(1, k + 1)

    def cauchy(self, z):
        return self.law.cauchy(points("z", z) / self.k) / self.k

    def r_transform(self, g):
        return self.k * self.law.r_transform(self.k * points("g", g))

    def s_transform(self, z):
        return self.law.s_transform(z) / self.k


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

    @cached_property
    def _quadrature(self):
        x, w = self.law._quadrature  # the rule in θ is smooth for λ, not for s = √λ
        return np.sqrt(x), w

    def cdf(self, x):
        x = finite("x", x)
        return np.where(x < 0, 0.0, self.law.cdf(x * np.abs(x)))
