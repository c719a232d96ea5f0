"""The law of φ'(√q z)², z standard normal: what a layer's nonlinearity does to the spectrum.

Where φ is piecewise linear the law is made of atoms. Elsewhere ψ(ω) = E[ωs/(1−ωs)] with
s = φ'(√q z)² is an integral whose integrand has a pole at s(z) = 1/ω, next to the real z-axis as
soon as ω is next to the real axis: there every quadrature with real nodes is wrong. So the path of
integration is moved to where Im s > 0, away from the poles (Im ω ≥ 0), between the points where s
turns or has a kink: these stay fixed, with nodes that crowd there double-exponentially. φ' off the
real axis is its Chebyshev interpolant. Complex nodes and weights then act like those of `Atoms`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import chebyshev

from isolib._check import positive
from isolib.laws._base import Law
from isolib.laws._classical import Atoms
from isolib.laws._series import bisect, cosines, upper_log

REACH = 9.0  # beyond it the normal law has mass 2e-19


class SquaredSlope(Law):
    """The law of φ'(√q z)², z standard normal, for an activation φ and a length q > 0.

    The squared entries of D in J = D^L W^L ⋯ D^1 W^1 (Pennington, Schoenholz and Ganguli 2017).
    ReLU gives Bernoulli(½), hard tanh Bernoulli(erf(1/√(2q))), leaky ReLU two atoms, linear a
    point mass. activation: a name or an `Activation`, whose kinks must be declared, and its slope
    given where differences would not be smooth to 1e-10. q: from about 1e-6 unless φ is piecewise
    linear. `support` and `edges` are those of |z| ≤ 450. Raises `ValueError` for an unknown name,
    q ≤ 0, or a slope that is not smooth between its kinks.

    >>> SquaredSlope("relu", 1.0).atoms()
    [(0.0, 0.5), (1.0, 0.5)]
    >>> tanh = SquaredSlope("tanh", 0.025)
    >>> round(tanh.mean, 6), tanh.edges().round(6).tolist()
    (0.953942, [0.0, 1.0])
    """

    def __init__(self, activation, q: float):
        from isolib import activations  # brings scipy.special: only who needs it waits for it

        self.activation, self.q = activations.get(activation), positive("q", q)
        root = math.sqrt(self.q)
        kinks = [k / root for k in self.activation.kinks if abs(k / root) < REACH]
        ends = [-REACH, *kinks, REACH]
        fixed, self._range_of, parts, self._turns = {}, [], [[np.empty(0)] * 4], []
        for a, b in zip(ends[:-1], ends[1:], strict=True):
            z = (a + b) / 2 - (b - a) / 2 * np.cos(np.pi * (np.arange(33) + 0.5) / 33)
            g = self.activation.slope(root * z)
            if not np.isfinite(g).all():
                raise ValueError(f"activation has a slope that is not finite on ({a:g}, {b:g})/√q")
            if np.ptp(g) <= 1e-13 * abs(g).max():
                place = float(g[16] ** 2)
                fixed[place] = fixed.get(place, 0.0) + _normal(a, b)
            else:
                nodes, reach, turns = _contour(lambda z: self.activation.slope(root * z), a, b)
                parts.append(nodes)
                self._range_of.append(reach)
                self._turns.extend(turns)
        self._fixed = sorted((x, w) for x, w in fixed.items() if w > 0)
        total = math.fsum(w for _, w in self._fixed)
        if not self._range_of:
            self._fixed = [(x, w / total) for x, w in self._fixed]
        s, w, *self._quadrature = map(np.concatenate, zip(*parts, strict=True))
        self._s = np.concatenate([s, [x for x, _ in self._fixed]]).astype(complex)
        self._w = np.concatenate([w, [w for _, w in self._fixed]]).astype(complex)
        self._continuous, mass = len(s), self._w.sum().real
        # where q is large, s may be so small that it is no double, or nodes be too far apart
        if not (abs(mass - 1) <= 1e-7 and np.isfinite(s).all()):
            raise ValueError(f"q is too large for {self!r}: the mass is {mass:.9g}, not 1")

    def __repr__(self):
        return f"SquaredSlope({self.activation.name!r}, q={self.q:g})"

    def _key(self):
        return self.activation, self.q

    def _parts(self, product):
        if self._continuous:
            return [(self, 1)]
        return Atoms(*zip(*self._fixed, strict=True))._parts(product)

    def atoms(self):
        return list(self._fixed)

    def support(self):
        merged = []
        for lo, hi in sorted(self._range_of):
            if merged and lo <= merged[-1][1]:
                lo, hi = merged[-1][0], max(hi, merged.pop()[1])
            merged.append((lo, hi))
        return merged

    def _places(self):
        x, w = self._quadrature
        deepest = x[(w > 1e-14) & (x > 0)].min(initial=1.0)  # next to nothing of the law is below
        return sorted({deepest, *self._turns, *(x for x, _ in self._fixed)})

    def _density(self, x):
        # the nodes lie where Im s > 0: seen from the real axis as from below
        s, w = self._s[: self._continuous], self._w[: self._continuous]
        return np.maximum((w / (x[:, None] - s)).sum(1).imag / np.pi, 0)

    def _below(self, x):
        # arg(s − x) goes from π where s < x to 0 where s > x
        off = self._s[: self._continuous] - x[..., None]
        logs = np.log(np.where(off == 0, 1e-300, off))
        return np.where(x > 0, (logs @ self._w[: self._continuous]).imag / np.pi, 0)

    def _green(self, z):
        flat = np.where(z.imag > 0, z.conj(), z)[..., None]
        f = 1 / (flat - self._s)
        g, slope = (f * self._w).sum(-1), -(f * f * self._w).sum(-1)
        up = z.imag > 0
        return np.where(up, g.conj(), g), np.where(up, slope.conj(), slope)

    def _leg(self, w, product):
        if not product:
            return super()._leg(w, product)
        f = 1 / (1 - np.exp(w)[:, None] * self._s)
        for i, (place, _) in enumerate(self._fixed):  # to full precision next to an atom
            if place > 0:
                f[:, self._continuous + i] = -1 / np.expm1(w + math.log(place))
        both = np.stack([self._w * self._s, self._w], 1)
        (n, d), (dn, dd) = (f @ both).T, ((f * f) @ both).T
        return upper_log(n / d), dn / n - dd / d


def _normal(a, b):
    """P(a < z < b), with the ends of the reach at infinity."""
    lo, hi = ((x > 0) * 2 - 1 if abs(x) == REACH else math.erf(x / math.sqrt(2)) for x in (a, b))
    return (hi - lo) / 2


class _Smooth:
    """φ' on a stretch [a, b] and near it in the complex plane: f of a Chebyshev series.

    f is exp if φ' has one sign, so that its small values are known as well as its large ones.
    """

    def __init__(self, g, a, b):
        self.middle, self.half = (a + b) / 2, (b - a) / 2
        for n in (64, 128, 256, 512, 1024, 2048, 4096):
            theta = np.pi * (np.arange(n) + 0.5) / n
            value = g(self.middle + self.half * np.cos(theta))
            one_sign = value.min() > 0 or value.max() < 0
            value = np.log(abs(value)) if one_sign else value
            c = cosines(value)
            size, noise = abs(c).max(), abs(c[-n // 8 :]).max()
            if noise < (1e-13 if n < 4096 else 1e-9) * size:
                break
        else:
            raise ValueError(
                f"the slope is not smooth on ({a:g}, {b:g})/√q: declare the kinks, "
                "and give slope= if it is computed by differences"
            )
        c = c[: 1 + np.flatnonzero(abs(c) > max(4 * noise, 1e-16 * size))[-1]]
        self.series = [c, chebyshev.chebder(c), chebyshev.chebder(c, 2)]
        self.log, self.tiny = one_sign, 1e-18 * size**2
        self.strip = self.half * 36 / len(c)  # how far φ' is analytic, from how fast c decreases

    def _values(self, z, k):
        # from the middle, not by NumPy's affine map, whose rounding is felt where kinks are fixed
        u = (z - self.middle) / self.half
        return [chebyshev.chebval(u, p) / self.half**i for i, p in enumerate(self.series[:k])]

    def square(self, z):
        """s = φ'²."""
        (v,) = self._values(z, 1)
        with np.errstate(over="ignore"):  # found by `SquaredSlope`
            return np.exp(2 * v) if self.log else v * v

    def turning(self, x):
        """(log s)' and (log s)'': how fast a lift of the path turns s; 0 where s is rounding."""
        v, v1, v2 = self._values(x, 3)
        if self.log:
            return 2 * v1, 2 * v2
        size = v * v + self.tiny
        return 2 * v * v1 / size, 2 * ((v1 * v1 + v * v2) / size - 2 * (v * v1 / size) ** 2)


@np.errstate(all="ignore")  # at a large q: what is not finite is missing from the mass
def _contour(g, a, b):
    """Nodes on a path over [a, b] where Im s ≥ 0, the range of s, and the s where it turns.

    Nodes: s, weights, and both again on the real axis.
    """
    # a series is at home in an ellipse, thin at its ends: those at infinity go further out
    z = np.linspace(a - 4 * (a == -REACH), b + 4 * (b == REACH), 4001)
    signs = np.sign(g(z)) * (abs(g(z)) > 1e-290)
    some = z[np.flatnonzero(signs)]
    whole = _Smooth(g, some[0], some[-1])
    # where s turns: a change of sign of its slope, leaving out slopes that are rounding
    u = np.linspace(a, b, 2001)
    rise = np.diff(g(u) ** 2)
    kept = np.flatnonzero(abs(rise) > 1e-12 * abs(rise).max())
    turn = np.flatnonzero(rise[kept[:-1]] * rise[kept[1:]] < 0)
    lo, hi, up = u[kept[turn]], u[kept[turn + 1] + 1], rise[kept[turn]]
    lo = bisect(lambda m: whole.turning(m)[0] * up <= 0, lo, hi)
    cuts = np.array([a, *lo, b])
    ends = g(cuts) ** 2
    even = a == -b and len(turn) % 2 and (g(u) == g(-u)).all()
    double, first = (2, len(cuts) // 2) if even else (1, 0)  # the left half repeats the right
    columns = []
    for lo, hi, rises in list(zip(cuts[:-1], cuts[1:], np.diff(ends) > 0, strict=True))[first:]:
        smooth, depth = whole, 0.5
        if (lo == -REACH) != (hi == REACH) and not whole.log:
            smooth, depth = _tail(g, z, signs, lo, hi) or whole, _depth(g, lo, hi, ends.max())
        x, dx, lift, dlift = _path(lo, hi, min(depth, 0.3 * whole.strip), smooth.turning)
        sign = 1j if rises else -1j
        path = x + sign * lift
        s, s0 = smooth.square(path), g(x) ** 2
        bell = [np.exp(-v * v / 2) / math.sqrt(2 * math.pi) * dx * double for v in (path, x)]
        keep = (abs(bell[0]) > 1e-18) & (some[0] <= x) & (x <= some[-1])
        s = s.real + 1j * np.maximum(s.imag, 0)  # below the axis it is rounding
        columns.append([v[keep] for v in (s, bell[0] * (1 + sign * dlift), s0, bell[1])])
    turns = [*ends, *(g(np.array([50 * x]))[0] ** 2 for x in (a, b) if abs(x) == REACH)]
    low, high = float(min(turns)), float(max(turns))
    nodes = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return nodes, (low if low > 1e-25 * high else 0.0, high), turns


def _tail(g, z, signs, lo, hi):
    """φ' from ±∞ to half way from the other end to the next zero, if it is of one sign there."""
    z, signs = (z[::-1], signs[::-1]) if hi == REACH else (z, signs)
    z, signs = z[signs != 0], signs[signs != 0]
    other = np.flatnonzero(signs != signs[0])
    alone = z[: other[0]] if other.size else z
    near = lo if hi == REACH else hi
    if alone.size < 50 or not min(alone) < near < max(alone):
        return None
    return _Smooth(g, *sorted((alone[0], (near + alone[-1]) / 2)))


def _depth(g, lo, hi, size):
    """The depth at which s − s(±∞) is turned by a radian at most, if s(±∞) is not 0."""
    far = hi if hi == REACH else lo
    limit, end = g(np.array([50 * far, far])) ** 2
    if limit == 0 or abs(limit - end) > 1e-6 * size:
        return 0.5
    off = abs(g(np.linspace(lo, hi, 4001)) ** 2 - limit)
    rate = abs(np.diff(np.log(off[off > 1e-13 * size]))) * 4000 / (hi - lo)
    return min(0.5, 1.2 / max(rate[20:-20].max(initial=0), 1.0))


def _path(a, b, depth, turning):
    """x, dx, lift(x), lift'(x): nodes over [a, b], crowding at ends that are fixed.

    The lift starts at 45° from fixed ends, is at most depth, and turns s by about 1 radian at
    most: it must not reach the poles from their other side. Steps of 0.14 lifts leave an error of
    e^{−2π/0.14} far inside.
    """
    fixed = [(side, end) for side, end in ((1, a), (-1, b)) if abs(end) != REACH]
    depth, step = min(depth, (b - a) / 4), 0.05
    for _ in range(2):
        if len(fixed) == 1:  # distance from the fixed end: log(1 + e^v), v = τ − e^{−τ}
            tau = np.arange(-3.6, b - a + 1, step)
            v = tau - np.exp(-tau)
            x = fixed[0][1] + fixed[0][0] * np.logaddexp(0, v)
            dx = step * (1 + np.exp(-tau)) / (1 + np.exp(-v))
        elif fixed:
            tau = np.arange(-3.4, 3.4 + step, step)
            x = (a + b) / 2 + (b - a) / 2 * np.tanh(np.pi / 2 * np.sinh(tau))
            dx = (b - a) * step * np.pi / 4 * np.cosh(tau)
            dx /= np.cosh(np.pi / 2 * np.sinh(tau)) ** 2
        else:
            x = np.arange(a, b + step, step)
            dx = np.full(x.shape, step)
        turn, dturn = turning(x)
        bump, dbump, mask, dmask = depth, 0.0, 1.0, 0.0
        near = abs(x) < 3
        for side, end in fixed:
            r = np.maximum(side * (x - end), 1e-300)
            k, m = np.sqrt(1 + (r / depth) ** 2), r / (r + 0.5)
            bump, dbump = bump * r / depth / k, dbump * r / depth / k + side * bump / depth / k**3
            mask, dmask = mask * m, dmask * m + side * mask * 0.5 / (r + 0.5) ** 2
            near &= r > 0.02 * (b - a)
        q, dq = depth / 1.2 * turn * mask, depth / 1.2 * (dturn * mask + turn * dmask)
        root = np.sqrt(1 + q * q)
        step = min(0.1, max(1e-4, step * 0.14 / (dx * root / bump)[near].max(initial=0.06)))
    return x, dx, bump / root, dbump / root - bump * q * dq / root**3
