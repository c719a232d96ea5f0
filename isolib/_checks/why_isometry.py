"""Checks of chapter 1, why-isometry."""

import math

import numpy as np

from isolib.exercises import exercise, function_of, number


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
