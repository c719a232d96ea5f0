"""The explorer and the checks of chapter 1, why-isometry."""

from __future__ import annotations

import math

import numpy as np

from isolib import ensembles
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.products import log_singular_values


def depth_and_conditioning() -> Explorer:
    """Chapter 1: singular values of a product of L random matrices, Gaussian or perturbed.

    W = cos(θ) Q + sin(θ) G interpolates between a Haar orthogonal Q (θ = 0) and a Gaussian G
    (θ = π/2); both have mean squared singular value 1, and so has W.
    """
    n, depths = 60, [1, 2, 3, 5, 8, 12, 20, 30, 50]
    mixes = {f"{percent} %": percent / 100 for percent in (0, 5, 10, 20, 40, 70, 100)}

    def factors(mix, depth):
        rng, theta = np.random.default_rng(1), mix * np.pi / 2
        for _ in range(depth):
            q, g = ensembles.haar_orthogonal(n, rng=rng), ensembles.ginibre(n, rng=rng)
            yield np.cos(theta) * q + np.sin(theta) * g

    def frame(depth, gaussian):
        s = log_singular_values(factors(gaussian, depth)) / np.log(10)
        rank = np.arange(1, n + 1)
        decades = s[0] - s[-1]
        condition = f"{10**decades:,.3g}" if decades < 12 else f"about 10^{decades:.0f}"
        text = (
            f"Depth {depth}, {100 * gaussian:.0f} % Gaussian: largest singular value "
            f"{10 ** s[0]:.3g}, smallest {10 ** s[-1]:.2g}, ratio {condition}; "
            f"mean square {np.mean(10 ** (2 * s)):.2f}."
        )
        curve = Curve("singular values of the product", rank, 10**s, "points")
        # one scale for all mixtures of a depth, so that only the mixture changes the picture
        level = Curve("isometry", rank, np.ones(n), "theory")
        return Frame([curve, level], text, ylim=(10.0 ** -(1.25 * depth + 2), 100.0))

    return Explorer(
        "depth-and-conditioning",
        f"Singular values of a product of {n} × {n} random matrices",
        frame,
        {"depth": depths, "gaussian": mixes},
        {"depth": "depth L", "gaussian": "Gaussian share"},
        xlim=(0, n + 1),
        xlabel="rank of the singular value",
        ylabel="singular value",
        yscale="log",
        start={"depth": 6, "gaussian": 6},
    )


@exercise("why-isometry/2")
def layers_to_one_millionth(answer):
    """It should be a whole number of layers."""
    hint = number(
        answer,
        26,
        rtol=1e-9,
        wrong={
            13: "That is where the mean square falls below one millionth; take its square root.",
            25: "After 25 layers the root mean square is 3^(-12.5) = 1.1e-6, still above.",
            12 * math.log(10) / math.log(3): "Right so far, but layers come in whole numbers.",
        },
    )
    return hint


@exercise("why-isometry/4")
def condition_factor(answer):
    """It should be a function of the width N, say `def factor(n): ...`."""
    from scipy.special import digamma

    def gap(n):
        return 0.5 * (digamma(n / 2) - digamma(0.5))

    return function_of(
        answer,
        [10, 50, 100, 1000],
        lambda n: np.exp(gap(n)),
        rtol=1e-6,
        wrong=[
            (gap, "That is the logarithm of the factor: exponentiate it."),
            (lambda n: np.exp(2 * gap(n)), "That is the factor for squared singular values."),
            (lambda n: np.exp(0.5 * digamma(n / 2)), "Subtract λ_N too: ψ(1/2) is not zero."),
            (lambda n: gap(n) / math.log(10), "Those are decades; the factor is 10 to it."),
        ],
    )
