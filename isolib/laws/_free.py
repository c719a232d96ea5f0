"""Free sums and free products as laws."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from isolib._check import MOST, positive_int
from isolib.laws._base import Law, levels
from isolib.laws._classical import Bernoulli, PointMass
from isolib.laws._curve import Engine
from isolib.laws._equation import Equation
from isolib.laws._series import free_cumulants, moments_from_cumulants, moments_from_log_s
from isolib.laws._track import Tracked


def _exp(x: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.exp(x))


class FreeLaw(Law):
    """What free sums and products share: parts, how often each, and the traced curve.

    parts: {law: n}. number: the shift of a sum, or the logarithm of the scale of a product.
    """

    product = False

    def __init__(self, parts: dict, number: float):
        self.parts, self.number = parts, number

    def __repr__(self):
        sign = "{!r} ** {}" if self.product else "{!r} [{}]"
        names = [sign.format(law, n) if n > 1 else f"{law!r}" for law, n in self.parts.items()]
        if self.number:
            names.append(f"PointMass({_exp(self.number) if self.product else self.number:g})")
        return (" @ " if self.product else " + ").join(names).join("()")

    def _key(self):
        return frozenset(self.parts.items()), round(self.number, 11)

    def _parts(self, product):
        if product != self.product:
            return [(self, 1)]
        number = _exp(self.number) if product else self.number
        return [*self.parts.items(), (PointMass(number), 1)]

    def _split(self):
        """Which parts are coordinates (legs) and which are explicit (rest): see `Equation`."""
        method = "_log_s" if self.product else "_r"
        legs = {law: n for law, n in self.parts.items() if not hasattr(law, method)}
        if self.product:
            # Im log η is 0 for negative ω, and so is that of a Bernoulli's S there, only if the
            # first leg has no smaller an atom at 0; so the largest such atom is that of a leg
            most = max((_weight(law, 0.0) for law in legs), default=0)
            thin = [law for law in self.parts if isinstance(law, Bernoulli) and 1 - law.p > most]
            legs |= {law: self.parts[law] for law in sorted(thin, key=lambda law: law.p)[:1]}
        legs = sorted(legs.items(), key=lambda item: -_weight(item[0], 0.0))
        rest = [(law, n) for law, n in self.parts.items() if law not in dict(legs)]
        return legs, rest

    @cached_property
    def _engine(self):
        legs, rest = self._split()
        equation = Equation(
            legs, rest, self.product, -self.number if self.product else self.number
        )
        atoms = math.fsum(w for _, w in self._log_atoms)
        kind = Engine if len(legs) < 2 else Tracked
        return kind(equation, atoms, self._meetings, repr(self))

    def _t(self, x):
        return -np.log(x) if self.product else x

    def _place(self, t):
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(-t) if self.product else t

    # ---- atoms ------------------------------------------------------------------------------
    @cached_property
    def _meetings(self):
        """[(t, weight)] where atoms of all parts meet: an atom if the weight is positive.

        Atoms of a sum are at t, of a product at e^{−t}; that at 0 is left out.
        """
        found = [(-self.number if self.product else self.number, 1.0)]
        for law, n in self.parts.items():
            atoms = [(x, w) for x, w in law.atoms() if not self.product or x > 0]
            atoms = [(-math.log(x) if self.product else x, w) for x, w in atoms]
            found = [(t + n * x, w + n * v - n) for t, w in found for x, v in atoms]
            found = sorted((p for p in found if p[1] > -1), key=lambda p: -p[1])[:99]
        return found

    @cached_property
    def _log_atoms(self):
        """[(t, weight)] of the atoms, t = ∞ for that of a product at 0."""
        zero = max(_weight(law, 0.0) for law in self.parts) if self.product else 0.0
        return [(t, w) for t, w in self._meetings if w > 1e-12] + [(np.inf, zero)] * (zero > 0)

    def atoms(self):
        return sorted((float(self._place(t)), float(w)) for t, w in self._log_atoms)

    # ---- the continuous part ----------------------------------------------------------------
    def support(self):
        ends = [(self._place(a), self._place(b)) for a, b in self._engine.ends()]
        ends = sorted((float(min(pair)), float(max(pair))) for pair in ends)
        if self.product and not any(np.isinf(t) for t, _ in self._log_atoms):
            lows = [law._range()[0] for law in self.parts if isinstance(law, Law)]
            if min(lows, default=1.0) == 0:  # 1/X is unbounded if it is so for a factor
                ends[0] = (0.0, ends[0][1])
        return ends

    def _density(self, x):
        index, u = self._engine.locate(self._t(x))
        h, rho = self._engine.eq.at(u[:, index >= 0])[2], np.zeros(x.shape)
        rho[index >= 0] = self._engine.eq.mass(h)
        with np.errstate(over="ignore"):  # next to 0 a density may be more than a double
            return rho / x if self.product else rho

    @cached_property
    def _quadrature(self):
        columns = [(np.empty(0), np.empty(0))]
        columns += [(self._place(p.t), p.slope * p.weights) for p in self._engine.pieces]
        x, w = zip(*columns, strict=True)
        return np.concatenate(x), np.concatenate(w)

    def _below(self, x):
        positive = x > 0 if self.product else np.isfinite(x)
        t, total = self._t(x[positive]), np.zeros(x.shape)
        index, u = self._engine.locate(t)
        mass = np.zeros(t.shape)
        for i, piece in enumerate(self._engine.pieces):
            here = index == i
            mass[(t >= piece.ends[1]) & ~here] += piece.mass
            mass[here] += piece.cumulative(piece.angle(self._engine.parameter(u, t)[here]))
        total[positive] = self._engine.mass - mass if self.product else mass
        return total

    def quantile(self, u):
        u = levels(u)
        # atoms and pieces from left to right, each with its mass
        parts = [(x, w, None) for x, w in self.atoms()]
        parts += [(self._place(piece.t[0]), piece.mass, piece) for piece in self._engine.pieces]
        lo, hi = self._range()
        x, below = np.where(u > 0, hi, lo), 0.0
        for place, mass, piece in sorted(parts, key=lambda part: part[0]):
            here = (below < u) & (u <= below + mass)
            x[here] = place
            if piece is not None and here.any():
                rest = below + mass - u[here] if self.product else u[here] - below
                x[here] = self._place(self._engine.at_mass(piece, rest))
            below += mass
        return x

    # ---- transforms -------------------------------------------------------------------------
    def _green(self, z):
        # solve above the axis; real points from just above, where G is real off the support
        on = z.imag == 0
        up = np.where(z.imag < 0, z.conj(), z + 1e-9j * on * (1e-9 + abs(z)))
        g, slope = self._above(up)
        for lo, hi in self.support() if on.any() else ():
            on = on & ~((lo < z.real) & (z.real < hi))
        g, slope = (np.where(on, v.real, np.where(z.imag < 0, v.conj(), v)) for v in (g, slope))
        return g, slope


class FreeSum(FreeLaw):
    """The free sum ⊞ of laws: R-transforms add (Voiculescu 1986).

    An atom of weight μ({a}) + ν({b}) − 1 > 0 sits at a + b (Bercovici and Voiculescu 1998).
    Made by `+`, which checks. parts: {law: how often}. number: the shift.

    >>> from isolib.laws import Atoms, Semicircle
    >>> (Atoms([-1, 1], [0.5, 0.5]) + Atoms([-1, 1], [0.5, 0.5])).edges().round(9).tolist()
    [-2.0, 2.0]
    """

    def moments(self, k):
        c = [n * free_cumulants(law.moments(k)) for law, n in self.parts.items()]
        return moments_from_cumulants(np.sum(c, 0) + self.number * (np.arange(k) == 0))

    @property
    def variance(self):
        return float(sum(n * law.variance for law, n in self.parts.items()))

    def _scaled(self, k):
        return FreeSum({law.scaled(k): n for law, n in self.parts.items()}, k * self.number)

    def _above(self, z):
        h, slope = self._engine.solve(z)
        return 1 / h, -slope / h**2

    def _r_value(self, g):
        return self.number + np.sum([n * law.r_transform(g) for law, n in self.parts.items()], 0)


class FreeProduct(FreeLaw):
    """The free product ⊠ of laws on [0, ∞): S-transforms multiply (Voiculescu 1987).

    Atoms (Belinschi 2003): at 0 the largest of the factors' weights there; at ab the weight
    μ({a}) + ν({b}) − 1 if that is positive. Made by `@` and `**`, which check. parts: {law: how
    often}. number: the logarithm of the scale.

    >>> from isolib.laws import MarchenkoPastur
    >>> deep = MarchenkoPastur() ** 8
    >>> deep.edges().round(3).tolist(), deep.moments(2).tolist()
    ([0.0, 23.092], [1.0, 9.0])
    """

    product = True

    def moments(self, k):
        return moments_from_log_s(self._log_s_series(positive_int("k", k, MOST)))

    @property
    def variance(self):
        first, second = self._log_s_series(2)
        return float(np.exp(-2 * first) * -second)

    def _scaled(self, k):
        return FreeProduct(self.parts, self.number + math.log(k)) if k > 0 else super()._scaled(k)

    def _above(self, lam):
        low = lam.conj()  # D is where −log λ has Im > 0
        h, slope = self._engine.solve(-np.log(low))
        z, z1 = 1 / np.expm1(-h), -1 / np.expm1(h)
        return (z1 / low).conj(), (-(z * z1 * slope + z1) / low**2).conj()

    def _log_s_series(self, k):
        series = np.sum([n * law._log_s_series(k) for law, n in self.parts.items()], 0)
        return series - self.number * (np.arange(k) == 0)

    def _s_value(self, z):
        log_s = -self.number
        for law, n in self.parts.items():
            log_s = log_s + n * np.log(law.s_transform(z))
        return np.exp(log_s)


def _weight(law, place):
    return next((w for x, w in law.atoms() if x == place), 0.0)
