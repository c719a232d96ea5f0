"""Densities at 30 digits by other routes than isolib's: what every tool is held against.

Products of Gaussian layers have the closed parametrisation by sines (Fuss–Catalan). For the other
laws one equation is solved at each point; of its roots the right one is found by continuation
inside the upper half-plane, where M(λ) = λG(λ) − 1 is analytic: from −x, where M is real and the
only root in its range, along the half circle |λ| = x to x. Newton at 30 digits finishes it.
"""

from __future__ import annotations

import numpy as np
from mpmath import mp
from scipy.optimize import minimize_scalar

DIGITS = 30


def support(task: dict) -> tuple[float, float]:
    """The ends of the continuous part of a task's law."""
    kind = task["kind"]
    if kind == "marchenko-pastur":
        root = np.sqrt(task["ratio"])
        return float((1 - root) ** 2), float((1 + root) ** 2)
    if kind == "gaussian product":
        n = task["depth"]
        return 0.0, float(np.exp((n + 1) * np.log1p(n) - n * np.log(n)))
    if kind == "sum":  # variance 1 and ±1: the two bulks have just met, at 0
        return -1.5 * 3**0.5, 1.5 * 3**0.5
    if kind == "relu":
        n = task["depth"]
        return 0.0, float(n**n / (n - 1.0) ** (n - 1))
    if kind == "marchenko-pastur product":
        a, b = task["ratios"]
        # λ = (1+z)(1+az)(1+bz)/z, λ' = 0
        turning = np.roots([2 * a * b, a + b + a * b, 0, -1])
        z = turning[abs(turning.imag) < 1e-9].real
        ends = (1 + z) * (1 + a * z) * (1 + b * z) / z
        return tuple(float(e) for e in np.sort(ends[ends > 0])[[0, -1]])
    curve = _Tanh(task)
    bounds = (1e-3, 1 - 1e-9)
    top = minimize_scalar(
        lambda u: curve.value(u).real, bounds=bounds, method="bounded", options={"xatol": 1e-12}
    )
    return 0.0, float(top.fun)


def grid(task: dict, n: int, margin: float = 0.01) -> np.ndarray:
    """n points away from the edges, at equal steps of s = √λ; of λ itself for a law on both sides.

    What lies within `margin` of the range at either end is left out, and so is what lies below
    task["from"], where a task has that: a tail too thin to speak of relative errors.
    """
    lo, hi = support(task)
    lo = task.get("from", lo)
    steps = np.linspace(margin, 1 - margin, n)
    if lo < 0:
        return lo + (hi - lo) * steps
    return (np.sqrt(lo) + (np.sqrt(hi) - np.sqrt(lo)) * steps) ** 2


def density(task: dict, x: np.ndarray) -> np.ndarray:
    """The density of a task's law at points inside the support, computed at 30 digits."""
    with mp.workdps(DIGITS):
        return np.array([float(value) for value in _ROUTES[task["kind"]](task, np.asarray(x))])


# ---- closed forms -------------------------------------------------------------------------------
def _marchenko_pastur(task, x):
    r = mp.mpf(task["ratio"])
    lo, hi = (1 - mp.sqrt(r)) ** 2, (1 + mp.sqrt(r)) ** 2
    return [mp.sqrt((hi - t) * (t - lo)) / (2 * mp.pi * r * t) for t in map(mp.mpf, x)]


def _gaussian_product(task, x):
    """λ = sin^{L+1}((L+1)φ) / (sin φ sin^L(Lφ)), φ in (0, π/(L+1)), falls from edge to 0."""
    n, target = task["depth"], np.log(x)

    def log_place(t, f=np, pi=np.pi):
        a = pi * t / (n + 1)
        return (n + 1) * f.log(f.sin(pi * t)) - f.log(f.sin(a)) - n * f.log(f.sin(n * a))

    lo, hi = np.zeros(len(x)), np.ones(len(x))
    for _ in range(60):
        middle = (lo + hi) / 2
        right = log_place(middle) > target
        lo, hi = np.where(right, middle, lo), np.where(right, hi, middle)
    out = []
    for t, goal in zip(lo, x, strict=True):
        a, goal = mp.pi * mp.mpf(t) / (n + 1), mp.log(mp.mpf(goal))
        for _ in range(4):
            s = mp.sin((n + 1) * a), mp.sin(a), mp.sin(n * a)
            value = (n + 1) * mp.log(s[0]) - mp.log(s[1]) - n * mp.log(s[2])
            slope = (n + 1) ** 2 * mp.cot((n + 1) * a) - mp.cot(a) - n**2 * mp.cot(n * a)
            a -= (value - goal) / slope
        s = mp.sin((n + 1) * a), mp.sin(a), mp.sin(n * a)
        out.append(s[1] ** 2 * s[2] ** (n - 1) / (mp.pi * s[0] ** n))
    return out


def _sum(task, x):
    """Semicircle ⊞ ½(δ₋₁+δ₁): G = (λ−G)/((λ−G)²−1), of whose three roots two are conjugate."""
    out = []
    for t in map(mp.mpf, x):
        roots = mp.polyroots([1, -2 * t, t * t, -t], maxsteps=200, extraprec=60)
        out.append(-min(mp.im(root) for root in roots) / mp.pi)
    return out


# ---- continuation -------------------------------------------------------------------------------
class _Rational:
    """λ(z) = Π (z − root)^power · scale, the curve of a law with a rational S-transform."""

    def __init__(self, factors, scale, bottom):
        self.factors, self.scale = factors, scale
        self.real = lambda t: bottom * t  # t in (0, 1) -> the real z that belong to λ < 0

    def value(self, z):
        out = self.scale
        for root, power in self.factors:
            out = out * (z - root) ** power
        return out

    def slope(self, z):
        """d log λ / dz."""
        return sum(power / (z - root) for root, power in self.factors)

    def value_and_slope(self, z):
        return self.value(z), self.slope(z)

    def mass(self, z):
        return z


class _Tanh:
    """z = ψ(u) = E[uφ'²/(1−uφ'²)] and λ = ((1+z)/z)(σ_w² z/((1+z)u))^L, by the trapezoid rule.

    The integrand has a pole where φ'² = 1/u, which comes close to the real axis from below (on
    the right) as u does; so the rule runs along a line that is turned upwards by `TURN`.
    """

    STEP, REACH, TURN = (
        0.125,
        12.5,
        0.25,
    )  # binary fractions; 1e-31 of the normal law lies beyond the reach

    def __init__(self, task, exact=False):
        self.depth = task["depth"]
        number = mp.mpf if exact else float
        self.gain = number(task["sigma_w2"])
        with mp.workdps(DIGITS):
            line = mp.mpc(1, self.TURN)
            y = [self.STEP * k * line for k in range(int(self.REACH / self.STEP) + 1)]
            self.slopes = [mp.cosh(mp.sqrt(mp.mpf(task["q"])) * t) ** -4 for t in y]
            step = self.STEP * line * 2 / mp.sqrt(2 * mp.pi)  # the integrand is even
            self.weights = [step * mp.exp(-t * t / 2) for t in y]
            self.weights[0] /= 2
        if not exact:
            self.slopes = np.array(self.slopes, dtype=complex)
            self.weights = np.array(self.weights, dtype=complex)
        self.exact = exact
        self.real = lambda t: -t / (1 - t)

    def psi(self, u):
        """ψ(u) and uψ'(u)."""
        if self.exact:
            ratios = [1 / (1 - u * s) for s in self.slopes]
            terms = [w * s * r for w, s, r in zip(self.weights, self.slopes, ratios, strict=True)]
            by_log = mp.fsum(t * r for t, r in zip(terms, ratios, strict=True))
            return u * mp.fsum(terms), u * by_log
        ratios = 1 / (1 - np.asarray(u)[..., None] * self.slopes)
        weights = self.weights * self.slopes
        return u * (ratios @ weights), u * (ratios**2 @ weights)

    def value_and_slope(self, u):
        """λ and d log λ / du."""
        z, by_log = self.psi(u)
        value = (1 + z) / z * (self.gain * z / ((1 + z) * u)) ** self.depth
        by_z = 1 / (1 + z) - 1 / z
        return value, (by_log * by_z * (1 - self.depth) - self.depth) / u

    def value(self, u):
        return self.value_and_slope(u)[0]

    def slope(self, u):
        return self.value_and_slope(u)[1]

    def mass(self, u):
        return self.psi(u)[0]


def _curve(task, exact=False):
    number = mp.mpf if exact else float
    if task["kind"] == "tanh":
        return _Tanh(task, exact)
    if task["kind"] == "relu":  # σ_w² = 2, S = (1+z)/(z+½) each: an atom of weight ½ at 0
        n = task["depth"]
        return _Rational([(0, -1), (-1, 1 - n), (-number(0.5), n)], number(2) ** n, -0.5)
    a, b = map(number, task["ratios"])
    return _Rational([(0, -1), (-1, 1), (-1 / a, 1), (-1 / b, 1)], a * b, -1.0)


def _continued(task, x, steps=200):
    curve = _curve(task)
    lo, hi = np.zeros(len(x)), np.ones(len(x))
    for _ in range(60):  # −λ falls from ∞ to 0 along the real roots
        middle = (lo + hi) / 2
        far = -curve.value(curve.real(middle)).real > x
        lo, hi = np.where(far, middle, lo), np.where(far, hi, middle)
    w = curve.real(lo).astype(complex)
    for angle in np.pi * np.linspace(1, 0, steps + 1)[1:] ** 2:  # finer towards the real axis
        for _ in range(6):
            value, slope = curve.value_and_slope(w)
            move = np.log(value / (x * np.exp(1j * angle))) / slope
            w = w - move
    if not (abs(move) < 1e-9 * abs(w)).all() or not (curve.mass(w).imag < 0).all():
        raise RuntimeError(f"the reference of {task['name']} did not converge")
    exact, out = _curve(task, exact=True), []
    for start, t in zip(w, x, strict=True):
        point, t = mp.mpc(complex(start)), mp.mpf(t)
        value, slope = exact.value_and_slope(point)
        point -= mp.log(value / t) / slope  # from 9 digits at least to twice as many
        out.append(-mp.im(exact.mass(point)) / (mp.pi * t))
    return out


_ROUTES = {
    "marchenko-pastur": _marchenko_pastur,
    "gaussian product": _gaussian_product,
    "sum": _sum,
    "relu": _continued,
    "marchenko-pastur product": _continued,
    "tanh": _continued,
}
