"""Laws with several coordinates w: t itself is the parameter of the curve.

Nothing says that the curve is a graph over one of the w, so it is found point by point: down a
path inside D to just above the axis, then by Newton's method onto it. Whatever way a solution was
come by, the rule of `Equation` certifies it: inside D there is only one. A part of the support
that the grid missed would be missing from the mass, which is checked.
"""

from __future__ import annotations

import numpy as np

from isolib.laws._curve import Engine


class Tracked(Engine):
    """An `Engine` for an `Equation` with two legs or more."""

    _grid = 801

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
        return lo, lo + 45.0 * (1 + sum(n for _, n in ranges)), True

    def _boundary(self, t):
        """(states at real t, whether each is inside D: then t is inside the support)."""
        _, u = self._reach(t + 1e-9j * min(self.spread, 1.0))
        return self._settle(t, u)

    def _settle(self, t, u):
        u, ok = self.eq.newton(t + 0j, u)
        return u, ok & (u.imag.min(0) > 1e-8 * min(self.spread, 1.0))

    def _intervals(self):
        first, last, reaches_zero = self._bounds()
        grid = np.linspace(first, last, self._grid + 2)
        states, inside = self._boundary(grid[1:-1])
        self.open = bool(inside[-1]) and reaches_zero
        # the bounds themselves are no part of the support, unless it goes on beyond the last
        inside = np.concatenate([[False], inside, [self.open]])
        states = np.concatenate([states[:, :1], states, states[:, -1:]], 1)
        change = np.flatnonzero(inside[1:] != inside[:-1])
        within = np.where(inside[change], change, change + 1)
        good, bad, u = (
            grid[within],
            grid[np.where(inside[change], change + 1, change)],
            states[:, within],
        )
        for _ in range(50):
            middle = (good + bad) / 2
            trial, yes = self._settle(middle, u)
            good, bad = np.where(yes, middle, good), np.where(yes, bad, middle)
            u = np.where(yes, trial, u)
        self.table = grid[inside], states[:, inside]
        if reaches_zero and not self.open and len(good):  # an end where nothing is left is no edge
            self.open = self.eq.mass(self.eq.at(u[:, -1:])[2])[0] < 1e-14
            good = good[: len(good) - self.open]
        edges = [*good, last] if self.open else list(good)
        return [(a, b, a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def _point(self, t):
        grid, states = self.table
        u, inside = self._settle(t, np.array([np.interp(t, grid, row) for row in states]))
        if not inside.all():
            u[:, ~inside], inside[~inside] = self._boundary(t[~inside])
        if not inside.all():
            raise ValueError(f"{self.name}: no solution at t = {t[~inside][0]:.9g}")
        h = self.eq.at(u)[2]
        return u, t, self.eq.mass(h)

    def _rescue(self, piece, t):
        return self._point(t)[0] if t.size else np.zeros((len(piece.u), 0), complex)

    def parameter(self, u, t):
        return t

    def _at_dips(self, piece):
        return [(piece.a, piece.b, *piece.ends)]
