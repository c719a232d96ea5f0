"""Chapter 1: three 50-layer tanh networks that differ in their initial weights, on images.

Every rate of the grid is run with every seed; the page shows, for each start, the rate whose
median number of steps to 80 % test accuracy is least.
"""

from __future__ import annotations

import numpy as np

from isolib import data, networks, scale, training

#: what differs: σ_w², σ_b² and the kind of weights (chapter 5 derives the critical pair)
STARTS = {
    "shrinking": dict(sigma_w2=1 / 3, sigma_b2=0.0, weights="gaussian"),
    "gaussian": dict(sigma_w2=1.05, sigma_b2=2.01e-5, weights="gaussian"),
    "orthogonal": dict(sigma_w2=1.05, sigma_b2=2.01e-5, weights="orthogonal"),
}
#: mean square of a pre-activation that the critical pair keeps: h = σ_w² q_x + σ_b²
Q_INPUT = (0.02592 - 2.01e-5) / 1.05


def normalise(x: np.ndarray, q: float = Q_INPUT) -> np.ndarray:
    """Every image scaled to mean square q over its pixels."""
    return (x * np.sqrt(q / (x**2).mean(1, keepdims=True))).astype(np.float32)


def network(start: str, inputs: int, *, depth=50, width=128, seed=0) -> networks.MLP:
    """One of the three networks, with its input layer and readout."""
    return networks.MLP(
        depth=depth, width=width, activation="tanh", inputs=inputs, outputs=10, seed=seed,
        **STARTS[start],
    )  # fmt: skip


def run():
    images = data.images("mnist")
    x, x_test = normalise(images.x_train), normalise(images.x_test)
    steps = scale.pick(test=20, laptop=600, paper=3000)
    rates = scale.pick(test=[0.03], laptop=[0.01, 0.03, 0.06], paper=[0.003, 0.01, 0.03, 0.06])
    grid = training.log_steps(steps, 40)
    seeds = range(scale.pick(test=1, laptop=5, paper=10))
    device = scale.device()
    out: dict = {"images": images.name, "depth": 50, "width": 128, "batch": 128, "rates": rates,
                 "optimiser": "sgd", "step": grid, "starts": STARTS}  # fmt: skip
    for start in STARTS:
        accuracy = np.full((len(rates), len(seeds), len(grid)), np.nan)
        for i, rate in enumerate(rates):
            for seed in seeds:
                history = training.fit(
                    network(start, x.shape[1], seed=seed).to(device), x, images.y_train,
                    lr=rate, steps=steps, seed=seed, log_points=40,
                    evaluate=(x_test[:2000], images.y_test[:2000]),
                )  # fmt: skip
                # a run that diverged ends early: what it did not reach stays empty
                accuracy[i, seed, : len(history.step)] = history.test_accuracy
                print(f"  {start} rate {rate} seed {seed}: {history.test_accuracy[-1]:.3f}")
        out[start] = {"test_accuracy": accuracy}
    return out, seeds
