"""The explorers and the checks of chapter 2, random-matrices."""

from __future__ import annotations

import numpy as np

from isolib import ensembles, laws
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.laws import MarchenkoPastur


def marchenko_pastur() -> Explorer:
    """Chapter 2: eigenvalues of (1/n) X Xᵀ on the Marchenko–Pastur law, by ratio and size."""
    ratios = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0]
    sizes = [20, 60, 200, 600]

    def frame(ratio, n):
        law = laws.MarchenkoPastur(ratio)
        # as many matrices as give about 1,200 eigenvalues, so that only n changes the picture
        batch = max(1, round(1200 / (n * ratio)))
        eigenvalues = np.linalg.eigvalsh(
            ensembles.wishart(n, ratio, batch=batch, seed=int(100 * ratio) + n)
        ).ravel()
        share = min(1.0, 1 / ratio)  # a ratio above 1 leaves n·(r−1) zeros: the atom
        positive = eigenvalues[eigenvalues > 1e-9]
        hi = law.edges()[1]
        end = 1.05 * max(1.1 * hi, positive.max())
        counts, ends = np.histogram(positive, bins=36, range=(0, end))
        heights = counts / counts.sum() / np.diff(ends) * share
        # the density runs to infinity at 0 when the ratio is 1: show it up to a readable height
        first = 0.05 if ratio == 1 else 0.0
        x = law.edges()[0] + (hi - law.edges()[0]) * np.sin(np.linspace(first, np.pi / 2, 90)) ** 2
        top = 1.25 * min(law.density(x[2:-1]).max(), 2.5 * np.sort(heights)[-4])
        atom = f" Weight {1 - 1 / ratio:.3g} sits at 0." if ratio > 1 else ""
        text = (
            f"p/n = {ratio:g}, n = {n}: edges {law.edges()[0]:.3g} and {hi:.3f}; the simulation "
            f"({batch} {'matrix' if batch == 1 else 'matrices'}) reaches from "
            f"{positive.min():.3g} to {positive.max():.3f}.{atom}"
        )
        curves = [
            Curve("simulation", ends, heights, "steps"),
            Curve("Marchenko–Pastur density", x, law.density(x), "theory"),
        ]
        return Frame(curves, text, xlim=(0, float(end)), ylim=(0, float(top)))

    return Explorer(
        "marchenko-pastur",
        "Eigenvalues of a sample covariance matrix on the Marchenko–Pastur law",
        frame,
        {"ratio": ratios, "n": sizes},
        {"ratio": "ratio p/n", "n": "columns n"},
        xlabel="eigenvalue",
        ylabel="density",
        start={"ratio": 3, "n": 2},
    )


def stieltjes() -> Explorer:
    """Chapter 2: the Green's function of one matrix a height η above the axis, and its limit."""
    sizes, heights = [25, 100, 400], [1.0, 0.5, 0.2, 0.1, 0.05, 0.03]
    law, x = laws.Semicircle(), np.linspace(-3, 3, 201)
    eigenvalues = {n: np.linalg.eigvalsh(ensembles.goe(n, seed=n)) for n in sizes}

    def frame(n, eta):
        z = x + 1j * eta
        one = np.array([-np.mean(1 / (point - eigenvalues[n])).imag for point in z]) / np.pi
        limit = -law.cauchy(z).imag / np.pi
        text = (
            f"N = {n}, η = {eta:g}: the two smoothed curves differ by at most "
            f"{abs(one - limit).max():.2g}, the limit and the semicircle by "
            f"{abs(limit - law.density(x)).max():.2g}; near 0 the eigenvalues are {np.pi / n:.2g} "
            "apart."
        )
        curves = [
            Curve("one matrix, −Im G(x + iη)/π", x, one),
            Curve("N → ∞ at the same η", x, limit, color=1),
            Curve("semicircle density", x, law.density(x), "theory"),
        ]
        return Frame(curves, text)

    return Explorer(
        "stieltjes",
        "The Green's function a height η above the real axis",
        frame,
        {"n": sizes, "eta": heights},
        {"n": "size N", "eta": "height η"},
        xlim=(-3, 3),
        ylim=(0, 0.6),
        xlabel="x",
        ylabel="density",
        start={"n": 1, "eta": 2},
    )


# the layer of both checks: 900 inputs, 100 outputs, weights of variance 2/900
_RATIO, _VARIANCE = 100 / 900, 2.0


@exercise("random-matrices/1")
def smallest_singular_value(answer):
    """Give one number: the limit of the layer's smallest singular value."""
    lo, hi = MarchenkoPastur(_RATIO, _VARIANCE).singular_values().edges()
    root = np.sqrt(_RATIO)
    wrong = {
        lo**2: "That is the smallest eigenvalue of WWᵀ. A singular value is its square root.",
        hi: "That is the largest singular value: take the other sign in 1 ± √r.",
        1 - root: "The variance is missing: the edges scale with σ_w, here √2.",
        _VARIANCE * (1 - root): "The edge of s scales with the standard deviation σ_w = √2, "
        "not with the variance σ_w² = 2.",
        np.sqrt(_VARIANCE) * (1 / root - 1): "The ratio is outputs over inputs, p/n = 1/9; "
        "you used n/p = 9.",
        np.sqrt(_VARIANCE) * (1 - _RATIO): "The edge holds √r = 1/3, not r = 1/9.",
        0.0: "There is no atom at 0 here: WWᵀ is 100 × 100 and p < n, so it has full rank.",
    }
    return number(answer, lo, rtol=1e-3, wrong=wrong)


@exercise("random-matrices/2")
def singular_value_density(answer):
    """Give a function of s: the density of the layer's singular values, for s > 0."""
    law = MarchenkoPastur(_RATIO, _VARIANCE)
    singular = law.singular_values()
    lo, hi = singular.edges()
    inside = np.linspace(lo, hi, 14)[1:-1]
    points = np.concatenate([[0.5 * lo], inside, [1.2 * hi]])
    wrong = [
        (
            lambda s: law.density(s * s),
            "That is ρ(s²). A density changes with its variable: multiply by |dλ/ds| = 2s.",
        ),
        (lambda s: law.density(s), "That is the density of the eigenvalues λ of WWᵀ, at λ = s."),
        (lambda s: np.pi * singular.density(s), "A factor 1/π is missing: ρ = −Im G/π."),
        (
            lambda s: _RATIO * singular.density(s),
            "The integral of your density is r = 1/9: "
            "you have normalised by n instead of p, so the ratio r is missing below.",
        ),
        (
            lambda s: singular.density(s * np.sqrt(_VARIANCE)) * np.sqrt(_VARIANCE),
            "That is the density for weights of variance 1/900: σ_w² = 2 is missing.",
        ),
        (
            lambda s: MarchenkoPastur(1 / _RATIO, _VARIANCE).singular_values().density(s),
            "The ratio is outputs over inputs, p/n = 1/9; you used n/p = 9.",
        ),
    ]
    return function_of(answer, points, singular.density, rtol=1e-6, wrong=wrong)
