"""The explorer and the checks of chapter 9, training deep networks."""

from __future__ import annotations

import numpy as np

from isolib import results
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame

_OPTIMISERS = {"SGD": "sgd", "momentum": "momentum", "RMSProp": "rmsprop", "Adam": "adam"}
_MEASURES = {"test accuracy": "test_accuracy", "training loss": "loss"}


def learning_curves() -> Explorer:
    """Chapter 9: five starts under four optimisers, from the stored run."""
    run = results.load("deep-training")["data"]
    starts, step = run["starts"], run["step"][1:]

    def frame(optimiser, measure):
        seeds = run[_OPTIMISERS[optimiser]][_MEASURES[measure]]
        curves = seeds.mean(1)[:, 1:]
        accuracy = measure == "test accuracy"
        middle = np.searchsorted(step, 30)
        text = []
        for i in (middle, len(step) - 1):
            # the second one too: a lead smaller than the spread of the seeds is none
            worse = np.nan_to_num(-curves[:, i] if accuracy else curves[:, i], nan=np.inf)
            a, b = np.argsort(worse)[:2]
            text.append(
                f"after {step[i]:.0f} steps {starts[a]}: {curves[a, i]:.3f} (its seeds differ "
                f"by {np.ptp(seeds[a, :, i + 1]):.3f}), {starts[b]}: {curves[b, i]:.3f}"
            )
        return Frame(
            [  # four colours, and ink for the fifth
                *(Curve(starts[i], step, curves[i], color=i) for i in range(4)),
                Curve(starts[4], step, curves[4], "theory"),
            ],
            f"{optimiser}, {measure}: " + "; ".join(text) + ".",
            ylim=(0, 1) if accuracy else (0, 2.6),
        )

    return Explorer(
        "learning-curves",
        "Five initialisations, each at its best rate",
        frame,
        {"optimiser": list(_OPTIMISERS), "measure": list(_MEASURES)},
        {"optimiser": "optimiser", "measure": "measure"},
        xlim=(1, float(step[-1])),
        xlabel="step",
        ylabel="mean over the seeds",
        xscale="log",
        start={"optimiser": 0, "measure": 0},
    )


@exercise("training-deep-networks/2")
def safe_step(answer):
    """It should be a function of the depth, say `def safe(depth): ...`."""

    def safe(b=1.44, r=1.44, length=10.0, factor=2.0):
        return lambda depth: factor / (b * r * length * depth)

    return function_of(
        answer,
        [1, 8, 50, 200],
        safe(),
        rtol=1e-9,
        wrong=[
            (safe(b=1.2), "One of the two singular values is not yet squared."),
            (safe(b=1.2, r=1.2), "Both bounds enter squared."),
            (safe(length=0.025), "The squared length of a layer is N q, not q."),
            (safe(factor=1.0), "That is half of it: a step may be up to 2 over the largest rate."),
            (lambda depth: 2 / (1.44 * 1.44 * 10) + 0 * depth, "Λ is a sum over L layers."),
        ],
    )


@exercise("training-deep-networks/3")
def depth_of_large_spread(answer):
    """It should be a whole number of layers."""
    return number(
        answer,
        138,
        rtol=1e-9,
        wrong={
            139: "The readout is one of the m + 1 factors.",
            137: "One layer short: (1 + 2/N)^138 is still below 2.",
            277: "The variance gains a factor 1 + 2/N a layer, not 1 + 1/N.",
        },
    )
