"""The explorer and the checks of chapter 7, spectral-universality."""

from __future__ import annotations

import numpy as np

from isolib import laws, spectra
from isolib.activations import Activation, get
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.meanfield import critical_point


def smooth_curve(v, points):
    """(λ, ρ) of the law with S = e^{−vz}, from the lower edge to the upper; 2·points values."""
    from scipy.optimize import brentq

    def square(eta):  # (x + ½)² on the curve z = x − iη
        return 0.25 + eta / np.tan(v * eta) - eta * eta

    last = brentq(square, 1e-9, np.pi / v - 1e-9)
    eta = last * np.sin(np.linspace(1e-3, np.pi / 2, points))
    root = np.sqrt(np.clip(square(eta), 0, None))
    x = np.concatenate([-0.5 - root, (-0.5 + root)[::-1]])
    eta = np.concatenate([eta, eta[::-1]])
    z = x - 1j * eta
    lam = abs((1 + z) / z) * np.exp(v * x)
    return lam, eta / (np.pi * lam)


def lower_quantile(law, share, points=800):
    """The s with `share` of the singular-value law below it, to the grid's step."""
    s = np.linspace(0, law.edges()[-1], points)
    return float(np.interp(share, law.cdf(s), s))


def bernoulli_curve(v, angles):
    """(λ, ρ) of the continuous part of the law with S = e^{−vz/(1+z)}, angles in (0, π)."""
    c = angles / np.tan(angles)
    lam = v * np.sin(angles) / angles * np.exp(c)
    return lam, v / (np.pi * lam) * angles / ((v - c) ** 2 + angles**2)


def universality() -> Explorer:
    """Chapter 7: the two classes at σ₀², and the finite networks that approach them."""
    values, depths = [0.05, 0.1, 0.25, 0.5, 0.9, 1.5, 3.0], [10, 100]

    def tanh_law(v, depth):
        lo, hi = 1e-8, 30.0
        for _ in range(36):
            q = np.sqrt(lo * hi)
            lo, hi = (q, hi) if spectra.layer_variance("tanh", q) * depth < v else (lo, q)
        return spectra.feedforward("tanh", depth, critical_point("tanh", q)[0], q)

    def frame(v, depth):
        lam, rho = smooth_curve(v, 34)
        s = np.sqrt(lam)
        lam_b, rho_b = bernoulli_curve(v, np.linspace(0.02, 0.86 * np.pi, 60))
        law = tanh_law(v, depth).singular_values()
        p = 1 / (1 + v / depth)
        hard = (laws.Bernoulli(p).scaled(1 / p) ** depth).singular_values()
        x = np.linspace(0.04, law.edges()[-1], 70)
        x_b = np.linspace(0.06, hard.edges()[-1], 50)
        atom = "".join(f", weight {w:.2f} at {a:.3f}" for a, w in hard.atoms() if a > 0)
        top = f", weight {1 - v:.2f} at {np.exp(v / 2):.3f}" if v < 1 else ""
        text = (
            f"σ₀² = {v:g}. Smooth limit: singular values from {s.min():.3f} to {s.max():.3f}; "
            f"{depth} layers of tanh: up to {law.edges()[-1]:.3f}, all but one in a thousand "
            f"above {lower_quantile(law, 1e-3):.3f}. Bernoulli limit: 0 to "
            f"{np.sqrt(np.e * v):.3f}{top}; {depth} layers of hard tanh: 0 to "
            f"{hard.edges()[-1]:.3f}{atom}."
        )
        atoms = ([np.exp(v / 2)], [1 - v]) if v < 1 else ([], [])
        curves = [
            Curve("smooth class, limit", s, 2 * s * rho, "theory"),
            Curve("tanh, L layers", x, law.density(x)),
            Curve("Bernoulli class, limit", np.sqrt(lam_b), 2 * np.sqrt(lam_b) * rho_b, color=1),
            Curve("hard tanh, L layers", x_b, hard.density(x_b), color=2),
            Curve("Bernoulli atom and its weight", *atoms, "atoms"),
        ]
        high = 1.25 * max((2 * s * rho).max(), law.density(x[8:]).max())
        return Frame(curves, text, xlim=(0, 1.1 * float(max(s.max(), x[-1]))), ylim=(0, high))

    return Explorer(
        "universality",
        "Two classes of deep networks: singular values of J",
        frame,
        {"v": values, "depth": depths},
        {"v": "σ₀²", "depth": "depth L"},
        xlabel="singular value",
        ylabel="density",
        start={"v": 2, "depth": 1},
    )


@exercise("spectral-universality/1")
def length_for_sine(answer):
    """Give one number: q to leading order."""
    wrong = {
        0.005: "That is tanh's constant: sin has φ'''(0)/φ'(0) = −1, so β ≈ 2q².",
        0.02: "β is the variance of −q z², and Var z² = 2: β ≈ 2q², not q²/2.",
        np.sqrt(0.1 / 500): "The factor 2 of Var z² = 2 is missing.",
        1e-4: "That is q². Take the root.",
        0.1 / 500: "That is one layer's variance, σ₀²/L. Call it v, and solve v = 2q² for q.",
    }
    return number(answer, 0.01, rtol=0.02, wrong=wrong)


@exercise("spectral-universality/2")
def top_of_bernoulli(answer):
    """Give a function of σ₀², say `def top(v): ...`, on both sides of 1."""
    points = np.array([0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0, 4.0])

    def top(v):
        return np.where(np.asarray(v) < 1, np.exp(v), np.e * np.asarray(v))

    z = (np.sqrt(1 + 4 / points) - 1) / 2
    smooth = (1 + z) / z * np.exp(points * z)
    wrong = [
        (lambda v: np.e * v, "That is the end of the continuous part. Below σ₀² = 1 an atom sits "
         "above it."),
        (np.exp, "That is where the atom sits; at σ₀² = 1 its weight reaches zero."),
        (lambda v: np.sqrt(top(v)), "That is s_max. The law of JJᵀ ends at its square."),
        (lambda v: smooth, "That is the top of the smooth class."),
    ]  # fmt: skip
    return function_of(answer, points, top, rtol=1e-6, wrong=wrong)


@exercise("spectral-universality/6")
def own_activation(answer):
    """Give an `Activation` (with its kinks), or the name of one."""
    if not isinstance(answer, (str, Activation)):
        return f"Expected an isolib.activations.Activation or a name, got {answer!r}."
    act = get(answer)
    if spectra.layer_variance(act, 1.0) < 0.03:
        return "That is all but linear: at q = 1 its slope must vary by a few per cent at least."
    design = spectra.design(act, 100)
    if design.law.variance > 0.2501:
        return "Isometry is out of its reach: " + design.warnings[0]
    lo = design.law.singular_values().edges()[0]
    share = float(design.law.cdf(0.01))
    if design.s_max > 1.25:
        return (
            f"Its largest singular value is {design.s_max:.3f}. Rare, large downward steps of the "
            "slope cost less at the top than frequent small changes."
        )
    if lo < 0.1 or share > 0:
        return (
            f"{share:.1%} of its singular values lie below 0.1: a slope of 0 sends a direction to "
            "nothing. What if it only halved?"
        )
    return None
