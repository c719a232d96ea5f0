"""One piece of a traced curve: tables of t, state and mass over an angle."""

from __future__ import annotations

from functools import cache, cached_property

import numpy as np
from numpy.polynomial import Chebyshev

from isolib.laws._series import bisect, cosines

N = 128  # points on a piece


@cache
def _rule(n):
    """(x, weights): Chebyshev points on [−1, 1], ascending, and Fejér's weights for them."""
    theta = (np.arange(n) + 0.5) * np.pi / n
    k = 2 * np.arange(1, (n + 1) // 2)
    waves = np.cos(np.outer(theta, k)) / (k * k - 1)
    return -np.cos(theta), (2 - 4 * waves.sum(1)) / n


class Piece:
    """Angles lo < α < hi of an interval [a, b] of the parameter p = a + (b − a) sin²(α/2).

    A mass whose density in p vanishes or diverges like a square root at a or b is smooth in α,
    also at the ends, so Chebyshev points in α find it to rounding. ends: t at both ends.
    """

    def __init__(self, a, b, ends, point, angles=(0, np.pi)):
        self.interval, self.angles, self.ends, self.point = (a, b), angles, ends, point
        x, weights = _rule(N)
        lo, hi = angles
        self.weights, self.alpha = weights * (hi - lo) / 2, (lo + hi) / 2 + (hi - lo) / 2 * x
        self.u, self.t, density = point(self.p(self.alpha))
        self.slope = density * (b - a) / 2 * np.sin(self.alpha)
        self.mass = (self.slope * self.weights).sum()

    def p(self, alpha):
        """The parameter at an angle."""
        a, b = self.interval
        return a + (b - a) * np.sin(alpha / 2) ** 2

    def angle(self, p):
        """The angle at a parameter."""
        a, b = self.interval
        return np.clip(2 * np.arcsin(np.sqrt(np.clip((p - a) / (b - a), 0, 1))), *self.angles)

    @cached_property
    def series(self):
        """dF/dα as a Chebyshev series."""
        return Chebyshev(cosines(self.slope) * (-1.0) ** np.arange(N), self.angles)

    @cached_property
    def cumulative(self):
        """The mass between the first angle and α, as a function of α."""
        return self.series.integ(lbnd=self.angles[0])

    @property
    def rough(self):
        """The last terms of that series: what the sum over the points misses."""
        return abs(self.series.coef[-N // 4 :]).max() * (self.angles[1] - self.angles[0])

    def halves(self):
        """The piece in two."""
        lo, hi = self.angles
        cut = lo + 0.4987 * (hi - lo)  # at no place that a law is likely to have
        middle = self.point(self.p(np.array([cut])))[1][0]
        parts = (self.ends[0], middle, (lo, cut)), (middle, self.ends[1], (cut, hi))
        return [Piece(*self.interval, (s, t), self.point, span) for s, t, span in parts]

    def where(self, f, target):
        """The angles at which f, which increases, reaches each target."""
        ends = (np.full(target.shape, end) for end in self.angles)
        return bisect(lambda alpha: f(alpha) >= target, *ends)

    def guess(self, t):
        """State at real t inside the piece, by interpolation: w is smooth in α, and α in β."""
        lo, hi = self.ends
        beta = 2 * np.arcsin(np.sqrt(np.clip((t - lo) / (hi - lo), 0, 1)))
        table = 2 * np.arcsin(np.sqrt(np.clip((self.t - lo) / (hi - lo), 0, 1)))
        first, last = self.angles
        alpha = np.interp(beta, [0, *table, np.pi], [first, *self.alpha, last])
        u = np.array([np.interp(alpha, self.alpha, row) for row in self.u])
        rate = (self.u[0, -1] - self.u[0, -9]) / (self.t[-1] - self.t[-9])
        u[0] += np.maximum(t - hi, 0) * rate
        return u  # an open piece goes on in a straight line: λ is a power of e^w near 0


def cut(pieces, touches):
    """The pieces, cut in two until each is smooth, or rough by rounding.

    touches: whether the curve meets a pole of Φ, where t' is 0 and rounding can be large.
    """
    done = []
    while pieces and len(done) + len(pieces) < 100:  # the roughest first
        piece = pieces.pop(max(range(len(pieces)), key=lambda i: pieces[i].rough))
        halves = piece.halves() if piece.rough > 5e-11 else []
        worth = 0.9 if piece.rough < 1e-9 or touches else np.inf
        if halves and sum(half.rough for half in halves) < worth * piece.rough:
            pieces += halves
        else:
            done.append(piece)
    return done + pieces
