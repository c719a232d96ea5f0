"""Chapter 9: the learning time of orthogonal tanh networks against rate, depth and q*.

Rates are given in the units of the page, η = c / (L N q*). The learning time is the step at which
the accuracy on 256 training examples first passes a level, interpolated between measured steps.
"""

from __future__ import annotations

import math

import numpy as np

from experiments.deep_training import AT_ONCE, network, pictures
from isolib import scale
from isolib.training import Sweep

LEVELS = (0.5, 0.8)


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(
            depths=[2, 4], qs=[0.025, 0.4], at=4, width=16, batch=16, count=256, steps=12,
            points=8, seeds=2, shares=[4.0, 16.0],
        ),
        laptop=dict(
            depths=[4, 8, 16, 32, 64], qs=[0.01, 0.025, 0.1, 0.3, 0.8], at=48, width=64,
            batch=64, count=8192, steps=120, points=28, seeds=5,
            shares=[2.0**k for k in range(-3, 7)],
        ),
        paper=dict(
            depths=[10, 25, 50, 100, 200, 300], qs=[0.01, 1 / 64, 0.025, 0.1, 0.3, 0.8], at=200,
            width=400, batch=128, count=50_000, steps=1000, points=40, seeds=5,
            shares=[2.0**k for k in range(-3, 8)],
        ),
    )  # fmt: skip


def time_to(level: float, step, accuracy) -> float:
    """The step at which the accuracy first passes `level`, linear in between; ∞ if it does not.

    >>> time_to(0.5, [0, 1, 3], [0.1, 0.4, 0.6])
    2.0
    """
    above = np.flatnonzero(np.asarray(accuracy) >= level)
    if not len(above):
        return math.inf
    k = above[0]
    if k == 0:
        return float(step[0])
    share = (level - accuracy[k - 1]) / (accuracy[k] - accuracy[k - 1])
    return float(step[k - 1] + share * (step[k] - step[k - 1]))


def run():
    n = sizes()
    x, y, held, name = pictures(n["count"])
    width, seeds = n["width"], range(n["seeds"])
    plain = dict(activation="tanh", weights="orthogonal", width=width, inputs=x.shape[1],
                 outputs=10)  # fmt: skip

    def times(depth, q):
        """Learning times, shape (levels, rates, seeds)."""
        runs = [dict(plain, depth=depth, q=q, lr=c / (depth * width * q), seed=s)
                for c in n["shares"] for s in seeds]  # fmt: skip
        sweep = Sweep(
            network, runs, x, y, steps=n["steps"], batch_size=n["batch"], log_points=n["points"],
            shape=["depth"], at_once=AT_ONCE, probe=256, device=scale.device(),
        )  # fmt: skip
        histories = sweep.run()
        found = np.array([[time_to(p, h.step, h.accuracy) for h in histories] for p in LEVELS])
        found = found.reshape(len(LEVELS), len(n["shares"]), len(seeds))
        print(f"  L = {depth}, q* = {q}:", np.median(found[1], axis=1).round(1), flush=True)
        return np.where(np.isfinite(found), found, np.nan)

    out: dict = {"images": name, **n, "levels": LEVELS}
    out["by_depth"] = {str(depth): times(depth, 0.025) for depth in n["depths"]}
    out["by_q"] = {str(q): times(n["at"], q) for q in n["qs"]}
    return out, seeds
