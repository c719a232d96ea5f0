"""Chapter 9: where a tanh and a ReLU network end, eight times as long as in `deep_training`.

Rates: the one found there and one half a decade below it; both are stored.
"""

from __future__ import annotations

import numpy as np

from experiments.deep_training import STARTS, network, pictures, sizes
from isolib import results, scale, training
from isolib.training import Sweep

PAIR = ("tanh orthogonal, 1.05", "ReLU orthogonal, 2")


def run():
    n = sizes()
    x, y, held, name = pictures(n["count"])
    length = scale.pick(test=8, laptop=2400, paper=100_000)
    step = training.log_steps(length, 12)
    found = results.load("deep-training")["data"]
    out: dict = {"images": name, "starts": PAIR, "steps": length, "step": step}
    out |= {key: n[key] for key in ("depth", "width", "batch", "count", "seeds")}
    for optimiser in ("momentum", "adam"):
        rates = np.array([found[optimiser]["rate"][list(STARTS).index(s)] for s in PAIR])
        rates = np.stack([rates, rates / 10**0.5], 1)  # (starts, rates)
        runs = []
        for start, pair in zip(PAIR, rates, strict=True):
            activation, weights, q = STARTS[start]
            runs += [dict(
                activation=activation, weights=weights, q=q, depth=n["depth"], width=n["width"],
                inputs=x.shape[1], outputs=10, lr=float(lr), seed=seed,
            ) for lr in pair for seed in range(n["seeds"])]  # fmt: skip
        sweep = Sweep(
            network, runs, x, y, steps=length, optimiser=optimiser, batch_size=n["batch"],
            evaluate=held, log_points=12, shape=["activation"], at_once=32, probe=2048,
            device=scale.device(),
        )  # fmt: skip
        loss = np.full((len(runs), len(step)), np.nan)
        accuracy = loss.copy()
        for i, h in enumerate(sweep.run()):
            keep = [step.index(s) for s in h.step if s in step]
            loss[i, keep], accuracy[i, keep] = h.loss[: len(keep)], h.test_accuracy[: len(keep)]
        shape = (*rates.shape, n["seeds"], len(step))
        out[optimiser] = {"rate": rates, "loss": loss.reshape(shape),
                          "test_accuracy": accuracy.reshape(shape)}  # fmt: skip
        print(f"  {optimiser}:", accuracy[:, -1].reshape(shape[:3]).mean(2).round(3), flush=True)
    return out, range(n["seeds"])
