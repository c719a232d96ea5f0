"""One interval of a traced curve, sampled so that mass is smooth up to both ends."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from isolib.laws._series import cumulative


class Piece:
    """One interval of the continuous part: a table over α ∈ (0, π) of state, t and mass."""

    def __init__(self, a, b, ends, point, n):
        self.a, self.b, self.ends = a, b, ends  # the ends in p and in t
        self.alpha = (np.arange(n) + 0.5) * np.pi / n
        p = a + (b - a) * np.sin(self.alpha / 2) ** 2
        self.u, self.t, density = point(p)
        self.slope = density * (b - a) / 2 * np.sin(self.alpha)
        self.mass = self.slope.sum() * np.pi / n

    def guess(self, t):
        """State at real t inside the piece, by interpolation: w is smooth in α, and α in β."""
        lo, hi = self.ends
        ends = np.array([0, np.pi])
        beta = 2 * np.arcsin(np.sqrt(np.clip((t - lo) / (hi - lo), 0, 1)))
        table = 2 * np.arcsin(np.sqrt(np.clip((self.t - lo) / (hi - lo), 0, 1)))
        alpha = np.interp(
            beta, *(np.concatenate([ends[:1], v, ends[1:]]) for v in (table, self.alpha))
        )
        u = np.array([np.interp(alpha, self.alpha, row) for row in self.u])
        u[0] += np.maximum(t - hi, 0) * (self.u[0, -1] - self.u[0, -2]) / (self.t[-1] - self.t[-2])
        return u  # an open piece goes on in a straight line: λ is a power of e^w near 0

    def angle(self, p):
        """α at parameter p."""
        return 2 * np.arcsin(np.sqrt(np.clip((p - self.a) / (self.b - self.a), 0, 1)))

    @cached_property
    def cumulative(self):
        return cumulative(self.slope)
