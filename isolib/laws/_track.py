"""Laws with several coordinates w: t itself is the parameter of the curve.

Nothing says that the curve is a graph over one of the w, so it is found point by point: down a
path inside D to just above the axis, then by Newton's method onto it. Whatever way a solution was
come by, the rule of `Equation` certifies it: inside D there is only one. A part of the support
that the grid missed would be missing from the mass, which is checked.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from isolib.laws._curve import Engine, snap


class Tracked(Engine):
    """An `Engine` for an `Equation` with two legs or more."""

    @cached_property
    def pieces(self):
        """The pieces; a grid that missed a gap or a part of the support is made finer."""
        self.extra, error = np.empty(0), None
        for self._grid in (401, 401, 1601, 1601, 6401):
            try:
                return Engine.pieces.func(self)
            except ValueError as failure:  # a point without a solution, or a mass that is not 1
                error = failure
        raise error

    def _bounds(self):
        """t below and above the support, and whether the support runs to λ = 0."""
        parts = [*self.eq.legs, *self.eq.rest]
        ranges = [(law._range(), n) for law, n in parts]
        if not self.eq.product:
            lo, hi = (sum(n * pair[i] for pair, n in ranges) for i in (0, 1))
            return lo + self.eq.shift, hi + self.eq.shift, False
        lo = self.eq.shift - sum(n * np.log(pair[1]) for pair, n in ranges)
        if min(pair[0] for pair, _ in ranges) > 0:
            return lo, self.eq.shift - sum(n * np.log(pair[0]) for pair, n in ranges), False
        spine, states = self._spine(lo)
        zeros = [w for law, _ in self.eq.legs for x, w in law.atoms() if x == 0]
        # with equal atoms at 0 no double h tells their w apart any further
        least = 1e-8 if zeros.count(self.zero) > 1 else 1e-15
        while self.eq.mass(self.eq.at(states[:, -1:])[2])[0] > least:  # as little as on the axis
            spine, states = self._spine(spine[-1] + 1e-6)
        return lo, spine[-1], True

    def _boundary(self, t):
        """(states at real t, whether each is inside D: then t is inside the support)."""
        _, u = self._reach(t + 1e-9j * min(self.spread, 1.0))
        return self._settle(t, u)

    def _settle(self, t, u):
        u, ok = self.eq.newton(t + 0j, u)
        return u, ok & (u.imag.min(0) > 1e-8 * min(self.spread, 1.0))

    def _intervals(self):
        first, last, reaches_zero = self._bounds()
        around = [t for t, w in self.meetings if w > -0.3 and first < t < last]
        off = (last - first) * 10.0 ** -np.linspace(1, 7, 50)
        near = (np.array(around)[:, None] + np.concatenate([-off, off])).ravel()
        near = near[(first < near) & (near < last)]
        grid = [np.linspace(first, last, self._grid + 2), near, self.extra]
        grid = np.unique(np.concatenate(grid))
        states, inside = self._boundary(grid[1:-1])
        self.open = bool(reaches_zero and inside[-1])
        # the bounds themselves are no part of the support, unless it goes on beyond the last
        inside = np.concatenate([[False], inside, [self.open]])
        states = np.concatenate([states[:, :1], states, states[:, -1:]], 1)
        change = np.flatnonzero(inside[1:] != inside[:-1])
        within = np.where(inside[change], change, change + 1)
        good, bad = grid[within], grid[np.where(inside[change], change + 1, change)]
        u = states[:, within]
        for _ in range(50):
            middle = (good + bad) / 2
            trial, yes = self._settle(middle, u)
            good, bad = np.where(yes, middle, good), np.where(yes, bad, middle)
            u = np.where(yes, trial, u)
        states = np.concatenate([states[:, inside], u], 1)
        order = np.argsort(np.concatenate([grid[inside], good]))
        self.table = np.concatenate([grid[inside], good])[order], states[:, order]
        edges, size = [*good, *[last] * self.open], last - first
        for place, weight in self.meetings:
            if abs(weight) < 1e-12 and edges:
                nearest = edges[abs(np.array(edges) - place).argmin()]
                edges, _ = snap(edges, edges, place, nearest, 1e-5 * size)
        ends = zip(edges[::2], edges[1::2], strict=True)
        return [(a, b, a, b) for a, b in ends if a < b]

    def _point(self, t):
        grid, states = self.table
        u, inside = self._settle(t, np.array([np.interp(t, grid, row) for row in states]))
        if not inside.all():
            u[:, ~inside], inside[~inside] = self._boundary(t[~inside])
        inside |= abs(t[:, None] - grid).min(1) <= 1e-10 * (1 + abs(t))  # no density at an edge
        if not inside.all():  # a gap, perhaps, that the grid stepped over: the next grid will not
            self.extra = np.append(self.extra, t[~inside])
            raise ValueError(f"{self.name}: no solution at t = {t[~inside][0]:.9g}")
        return u, t, self.eq.mass(self.eq.at(u)[2])

    def parameter(self, u, t):
        return t
