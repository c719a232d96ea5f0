"""Page checks of chapter 2, random matrices."""

from __future__ import annotations

import numpy as np

from isolib.exercises import exercise, function_of, number
from isolib.laws import MarchenkoPastur

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
