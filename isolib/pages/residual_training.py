"""The explorer and the checks of chapter 13, residual-training."""

from __future__ import annotations

import numpy as np

from isolib import results
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame


def _title(name):
    return name.replace("_", " ").replace("selu", "SELU").replace("relu", "ReLU")


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
        title = _title(name)
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
            "name": {_title(k): k for k in names},
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
def spread_of_a_repaired_network(answer):
    """It should be a number: the relative variance of the law of JJᵀ at 50 layers."""
    return number(
        answer,
        50.0,
        rtol=1e-3,
        wrong={
            1.0: "That is one layer. There are fifty, and relative variances add.",
            37.5: "That is the linear network: the slopes of ReLU have a variance too.",
            100.0: "2c is the limit of many small branches: here each doubles the mean.",
            200.0: "Divide the variance of a layer by the square of its mean, 1 + v.",
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
