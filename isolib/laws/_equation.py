"""The equation behind every free sum and product, and the one rule that picks its root.

**The equation.** A free sum is found from subordination functions: for laws μ_i added n_i times,
F = 1/G of the sum at t satisfies F = F_i(w_i) for points w_i, and t = F − Σ n_i (F − w_i). A free
product is the same in logarithms: t = −log λ, w_i = log ω_i, h = log η with η = z/(1+z),
z = λG(λ) − 1, and h = log η_i(e^{w_i}). With Φ_i(w) = F_i(w) − w or log η_i(e^w) − w, and with
Ψ = −ΣR(1/h) or −Σ log S(z(h)) for the factors whose R or S is explicit, both read

    h = w_i + Φ_i(w_i) for each i,        t = h − Σ n_i Φ_i(w_i) − Ψ(h).

The domain D is the upper half-plane for sums and the strip 0 < Im w < π for products (λ is then
taken in the lower half-plane: laws are real, so nothing is lost). Φ_i and Ψ have Im ≥ 0 in D:
F_i(w) − w is a Nevanlinna function, and arg η_i(ω) ≥ arg ω (Belinschi and Bercovici 2005).

**The branch rule.** *A solution with every w_i inside D is the solution; outside the support there
is none on the real axis, and the density is 0.* Nothing has to be followed from far away.

*Proof, one w.* Write Im t = Im w − P(w). P = Im[(n−1)Φ(w) + Ψ(h(w))] is a positive harmonic
function in D, the Poisson integral of a measure on the real line: for sums because the Nevanlinna
functions Φ and Ψ∘h have no linear term; for products because it vanishes on Im w = π (negative ω,
where all is real: `FreeLaw._split` sees to it). Its kernels y/((x−s)² + y²) and
sin y/(cosh(x−s) − cos y), divided by y, decrease strictly in y. So on each vertical line P/y
decreases, Im t = y(1 − P/y) has at most one zero y = f(x) > 0, and Im t > 0 exactly above it.
Where f > 0, ∂_y Im t = Re t' > 0, so t increases with x along the graph of f, as |t'|²/Re t'. The
boundary of the set above the graph is mapped one to one onto that of D, so t is a conformal
bijection of that set onto D: M is found, and at a real t at most one w inside D solves.

*Proof, several w.* W_i = h − n_iΦ_i(w_i) = t + Σ_{j≠i} n_jΦ_j(w_j) + Ψ lies in D, and by the
first part w_i is the one point that the n_i-th power of law i has over W_i. For two factors
W_1 ↦ W_2 = t + n_1Φ_1 ↦ W_1 = t + n_2Φ_2 is an analytic map of D into itself, and a solution is a
fixed point. By Schwarz and Pick such a map, unless it is the identity, has at most one fixed point
inside: the Denjoy–Wolff point, which is the subordination function (Belinschi and Bercovici 2007).
Ψ goes with the first factor; more factors follow by induction.
"""

from __future__ import annotations

import numpy as np

quiet = np.errstate(all="ignore")  # what is not finite is found: by a residual, or by the mass


class Equation:
    """t as a function of the state u = (w_1, …, w_k), or u = (h,) if there are no w.

    Args:
        legs: [(law, n), ...] whose Φ is used; the first is the coordinate of the curve.
        rest: [(law, n), ...] with explicit `_log_s` (products) or `_r` (sums).
        product: which of the two the equation is for.
        shift: a constant added to t (minus the logarithm of a factor).
    """

    def __init__(self, legs, rest, product: bool, shift: float = 0.0):
        self.legs, self.rest, self.product, self.shift = legs, rest, product, shift
        self.top = np.pi if product else np.inf
        # each logarithm is off by a rounding, so n of them by n
        self.size = 1 + 0.1 * sum(n for _, n in [*legs, *rest])

    @quiet
    def at(self, u):
        """(t, dt/dw_1, h, size, agree, moves): t and its slope with the other w following w_1.

        size is the sum of the moduli of the terms, for judging a residual against rounding; agree
        says whether every w gives the same h; `moves(step)` is the Newton step of the whole state
        when w_1 moves by step.
        """
        h = w = u[0]
        dh, t, dt, size = 1.0, w, 1.0, self.size + abs(w)
        if self.legs:
            (law, n) = self.legs[0]
            phi, dphi = law._leg(w, self.product)
            h, dh, size = w + phi, 1 + dphi, size + (n - 1) * abs(phi)
            t, dt = w - (n - 1) * phi, 1 - (n - 1) * dphi  # h may be infinite where t is not
        psi, dpsi = self._psi(h)
        t, dt, size = t - psi + self.shift, dt - dpsi * dh, size + abs(psi)
        gains, agree = [], np.ones(h.shape, bool)
        for (law, n), v in zip(self.legs[1:], u[1:], strict=True):
            phi, dphi = law._leg(v, self.product)
            gain, miss = 1 / (1 + dphi), h - v - phi
            t, dt = t - n * (phi + dphi * gain * miss), dt - n * dphi * gain * dh
            size = size + n * abs(phi)
            gains.append((gain, miss))
            agree &= (abs(gain * miss) <= 1e-12) | (abs(miss) <= 4e-16 * (1 + abs(h) + abs(v)))
            size = size + n * abs(gain)

        def moves(step):
            return np.array([step, *(gain * (dh * step + miss) for gain, miss in gains)])

        return t, dt, h, size, agree, moves

    def _psi(self, h):
        """Ψ(h) and Ψ'(h)."""
        psi, slope = 0.0, 0.0
        if self.rest and self.product:
            z, z1 = 1 / np.expm1(-h), -1 / np.expm1(h)  # z and 1+z, each without cancellation
            for law, n in self.rest:
                value, d = law._log_s(z, z1)
                psi, slope = psi - n * value, slope - n * d * z * z1
        elif self.rest:
            for law, n in self.rest:
                value, d = law._r(1 / h)
                psi, slope = psi - n * value, slope + n * d / h**2
        return psi, slope

    @quiet
    def mass(self, h):
        """The mass per unit of t on the real axis: −Im G/π for sums, Im z/π for products."""
        return ((1 / np.expm1(-h)).imag if self.product else (-1 / h).imag) / np.pi

    @quiet
    def newton(self, t, u, steps=40):
        """Solve t(u) = t from u inside D; returns (u, whether each point is solved).

        A step that would leave D goes nine tenths of the way to its boundary.
        """
        u, ok = np.array(u), np.zeros(t.shape, bool)
        todo = np.arange(t.size)
        for _ in range(steps):
            value, slope, _, size, agree, moves = self.at(u[:, todo])
            miss = t[todo] - value
            step = moves(miss / slope)
            y, dy = u[:, todo].imag, step.imag
            room = np.where(dy < 0, -y / dy, (self.top - y) / dy)
            room = np.where(dy == 0, np.inf, room)
            part = np.minimum(1, 0.9 * room.min(0))
            done = abs(miss) <= 4e-14 * size + 2e-15 * abs(slope * u[0, todo])
            done &= agree
            good = np.isfinite(step).all(0)
            u[:, todo[good]] += (part * step)[:, good]
            ok[todo[done]] = True
            todo = todo[~done & good]
            if not todo.size:
                break
        return u, ok
