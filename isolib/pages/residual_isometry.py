"""The explorers and the checks of chapter 12, residual-isometry."""

from __future__ import annotations

import math

import numpy as np

from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.pages.spectral_universality import smooth_curve
from isolib.residual import residual, residual_layer


def universal_curve(c, points):
    """(λ, ρ) of the law with S = e^{−c(1+2z)}, lower edge to upper; 2·points values."""
    lam, rho = smooth_curve(2 * c, points)  # e^c times the law with S = e^{−2cz}
    return lam * np.exp(c), rho / np.exp(c)


def top(c):
    """λ_max of the universal law."""
    zeta = np.sqrt(1 + 2 / np.asarray(c, dtype=float))
    return (zeta + 1) / (zeta - 1) * np.exp(c * zeta)


def universal_law() -> Explorer:
    """Chapter 12: the universal law against c, the law at depth L, and one network."""
    values, depths = [0.05, 0.125, 0.25, 0.5, 1.0, 2.0], [2, 5, 20, 100]
    n = 200

    def simulated(c, depth):
        rng, j = np.random.default_rng(7), np.eye(n)
        for _ in range(depth):
            j = j + math.sqrt(c / depth / n) * (rng.standard_normal((n, n)) @ j)
        return np.linalg.svd(j, compute_uv=False)

    def frame(c, depth):
        lam, rho = universal_curve(c, 50)
        s, seen = np.sqrt(lam), simulated(c, depth)
        law = (residual_layer(c / depth) ** depth).singular_values()
        lo, hi = law.edges()
        x = lo + (hi - lo) * np.sin(np.linspace(0.02, np.pi / 2 - 0.02, 60)) ** 2
        high = math.sqrt(top(c))
        counts, ends = np.histogram(seen, bins=24, density=True)
        curves = [
            Curve(f"one network, N = {n}", ends, counts, "steps"),
            Curve("limit of infinite depth", s, 2 * s * rho, "theory"),
            Curve("exact at depth L", x, law.density(x), color=1),
        ]
        text = (
            f"c = {c:g}: in the limit singular values from {1 / high:.3f} to {high:.3f}, "
            f"condition number {high**2:.2f}. At depth {depth}: {lo:.3f} to {hi:.3f}; "
            f"the network shown: {seen.min():.3f} to {seen.max():.3f}."
        )
        tall = 1.25 * max((2 * s * rho).max(), law.density(x).max())
        return Frame(curves, text, xlim=(0, 1.08 * high), ylim=(0, tall))

    return Explorer(
        "universal-law",
        "Residual networks: singular values of J against c and L",
        frame,
        {"c": values, "depth": depths},
        {"c": "c", "depth": "depth L"},
        xlabel="singular value",
        ylabel="density",
        start={"c": 3, "depth": 2},
    )


def residual_escape() -> Explorer:
    """Chapter 12: singular values of one ReLU network per depth, by kind of branch."""
    depths, branches, n = [10, 30, 60, 100, 200], ["plain", "centred", "signed"], 120

    def spectrum(depth, branch):
        rng = np.random.default_rng(11)
        x, j = rng.standard_normal(n), np.eye(n)
        x = (x - x.mean()) / x.std() * math.sqrt(depth / 0.5)
        for _ in range(depth):
            w = rng.standard_normal((n, n)) * math.sqrt(0.5 / depth / n)
            sign = np.where(rng.random(n) < 0.5, -1.0, 1.0)
            h = w @ x
            step, out = (h > 0)[:, None] * (w @ j), np.maximum(h, 0)
            if branch == "centred":
                step, out = step - step.mean(0), out - out.mean()
            elif branch == "signed":
                step, out = sign[:, None] * step, sign * out
            j, x = j + step, x + out
        return np.linalg.svd(j, compute_uv=False)

    def frame(depth, branch):
        law, s = residual(0.25).singular_values(), spectrum(depth, branch)
        lo, hi = law.edges()
        rank = (np.arange(n) + 0.5) / n
        x = np.linspace(lo, hi, 60)
        grown = math.sqrt(0.5 * math.exp(2 * math.sqrt(0.5 * depth / (2 * math.pi))))
        curves = [
            Curve("singular values of J", s[::-1], rank, "points"),
            Curve("distribution function of the law", x, law.cdf(x), "theory"),
        ]
        text = (
            f"{depth} layers, branch {branch}: the largest two singular values are {s[0]:.2f} and "
            f"{s[1]:.2f}, the law ends at {hi:.2f}."
            + (f" Predicted for the first: {grown:.2f}." if branch == "plain" else "")
        )
        return Frame(curves, text, xlim=(0, 1.05 * max(s[0], hi)), ylim=(0, 1.05))

    return Explorer(
        "residual-escape",
        "One singular value leaves: ReLU, σ_w² = 1/2, N = 120",
        frame,
        {"depth": depths, "branch": branches},
        {"depth": "depth L", "branch": "branch"},
        xlabel="singular value",
        ylabel="share of singular values below",
        start={"depth": 2, "branch": 0},
    )


@exercise("residual-isometry/2")
def condition_number(answer):
    """Give a function of c, say `def condition(c): ...`, that returns s_max/s_min of the limit."""
    points = np.array([0.01, 0.125, 0.5, 1.0, 3.0])
    wrong = [
        (lambda c: np.sqrt(top(c)), "That is s_max. The smallest is its inverse, not 1."),
        (lambda c: top(c) ** 2, "That is λ_max/λ_min. The singular values are the roots of λ."),
        (lambda c: np.exp(2 * c), "That would be so if all singular values were at two places, "
         "e^c and e^−c: find the edges where dλ/dz = 0."),
    ]  # fmt: skip
    return function_of(answer, points, top, rtol=1e-6, wrong=wrong)


@exercise("residual-isometry/5")
def depth_of_escape(answer):
    """Give one number: the depth L."""
    sigma2, want = 0.5, 100.0
    exact = math.pi * math.log(2 * want**2) ** 2 / (2 * sigma2)
    wrong = {
        math.pi * math.log(2 * want) ** 2 / (2 * sigma2): "The formula is for λ₁ = s₁²: it must "
        "reach 100² = 10,000.",
        math.pi * math.log(want**2) ** 2 / (2 * sigma2): "With an input of mean 0 there is a "
        "factor ½ before the exponential.",
        math.pi * math.log(want**2) ** 2 / (2 * sigma2) / 4: "The exponent is 2σ√(L/2π).",
    }
    return number(answer, exact, rtol=0.01, wrong=wrong)
