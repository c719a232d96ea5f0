"""The explorer and the checks of chapter 8, linear-dynamics."""

from __future__ import annotations

import numpy as np
from scipy.integrate import cumulative_simpson

from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame


def steps_to_learn(start: float, depth: int):
    """(steps, u/s): a balanced mode's course at half the largest stable rate, from u/s = start."""
    x = np.linspace(np.log(start / (1 - start)), np.log(999.0), 801)  # logit of u/s
    level = 1 / (1 + np.exp(-x))
    # dt = du / (L u^(2 − 2/L) (s − u)), du = u (1 − u/s) dx, and a step is 1/(L s^(2 − 2/L))
    return cumulative_simpson(level ** (2 / depth - 1), x=x, initial=0), level


def mode_learning() -> Explorer:
    """Chapter 8: one mode learned by gradient descent in a product of L balanced factors."""

    def frame(depth, start):
        steps, level = steps_to_learn(start, depth)
        passed = np.interp([0.1, 0.9], level, steps)
        text = (
            f"{depth} layer{'s' if depth > 1 else ''}, start at {start:g} of the mode: "
            f"half learned after {np.interp(0.5, level, steps):.3g} steps"
        )
        if start < 0.1:
            text += f", from a tenth to nine tenths in {passed[1] - passed[0]:.3g}"
        keep = np.linspace(0, len(level) - 1, 120).astype(int)
        return Frame([Curve("u / s", np.maximum(steps[keep], 0.01), level[keep])], text + ".")

    return Explorer(
        "mode-learning",
        "One mode, learned at half the largest stable rate",
        frame,
        {"depth": [1, 2, 3, 5, 10, 30, 100], "start": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]},
        {"depth": "depth L", "start": "start u₀/s"},
        xlim=(0.1, 3000),
        ylim=(0, 1.05),
        xlabel="steps",
        ylabel="share of the mode learned",
        xscale="log",
        start={"depth": 4, "start": 3},
    )


@exercise("linear-dynamics/2")
def largest_stable_rate(answer):
    """It should be a function of the depth, say `def largest_rate(depth): ...`."""

    def power(exponent, factor=2.0, sum_of=lambda depth: depth):
        return lambda depth: factor / (sum_of(depth) * 1.5 ** exponent(depth))

    return function_of(
        answer,
        [1, 2, 5, 40],
        power(lambda depth: 2 - 2 / depth),
        rtol=1e-9,
        wrong=[
            (power(lambda depth: 2 - 2 / depth, 1.0), "A step may be 2/κ, not only 1/κ."),
            (power(lambda depth: 2 + 0 * depth), "The exponent of s is 2 − 2/L, not 2."),
            (
                power(lambda depth: 2 - 2 / depth, sum_of=lambda depth: 1.0),
                "All L layers push: the sum has L terms.",
            ),
        ],
    )


@exercise("linear-dynamics/4")
def depth_of_tenfold_rate(answer):
    """It should be a whole number of layers."""
    return number(
        answer,
        9,
        rtol=1e-9,
        wrong={
            8: "At eight layers the ratio is 810/96, below ten.",
            10: "Look one layer earlier.",
        },
    )
