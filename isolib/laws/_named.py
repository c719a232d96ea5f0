"""Laws known by their S-transform: free multiplicative Brownian motion, and one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isolib._check import function, in_range, positive
from isolib.laws._classical import Bernoulli
from isolib.laws._free import FreeProduct


class MultiplicativeBrownian(FreeProduct):
    """The law with S(z) = e^{−c(1+2z)}: free multiplicative Brownian motion at time 2c.

    The limit of a deep residual network with a = 1 (chapter on residual networks): mean e^c,
    variance 2c e^{2c}, support [1/λ_max, λ_max] with λ_max = ((s+1)/(s−1)) e^{cs},
    s = √(1 + 2/c). Source: Biane (1997), "Segal–Bargmann transform". Raises `ValueError` unless
    c is finite and > 0 (at c = 0 it is the point mass at 1).

    >>> MultiplicativeBrownian(0.5).singular_values().edges().round(3).tolist()
    [0.353, 2.83]
    """

    def __init__(self, c: float):
        self.c = positive("c", c)
        super().__init__({_Exponential(self.c): 1}, 0.0)

    def __repr__(self):
        return f"MultiplicativeBrownian({self.c:g})"


class FromS(FreeProduct):
    """The law on [0, ∞) whose S-transform is given by its logarithm.

    Args:
        log_s: z ↦ log S(z) for a complex array z in the upper half-plane or real; analytic there
            and real on (−1 + at_zero, 0). Write it as a sum of logarithms of simple factors, not
            as the logarithm of a product: that one jumps by 2πi where the other does not.
        at_zero: the weight of the atom at 0, in [0, 1). Atoms elsewhere are found: S(∞) = 1/a.
        name: what messages call it.

    Raises:
        ValueError: log_s is no logarithm of an S-transform: not finite or not real on
            (−1 + at_zero, 0), no upper edge, a curve that turns back, or a mass that is not 1.

    The traced curve is right if S is analytic between it and (−1 + at_zero, 0): λ maps its ends
    and that interval one to one onto the boundary of a half-plane, hence the inside one to one
    onto the half-plane (Darboux), whose inverse is M. A branch cut of S in there shows as a mass
    that is not 1. Leaky ReLU's S has one: use `Atoms`.

    >>> law = FromS(lambda z: -2 * np.log(1 + z), name="two square Gaussian layers")
    >>> law.edges().round(6).tolist(), law.moments(3).round(9).tolist()
    ([0.0, 6.75], [1.0, 3.0, 12.0])
    """

    def __init__(self, log_s: Callable, *, at_zero: float = 0.0, name: str = "FromS"):
        function("log_s", log_s)
        self.name, at_zero = str(name), in_range("at_zero", at_zero, 0, 1, open_hi=True)
        factor = _Given(log_s, at_zero, self.name)
        super().__init__({factor: 1} | factor.projections, 0.0)
        self._engine.pieces  # refuses what is no law  # noqa: B018

    def __repr__(self):
        return self.name


class _Factor:
    """A factor of a free product that is known only by `_log_s`."""

    projections = {}

    def _range(self):
        return FreeProduct({self: 1} | self.projections, 0.0)._range()

    def atoms(self):
        """[(a, weight)] away from 0: where η = 1, t is finite there and dt/dη = weight > 0."""
        return []

    def s_transform(self, z):
        return np.exp(self._log_s(z, 1 + z)[0])


@dataclass(frozen=True)
class _Exponential(_Factor):
    """S = e^{−c(1+2z)}."""

    c: float

    def _log_s(self, z, z1):
        return -self.c * (z + z1), -2 * self.c

    def _log_s_series(self, k):
        return np.array([-self.c, -2 * self.c, *np.zeros(k)])[:k]


class _Given(_Factor):
    """A user's log S, with the projection that makes the atom at 0 divided out."""

    def __init__(self, log_s, at_zero, name):
        self.user, self.zero, self.name = log_s, at_zero, name
        self.projections = {Bernoulli(1 - at_zero): 1} if at_zero else {}
        z = -(1 - at_zero) * np.linspace(0.02, 0.98, 25)
        values = self._value(z + 0j)
        bad = ~(np.isfinite(values) & (abs(values.imag) <= 1e-9 * (1 + abs(values))))
        if bad.any():
            where = f"got {values[bad][0]:.6g} at z = {z[bad][0]:.6g}"
            raise ValueError(f"log_s must be real and finite on ({at_zero - 1:g}, 0), {where}")
        self.far = 0.0, np.zeros(24)
        self.far = self._power_series((0.2, 0.05, 0.01), inverse=True)

    def __repr__(self):
        return self.name

    def _value(self, z):
        with np.errstate(all="ignore"):  # what is not finite is reported by name
            value = np.array(self.user(z), dtype=complex)
        if value.shape != z.shape:
            raise ValueError(f"log_s must keep the shape of z, {z.shape}, got {value.shape}")
        return value

    def _log_s(self, z, z1):
        rest = z1 - self.zero
        step = 0.01 * np.minimum(abs(rest), np.maximum(abs(z), 0.1))
        value = self._value(z)
        # the slope by a difference of order 6, along the reals, so that no cut is crossed
        up = [self._value(z + k * step) - self._value(z - k * step) for k in (1, 2, 3)]
        slope = (0.75 * up[0] - 0.15 * up[1] + up[2] / 60) / step
        for law, n in self.projections.items():
            more, d = law._log_s(z, z1)
            value, slope = value - n * more, slope - n * d
        radius, c = self.far
        away = abs(z) * radius > 4  # where a user's logarithms of large z cancel
        value[away] = np.polyval(c[::-1], 1 / z[away])
        slope[away] = -np.polyval(np.polyder(c[::-1]), 1 / z[away]) / z[away] ** 2
        return value, slope

    def _power_series(self, radii, inverse=False):
        """(radius, coefficients) of log S as a power series in z or 1/z; zeros if it is none.

        From log S on the upper half of a circle about 0, or about ∞ in 1/z.
        """
        turn = np.exp(1j * np.pi * (np.arange(32) + 0.5) / 32)
        for radius in radii:
            z = turn / radius if inverse else turn * radius
            value = self._log_s(z, 1 + z)[0]
            value = value.conj() if inverse else value
            a = np.array([(value * turn**-j).real.mean() for j in range(-31, 32)])
            if max(abs(a[:31]).max(), abs(a[-8:]).max()) < 1e-12 * (1 + abs(a).max()):
                return radius, a[31:55] / radius ** np.arange(24)
        return 0.0, np.zeros(24)

    def _log_s_series(self, k):
        radius, c = self._power_series(0.3 * (1 - self.zero) * 0.5 ** np.arange(12))
        if not radius or k > len(c):
            raise ValueError(f"{self.name}: log_s is not analytic at z = 0")
        return c[:k]

    def atoms(self):
        """The atom away from 0: S(∞) = 1/a, and 1 − weight is the first coefficient in 1/z."""
        radius, c = self.far
        weight = min(1 - c[1], 1.0) if abs(1 - c[1]) > 1e-9 else 0.0
        return [(float(np.exp(-c[0])), weight)] if radius and weight >= 0 else []
