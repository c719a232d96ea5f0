"""The explorer and the checks of chapter 13, residual-training."""

from __future__ import annotations

import numpy as np

from isolib import results
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame


def training_curves() -> Explorer:
    """Chapter 13: the stored runs, seed by seed averaged, four comparisons of two quantities."""
    run = results.load("residual-training")["data"]
    nets, steps = run["nets"], np.maximum(run["step"], 0.7)  # step 0 has a place on a log axis
    groups = {
        "equal": [k for k in nets if k.startswith("equal")],
        "same": ["equal linear", "equal hard_tanh"] + [k for k in nets if k.startswith("same")],
        "tanh": [k for k in nets if k.startswith("scan tanh")] + ["equal tanh"],
        "relu": [k for k in nets if k.startswith("scan relu")] + ["equal relu"],
        "mean": ["equal relu", "centred relu", "equal sigmoid", "centred sigmoid"],
    }

    def frame(group, quantity):
        members, curves, ends = sorted(groups[group], key=lambda k: nets[k]["c"]), [], []
        for i, key in enumerate(members):
            kind, name = key.replace("hard_tanh", "hard tanh").split(" ", 1)
            label = {
                "tanh": f"c = {nets[key]['c']:.3g}",
                "relu": f"c = {nets[key]['c']:.3g}",
                "mean": f"{name}{', centred' if kind == 'centred' else ''}",
            }.get(group, name)
            y = nets[key][quantity].mean(0)
            curves.append(Curve(label.replace("_", " "), steps, np.nan_to_num(y, nan=9.0),
                                color=i % 7))  # fmt: skip
            ends.append((y[-1], label.replace("_", " ")))
        best = (min if quantity == "loss" else max)(ends)
        text = f"After {steps[-1]:g} steps the best mean is {best[0]:.3f}, of {best[1]}."
        return Frame(curves, text, ylim=(0, 3.5) if quantity == "loss" else (0, 1))

    return Explorer(
        "training-curves",
        "Residual networks of 50 layers, each at its own best rate",
        frame,
        {
            "group": {"seven at equal c": "equal", "seven at equal σ_w²": "same",
                      "tanh, four c": "tanh", "ReLU, four c": "relu",
                      "with and without the mean": "mean"},
            "quantity": {"training loss": "loss", "test accuracy": "accuracy"},
        },
        {"group": "networks", "quantity": "shown"},
        xlim=(0.7, float(steps[-1])),
        ylim=(0, 3.5),
        xlabel="step",
        ylabel="mean over seeds",
        xscale="log",
        start={"group": 0, "quantity": 0},
    )  # fmt: skip


@exercise("residual-training/1")
def unscaled_mean(answer):
    """It should be a number: the mean of the spectrum of JJᵀ."""
    return number(
        answer,
        2.0**50,
        rtol=1e-3,
        wrong={
            np.exp(50.0): "e^c is the limit of many small branches: here each layer doubles.",
            3.0**50: "φ'² of ReLU is 1 only half of the time.",
            2.0**25: "That is the root mean square singular value: square it.",
            np.e: "Without the factor 1/L every layer adds 1, not 1/50.",
        },
    )


@exercise("residual-training/2")
def normalised_cumulant(answer):
    """It should be a function of the depth, say `def cumulant(depth): ...`."""

    def total(offset, power=1.0, count=0):
        return lambda depth: np.array(
            [np.sum((offset + np.arange(int(d) + count)) ** -power) for d in np.atleast_1d(depth)]
        )

    return function_of(
        answer,
        [1, 2, 10, 200],
        total(4.0),
        rtol=1e-6,
        wrong=[
            (total(5.0), "The first layer divides by r⁰ = 4, before anything was added."),
            (total(1.0), "The input has mean square 4."),
            (lambda depth: np.log(1 + depth / 4), "That is the logarithm it grows like, not it."),
            (total(4.0, 0.5), "A branch divided by √r has the variance 1/r."),
        ],
    )
