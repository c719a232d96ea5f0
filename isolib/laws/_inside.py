"""Solving an `Equation` at complex t, inside D: by Newton's method, down a path if need be.

Whatever way a solution was come by, the rule of `Equation` certifies it: there is only one.
"""

from __future__ import annotations

import numpy as np


class Inside:
    """An `Equation` with what a start far from the support needs.

    places: where the first leg has edges and atoms, as w. name: the law's, for messages.
    """

    def __init__(self, equation, name):
        self.eq, self.name, self.known = equation, name, []
        parts = [*equation.legs, *equation.rest]
        if equation.product:
            series = [n * law._log_s_series(2) for law, n in parts]
            self.log_mean, variance = -sum(a[0] for a in series), -sum(a[1] for a in series)
        else:
            variance = sum(n * law.variance for law, n in parts)
        if equation.legs:
            places = np.array(equation.legs[0][0]._places())
            self.places = np.unique(-np.log(places[places > 0]) if equation.product else places)
        else:  # the pole of R(1/h), or η = 1
            poles = [getattr(law, "r", 0) * getattr(law, "v", 0) for law, _ in parts]
            self.places = np.array([0.0]) if equation.product else np.unique(poles)
        self.spread = float(np.ptp(self.places) + np.sqrt(max(variance, 1e-20)))

    def solve(self, t):
        """(h, dh/dt) at complex t inside D."""
        failed, u = self._reach(t.ravel())
        if failed.size:
            raise ValueError(f"{self.name}: no solution at t = {failed[0]:.9g}")
        _, slope, h, *_ = self.eq.at(u)
        dh = 1.0 if not self.eq.legs else 1 + self.eq.legs[0][0]._leg(u[0], self.eq.product)[1]
        return h.reshape(t.shape), (dh / slope).reshape(t.shape)

    def _reach(self, t):
        """(targets that failed, states) at complex t inside D."""
        u, ok = self.eq.newton(t, self._start(t), 15)
        for steps in (17, 129):  # whatever the path, inside D there is one solution
            if not ok.all():
                path, v = self._path(t[~ok], steps)
                for target in path:
                    v, solved = self.eq.newton(target, v)
                u[:, ~ok], ok[~ok] = v, solved
        return t[~ok], u

    def _start(self, t):
        """The state at t far from the support."""
        if not self.eq.product:
            return np.array([t for _ in range(max(len(self.eq.legs), 1))])
        h = t - self.eq.shift + self.log_mean
        return np.array([h + law._log_s_series(1)[0] for law, _ in self.eq.legs] or [h])

    def _path(self, t, steps):
        """Targets from far above t down to t, all inside D, and the state at the first."""
        steps = np.linspace(0, 1, steps)
        if not self.eq.product:
            far = 1j * 30 * (self.spread + abs(self.places).max())
            path = [t + far * 1e-15**s for s in steps]
            return path, self._start(path[0])
        spine, states = self._spine(t.real.max())
        path = [t.real + 0.5j * np.pi * (2 * t.imag / np.pi) ** s for s in steps]
        return path, np.array([np.interp(t.real, spine, row) for row in states])

    def _spine(self, last):
        """t at half height, Im t = π/2, from above the support to last, and the states there."""
        if not self.known:
            above = self.eq.shift - self.log_mean - 12 - 2 * np.log1p(self.spread)
            t = np.array([above + 0.5j * np.pi])
            self.known = [(t.real[0], self.eq.newton(t, self._start(t))[0])]
        step = 0.5
        while self.known[-1][0] < last:
            t, u = self.known[-1]
            ahead = t + step * max(self.eq.at(u)[1].real[0], 0.1)
            v, ok = self.eq.newton(np.array([ahead + 0.5j * np.pi]), u, 8)
            if ok[0]:
                self.known.append((ahead, v))
            step = min(1.5 * step, 0.5) if ok[0] else step / 2
            if step < 1e-6:
                raise ValueError(f"{self.name}: no solution at t = {ahead:.9g}")
        return np.array([t for t, _ in self.known]), np.concatenate([u for _, u in self.known], 1)
