"""Chapter 9: a tanh and a ReLU network under momentum, three times as far as `deep_training`.

At the rates found there.
"""

from __future__ import annotations

import numpy as np

from experiments.deep_training import AT_ONCE, STARTS, network, pictures, sizes
from isolib import results, scale
from isolib.training import Sweep

PAIR = ("tanh orthogonal, 1.05", "ReLU orthogonal, 2")


def run():
    n = sizes()
    x, y, held, name = pictures(n["count"])
    length = scale.pick(test=8, laptop=900, paper=100_000)
    found = results.load("deep-training" + ("-paper" if scale.name() == "paper" else ""))["data"]
    out: dict = {"images": name, "starts": PAIR, "steps": length}
    out |= {key: n[key] for key in ("depth", "width", "batch", "count")}
    seeds = range(scale.pick(test=2, laptop=5, paper=5))
    rates = [found["momentum"]["rate"][list(STARTS).index(s)] for s in PAIR]
    runs = []
    for start, lr in zip(PAIR, rates, strict=True):
        activation, weights, q = STARTS[start]
        runs += [dict(
            activation=activation, weights=weights, q=q, depth=n["depth"], width=n["width"],
            inputs=x.shape[1], outputs=10, lr=float(lr), seed=seed,
        ) for seed in seeds]  # fmt: skip
    sweep = Sweep(
        network, runs, x, y, steps=length, optimiser="momentum", batch_size=n["batch"],
        evaluate=held, log_points=8, shape=["activation"], at_once=AT_ONCE,
        probe=1024, device=scale.device(),
    )  # fmt: skip
    histories = sweep.run()
    shape = (len(PAIR), len(seeds))
    for key in ("loss", "test_accuracy"):
        out[key] = np.array([getattr(h, key)[-1] for h in histories]).reshape(shape)
    out["rate"] = rates
    print(f"  {out['test_accuracy'].round(3).tolist()}")
    return out, seeds
