"""The curve on which t is real: traced once for a law, then every question is a look-up.

With one coordinate w the curve is a graph: over each x one height f(x), found by a bracketed
Newton iteration (`Equation` has the proof). With several, t itself is the parameter. Each piece is
sampled at p = a + (b−a) sin²(α/2); mass per unit of α is then smooth up to both ends, so
Chebyshev points give masses and the distribution to rounding, in logarithms.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from isolib.laws._classical import Atoms
from isolib.laws._equation import quiet
from isolib.laws._inside import Inside
from isolib.laws._piece import Piece, cut

NOTHING = 1e-13  # a piece of less mass is rounding
SMALL = 1e-10  # heights below this, in units of the distance to a pole, count as none


def snap(edge, t, w, place, near):
    """Lists of edges and of t there, with those near w replaced by w, where t is place.

    If the curve is inside on both sides of w, it touches the axis: two edges, and a piece on each
    side. The numbers of edges before and near w tell.
    """
    before, after = (np.flatnonzero(s * (np.array(edge) - w) > near) for s in (-1, 1))
    n = (len(edge) - len(before) - len(after)) % 2 or 2 * (len(before) % 2)
    edge = [edge[i] for i in before] + [w] * n + [edge[i] for i in after]
    return edge, [t[i] for i in before] + [place] * n + [t[i] for i in after]


class Engine(Inside):
    """Pieces of the real curve of an `Equation` with at most one leg.

    atoms: their total weight; meetings: [(t, weight)] where atoms meet; name: for messages.
    """

    def __init__(self, equation, atoms, meetings, name):
        super().__init__(equation, name)
        self.atoms, self.meetings, self.open = atoms, meetings, False
        laws = [law for law, _ in [*equation.legs, *equation.rest]]
        self.zero = max(w for law in laws for x, w in [*law.atoms(), (0, 0.0)] if x == 0)
        # rounding in Im t: none to speak of for atoms, whose two sums are all but real; a user's
        # logarithms of large z cancel next to the top atom, and those of 1 + z at λ = 0
        user = any(hasattr(law, "user") for law in laws)
        exact = not equation.legs or isinstance(equation.legs[0][0], Atoms)
        self.noise = 1e-13 if user else 0.0 if exact else 1e-14
        self.loose = 1e-9 if user and len(equation.legs) < 2 else 0.0
        self.nothing = 1e-11 if user else 1e-14 if self.noise else 1e-17
        if self.noise and len(equation.legs) < 2:  # the rest of it shows where all should be real
            size = abs(equation.at(min(self.places) - np.geomspace(0.1, 10, 6)[None] + 0j)[0].imag)
            self.noise = max(self.noise, size[size < 1e-9].max(initial=0))
        self.seen = np.zeros(1), np.full(1, min(self.spread, equation.top / 2))

    # ---- the graph y = f(x) -----------------------------------------------------------------
    @quiet
    def _height(self, x, y):
        """f(x), from a first guess y: the zero of Im t(x+iy)/y, which increases with y."""
        low, high = np.zeros(x.shape), np.full(x.shape, self.eq.top)
        y, moving = np.array(y), np.arange(x.size)
        for trial in range(150):
            v = y[moving]
            t, dt, _, size, *_ = self.eq.at((x[moving] + 1j * v)[None])
            g, slope = t.imag / v, (dt.real - t.imag / v) / v
            low[moving] = np.where(g < 0, v, low[moving])
            high[moving] = np.where(g < 0, high[moving], v)
            # Newton in y², in which g is smooth
            new = np.sqrt(np.maximum(v * v - 2 * v * g / slope, 0))
            lo, hi = low[moving], high[moving]
            outside = ~((lo < new) & (new < hi)) | (trial > 30)  # then halve
            middle = np.where(np.isinf(hi), 4 * v, np.where(lo > 0, np.sqrt(lo * hi), hi / 16))
            done = (abs(t.imag) <= 1e-15 * size) | (abs(new - v) <= 1e-14 * v)
            done |= hi <= lo * (1 + 1e-14)
            new = np.where(outside, np.where(done, v, middle), new)
            y[moving] = new
            moving = moving[~done & (new > 1e-16 * min(self.spread, 1e9))]
            if not moving.size:
                return y
        raise ValueError(f"{self.name}: no curve point above x = {x[moving[0]]:.6g}")

    @quiet
    def _point(self, x):
        y = self._height(x, np.interp(x, *self.seen))
        w = x + 1j * y
        t, dt, h, *_ = self.eq.at(w[None])
        rate = abs(dt) ** 2 / np.maximum(dt.real, 1e-14)  # rounding where t' is 0, in a cusp
        return w[None], t.real, self.eq.mass(h) * np.minimum(rate, 1e14 * abs(dt))

    @quiet
    def _sign(self, x, room):
        """(whether f(x) > 0, t', t''): from just above the real axis, room away from a pole."""
        y = np.maximum(SMALL * room, 100 * self.noise)
        t, dt, *_ = self.eq.at((x + 1j * y)[None])
        inside = t.imag < -np.maximum(1e-13 * y, 10 * self.noise)
        inside |= (dt.real < 0) & (self.noise > 0)  # where Im t drowns: on a gap it is y·t'
        return inside & np.isfinite(t), dt.real, dt.imag / y

    def _intervals(self):
        """[(a, b, t_a, t_b)] with f > 0 exactly on the (a, b)."""
        far = 120.0 + np.ptp(self.places) if self.eq.product else 1e3 * self.spread
        per = 16 if len(self.places) <= 64 else 4
        fine = 5 if self.noise else 11
        decades = fine + np.log10(far / min(self.spread, far))
        offset = far * 10.0 ** -np.linspace(0, decades, int(per * decades))
        offset = np.concatenate([-offset, offset[::-1]])
        x = np.unique((np.asarray(self.places)[:, None] + offset).ravel())
        x = x[(x > min(self.places) - far) & (x < max(self.places) + far)]
        x = x[x < 700] if self.eq.product else x  # e^x is a double
        room = abs(x[:, None] - np.asarray(self.places)).min(1)
        x, room = x[room > 0], room[room > 0]
        inside = self._sign(x, room)[0]
        if inside[0] or (inside[-1] and not self.eq.product):
            raise ValueError(f"{self.name} has no edge: its support is unbounded or it is no law")
        change = np.flatnonzero(inside[1:] != inside[:-1])
        room = np.minimum(room[change], room[change + 1])
        edge = self._edges(x[change], x[change + 1], inside[change], room)
        t = self.eq.at((edge + 0j)[None])[0] if edge.size else edge
        edge, t = self._snap(list(edge), list(t.real))
        self.open = bool(len(edge) % 2)
        if self.open:  # the curve runs to λ = 0
            edge.append(min(edge[-1] + far, 700))
            t.append(np.inf)
        end = 1.0
        for i in range(0, len(edge) if self.eq.product else 0, 2):  # stop where all is rounding
            x = np.linspace(*edge[i : i + 2], 241)[1:-1]
            u, _, density = self._point(x)
            left = abs(-1 / np.expm1(self.eq.at(u)[2]) - self.zero)  # 1 + z at λ = 0 is the atom
            gone = np.flatnonzero((density < self.nothing) * (left < 1e-6) + (left < self.nothing))
            last = self.open and i == len(edge) - 2
            none = left[0] < 1e-9 or density.max() < 1e-10 or (last and left[-1] > 1e-3)
            if i and none:  # an interval of rounding alone
                self.open, edge, t = bool(end < 1e-6), edge[:i], t[:i]
                break
            end = left[-1]
            if gone.size or last:
                edge = [*edge[: i + 1], x[gone[0] if gone.size else -1]]
                self.open, t = True, [*t[: i + 1], self._point(np.array(edge[-1:]))[1][0]]
                break
        return list(zip(edge[::2], edge[1::2], t[::2], t[1::2], strict=True))

    def _snap(self, edge, t):
        """Edges with those at an atom of weight 0 put there exactly: t' is 0 in a pole of Φ."""
        ws = self.places if self.eq.legs else np.zeros(1)
        for place, weight in self.meetings:
            if abs(weight) < 1e-12:
                value = self.eq.at((ws + 1e-7j * self.spread)[None])[0]
                for w in ws[abs(value - place) < 1e-4 * (1 + abs(place))]:
                    edge, t = snap(edge, t, w, place, 1e-3 * self.spread)
        return edge, t

    def _edges(self, lo, hi, lo_inside, room):
        """The points in the brackets where f becomes 0, that is t' = 0 on the real axis."""
        x = (lo + hi) / 2
        for _ in range(60):
            inside, d1, d2 = self._sign(x, room)
            left = inside == lo_inside  # x is on the same side as lo
            lo, hi = np.where(left, x, lo), np.where(left, hi, x)
            with np.errstate(all="ignore"):
                new = x - d1 / d2
            new = np.where((lo < new) & (new < hi), new, (lo + hi) / 2)
            if (abs(new - x) <= 1e-13 * room).all():
                break
            x = new
        return x

    # ---- the table --------------------------------------------------------------------------
    @cached_property
    def pieces(self):
        """The pieces, cut in two until each is smooth; raises if their masses do not sum to 1."""
        todo = [Piece(*part[:2], part[2:], self._point) for part in self._intervals()]
        if todo and len(self.eq.legs) < 2:  # what is known of the curve is a start for the rest
            u = np.concatenate([piece.u[0] for piece in todo])
            self.seen = u.real, np.maximum(u.imag, 1e-6 * self.seen[1][0])
        kept = [piece for piece in todo if abs(piece.mass) > NOTHING]
        touches = any(abs(weight) < 1e-12 for _, weight in self.meetings)
        done = cut(kept, touches)
        total = self.atoms + sum(piece.mass for piece in done)
        # next to a pole of Φ, Im t is less than its rounding: what is there is known less well
        if not abs(total - 1) < (1e-5 if touches else 1e-6):
            raise ValueError(f"{self.name}: the mass is {total:.9g}, not 1")
        for piece in done:
            if not (np.diff(piece.t) > -1e-5 * (1 + abs(piece.t[1:]))).all():
                raise ValueError(f"{self.name}: its curve turns back, so it is no law")
        return sorted(done, key=lambda piece: piece.t[0])

    @property
    def mass(self):
        """The mass of the continuous part."""
        return sum(piece.mass for piece in self.pieces)

    def ends(self):
        """[(t, t)] of the intervals of the support; the last may run to ∞."""
        ends = []
        for piece in self.pieces:  # pieces that meet make one interval
            start = ends.pop()[0] if ends and ends[-1][1] == piece.ends[0] else piece.ends[0]
            ends.append((start, piece.ends[1]))
        return ends[:-1] + [(ends[-1][0], np.inf)] if self.open and ends else ends

    def parameter(self, u, t):
        """The parameter of the pieces at located points: x = Re w."""
        return u[0].real

    def at_mass(self, piece, mass):
        """t at which a piece has collected a mass."""
        return self._point(piece.p(piece.where(piece.cumulative, mass)))[1]

    def locate(self, t):
        """(index of the piece or −1, state) at real t."""
        index, u = np.full(t.shape, -1), np.zeros((max(len(self.eq.legs), 1), t.size), complex)
        for i, piece in enumerate(self.pieces):
            last = self.open and piece is self.pieces[-1]
            here = np.flatnonzero((t > piece.ends[0]) & (last | (t < piece.ends[1])))
            state, ok = self.eq.newton(t[here] + 0j, piece.guess(t[here]))
            # a user's 1 + z has few digits near λ = 0: Newton goes on for ever, by less than this
            ok |= abs(self.eq.at(state)[0] - t[here]) <= self.loose * (1 + abs(t[here]))
            bad = ~ok | (state.imag <= 0).any(0)
            if bad.any():
                raise ValueError(f"{self.name}: no solution at t = {t[here[bad]][0]:.9g}")
            index[here], u[:, here] = i, state
        return index, u
