"""The explorer and the checks of chapter 13, residual-training."""

from __future__ import annotations

import numpy as np

from isolib import results
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame


def training_curves() -> Explorer:
    """Chapter 13: the stored runs of one activation, at equal c and at equal σ_w²."""
    run = results.load("residual-training")["data"]
    nets, steps = run["nets"], np.maximum(run["step"], 0.7)  # step 0 has a place on a log axis
    names = {k.split(" ", 1)[1]: k for k in nets if k.startswith("equal")}

    def frame(name, quantity):
        first = nets[names[name]]
        other = nets.get(f"same {name}", first)  # linear and hard tanh have c = ½ either way

        def top(y):
            return np.nan_to_num(y, nan=9.0)  # a run that diverged is above the picture

        everyone = np.median([nets[k][quantity].mean(0) for k in names.values()], axis=0)
        curves = [
            Curve("equal c", steps, top(first[quantity].mean(0))),
            Curve("equal σ_w²", steps, top(other[quantity].mean(0)), color=1),
            Curve("seeds, equal c: lowest", steps, top(first[quantity].min(0)), color=2),
            Curve("highest", steps, top(first[quantity].max(0)), color=2),
            Curve("median of the seven at equal c", steps, top(everyone), "theory"),
        ]
        title = name.replace("_", " ").replace("selu", "SELU").replace("relu", "ReLU")
        ends = [f"{n[quantity][:, -1].mean():.3f} at c = {n['c']:.3g} (rate {n['rate']:g})"
                for n in (first, other)]  # fmt: skip
        return Frame(
            curves,
            f"{title}, after {steps[-1]:g} steps: " + ", ".join(ends) + ".",
            ylim=(0, 3.5) if quantity == "loss" else (0, 1),
        )

    return Explorer(
        "training-curves",
        "Residual networks of 50 layers, each at its own best rate",
        frame,
        {
            "name": {k.replace("_", " "): k for k in names},
            "quantity": {"training loss": "loss", "test accuracy": "accuracy"},
        },
        {"name": "activation", "quantity": "shown"},
        xlim=(0.7, float(steps[-1])),
        ylim=(0, 3.5),
        xlabel="step",
        ylabel="mean over seeds",
        xscale="log",
        start={"name": 2, "quantity": 0},
    )


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
