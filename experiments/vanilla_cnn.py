"""Chapter 10: deep tanh convolutional networks without skips or normalisation, three kernels.

Each kind of kernel first tries every rate for a few steps with seed 0; the rate with the lowest
training loss is then used with all seeds.
"""

from __future__ import annotations

import numpy as np
import torch

from isolib import data, meanfield, scale, training
from isolib.convnet import KINDS, ConvNet


def pictures(count: int, size: int, mean_square: float = 0.3, prefer: str = "mnist"):
    """(x, y, x_test, y_test, name): pictures size × size, each scaled to one mean square."""
    images = data.images(prefer, flatten=False)

    def prepare(x):
        x = torch.nn.functional.interpolate(
            torch.as_tensor(x), size=(size, size), mode="bilinear", antialias=True
        )
        return (x * (mean_square / (x**2).mean((1, 2, 3), keepdim=True)).sqrt()).numpy()

    x, x_test = prepare(images.x_train[:count]), prepare(images.x_test[: count // 4])
    return x, images.y_train[:count], x_test, images.y_test[: count // 4], images.name


def network(weights: str, *, depth: int, channels: int, size: int, seed: int = 0) -> ConvNet:
    """Critical tanh at q* = 1/(4√L): the spread σ₀² ≈ 8 L q*² of isometric J is then about ½."""
    sigma_w2, sigma_b2 = meanfield.critical_point("tanh", 0.25 / depth**0.5)
    return ConvNet(
        depth=depth, channels=channels, activation="tanh", sigma_w2=sigma_w2, sigma_b2=sigma_b2,
        weights=weights, inputs=(1, size, size), stride=2, outputs=10, seed=seed,
    )  # fmt: skip


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(
            depths=[4], channels=4, size=8, count=64, steps=4, trial_steps=2, rates=[0.03], seeds=1
        ),
        laptop=dict(
            depths=[128], channels=16, size=28, count=1024, steps=160, trial_steps=40,
            rates=[0.01, 0.03, 0.1], seeds=5,
        ),
        paper=dict(
            depths=[1000, 10_000], channels=64, size=28, count=10_000, steps=1000,
            trial_steps=100, rates=[0.003, 0.01, 0.03], seeds=5,
        ),
    )  # fmt: skip


def run():
    n, points, device = sizes(), 8, scale.device()
    rates, seeds = n["rates"], range(n["seeds"])
    x, y, *held, name = pictures(n["count"], n["size"])
    steps = training.log_steps(n["steps"], points)
    out: dict = {"images": name, **n, "batch": 32, "optimiser": "sgd", "step": steps}

    def train(depth, kind, rate, seed, steps, points, evaluate=None):
        shape = {key: n[key] for key in ("channels", "size")}
        net = network(kind, depth=depth, seed=seed, **shape).to(device)
        return training.fit(net, x, y, lr=rate, steps=steps, batch_size=32, seed=seed,
                            log_points=points, evaluate=evaluate)  # fmt: skip

    for depth in n["depths"]:
        for kind in KINDS:
            tried = [train(depth, kind, rate, 0, n["trial_steps"], 2).loss[-1] for rate in rates]
            rate = rates[int(np.nanargmin(np.where(np.isfinite(tried), tried, np.inf)))]
            loss = np.full((len(seeds), len(steps)), np.nan)
            accuracy = loss.copy()
            for seed in seeds:
                history = train(depth, kind, rate, seed, n["steps"], points, held)
                loss[seed, : len(history.step)] = history.loss
                accuracy[seed, : len(history.step)] = history.test_accuracy
                print(f"  L = {depth} {kind} rate {rate} seed {seed}: {history.loss[-1]:.3f}",
                      flush=True)  # fmt: skip
            out[f"{kind} {depth}"] = {"rate": rate, "tried": tried, "loss": loss,
                                      "test_accuracy": accuracy}  # fmt: skip
    return out, seeds
