"""The explorer and the checks of chapter 17, in-practice."""

from __future__ import annotations

import numpy as np

from isolib import spectra
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame

#: what the explorer calls a setting: architecture, and the largest variance over mean squared
SETTINGS = {
    "plain, spread 0.05": ("feedforward", 0.05),
    "plain, spread 0.25": ("feedforward", 0.25),
    "plain, spread 1": ("feedforward", 1.0),
    "residual, c = 1/8": ("residual", 0.25),
    "residual, c = 1/2": ("residual", 1.0),
}


def designs() -> Explorer:
    """Chapter 17: what `spectra.design` returns, and the law it predicts."""
    s = np.geomspace(0.05, 20, 90)

    def frame(activation, depth, setting):
        architecture, variance = SETTINGS[setting]
        d = spectra.design(activation, depth, architecture, variance=variance)
        law = d.law.singular_values()
        atoms = [(place, weight) for place, weight in law.atoms() if place > 0]
        zero = sum(weight for place, weight in law.atoms() if place == 0)
        warned = " " + d.warnings[0] if d.warnings else ""
        residual = architecture == "residual"
        gain = (d.sigma_w2 / depth if residual else d.sigma_w2) ** 0.5
        bias = "no biases" if residual else f"biases normal with std {d.sigma_b2**0.5:.3g}"
        size = 1.0 if residual else (d.q - d.sigma_b2) / d.sigma_w2
        text = (
            f"nn.init.orthogonal_(w, gain={gain:.5g}), {bias}, inputs of mean square {size:.3g}. "
            f"Law of JJᵀ: mean {d.law.mean:.3f}, spread "
            f"{d.law.variance / d.law.mean**2:.3f}, s_max {d.s_max:.3f}"
            + (f", weight {zero:.3g} at 0." if zero > 1e-9 else ".")
            + warned
        )
        curves = [
            Curve("predicted density of ln s", s, s * law.density(s), "theory"),
            Curve("atom", [p for p, _ in atoms], [w for _, w in atoms], "atoms"),
        ]
        return Frame(curves, text)

    return Explorer(
        "designs",
        "An activation, a depth, and the initialisation that belongs to them",
        frame,
        {
            "activation": {"tanh": "tanh", "hard tanh": "hard_tanh", "GELU": "gelu",
                           "ReLU": "relu"},
            "depth": [10, 30, 100],
            "setting": {name: name for name in SETTINGS},
        },
        {"activation": "activation", "depth": "depth L", "setting": "network"},
        xlim=(0.05, 20),
        ylim=(0, 3.2),
        xlabel="singular value s",
        ylabel="density",
        xscale="log",
        start={"activation": 0, "depth": 1, "setting": 1},
    )  # fmt: skip


@exercise("in-practice/1")
def gain(answer):
    """It should be a number: the factor for every weight matrix."""
    return number(
        answer,
        0.288**-0.5,
        rtol=2e-3,
        wrong={
            1 / 0.288: "The mean of s² is a square: its root is what the weights change.",
            0.288**0.5: "That would make the gradient vanish faster still.",
            0.288**-20: "One stage at a time: each keeps 0.288 of the mean square.",
        },
    )


@exercise("in-practice/2")
def directions(answer):
    """It should be a function of the width, say `def directions(n): ...`."""
    return function_of(
        answer,
        [10, 100, 512, 5000],
        lambda n: 2e4 / (np.asarray(n) + 2),
        rtol=1e-6,
        wrong=[
            (lambda n: 2e4 / np.asarray(n), "Close: the denominator of the variance is n + 2."),
            (lambda n: 2e2 / (np.asarray(n) + 2), "One per cent is 0.01, and it gets squared."),
            (lambda n: 1e4 / (np.asarray(n) + 2), "The variance has a factor 2 in front."),
            (lambda n: 1e4 + 0.0 * np.asarray(n), "That forgets what a wide layer averages."),
            (lambda n: (2e4 / (np.asarray(n) + 2)) ** 0.5, "A standard error falls like 1/√k."),
        ],
    )
