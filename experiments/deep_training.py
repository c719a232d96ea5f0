"""Chapter 9: five initialisations of a deep network under four optimisers.

Each pair first tries every rate of a grid for a few steps with a seed of its own; the rate with
the lowest training loss is then used with all seeds. All networks of one activation and one
optimiser are trained as one batched program.
"""

from __future__ import annotations

import numpy as np

from isolib import data, meanfield, scale, training
from isolib.networks import MLP
from isolib.training import Sweep

#: name: (activation, weights, q*); ReLU is critical at every q and is given q = 1
STARTS = {
    "tanh orthogonal, 1.05": ("tanh", "orthogonal", meanfield.critical_q("tanh", 1.05)),
    "tanh orthogonal, 2": ("tanh", "orthogonal", meanfield.critical_q("tanh", 2.0)),
    "tanh Gaussian, 1.05": ("tanh", "gaussian", meanfield.critical_q("tanh", 1.05)),
    "ReLU orthogonal, 2": ("relu", "orthogonal", 1.0),
    "ReLU Gaussian, 2": ("relu", "gaussian", 1.0),
}
#: networks in one stack; at paper scale eight of them fill a card of 16 GB
AT_ONCE = scale.pick(test=32, laptop=32, paper=8)
SEARCH_SEED = 1000  # of the rates; the seeds of the result are others


def network(*, activation, weights, q, **sizes) -> MLP:
    """A critical network whose input layer is scaled so that the first length is q already.

    The pixels have mean square 1, hence x⁰ = W_in x would have it too; q¹ = σ_w² ⟨x⁰²⟩ + σ_b².
    """
    sigma_w2, sigma_b2 = (
        (2.0, 0.0) if activation == "relu" else meanfield.critical_point(activation, q)
    )
    net = MLP(activation=activation, weights=weights, sigma_w2=sigma_w2, sigma_b2=sigma_b2,
              **sizes)  # fmt: skip
    net.weight_in.data *= ((q - sigma_b2) / sigma_w2) ** 0.5
    return net


def pictures(count: int):
    """(x, y, held, name): `count` MNIST images of mean square 1 each, and 1,000 test images."""
    images = data.images("mnist")

    def prepare(x):
        return x / np.sqrt((x**2).mean(1, keepdims=True))

    held = (prepare(images.x_test[:1000]), images.y_test[:1000])
    return prepare(images.x_train[:count]), images.y_train[:count], held, images.name


def sizes() -> dict:
    """What the three scales run."""
    rates = {
        "sgd": 10.0 ** np.arange(-3, 0.6, 0.5),
        "momentum": 10.0 ** np.arange(-4, -0.4, 0.5),
        "rmsprop": 10.0 ** np.arange(-5, -1.9, 0.5),
        "adam": 10.0 ** np.arange(-5, -1.9, 0.5),
    }
    return scale.pick(
        test=dict(depth=4, width=16, batch=16, count=256, steps=6, trial_steps=3, points=4,
                  seeds=2, rates={k: r[::4] for k, r in rates.items()}),
        laptop=dict(depth=48, width=64, batch=64, count=8192, steps=300, trial_steps=80,
                    points=18, seeds=5, rates=rates),
        paper=dict(depth=200, width=400, batch=128, count=50_000, steps=10_000, trial_steps=500,
                   points=30, seeds=5, rates=rates),
    )  # fmt: skip


def run():
    n = sizes()
    x, y, held, name = pictures(n["count"])
    steps = training.log_steps(n["steps"], n["points"])
    out: dict = {"images": name, **n, "step": steps, "starts": list(STARTS)}
    held = tuple(part[: n["count"]] for part in held)

    def train(optimiser, wanted, length, points, evaluate=None):
        """Histories for (start, lr, seed)."""
        runs = []
        for start, lr, seed in wanted:
            activation, weights, q = STARTS[start]
            runs.append(dict(
                activation=activation, weights=weights, q=q, depth=n["depth"], width=n["width"],
                inputs=x.shape[1], outputs=10, lr=float(lr), seed=seed,
            ))  # fmt: skip
        sweep = Sweep(
            network, runs, x, y, steps=length, optimiser=optimiser, batch_size=n["batch"],
            evaluate=evaluate, log_points=points, shape=["activation"], at_once=AT_ONCE, probe=512,
            device=scale.device(),
        )  # fmt: skip
        return sweep.run()

    for optimiser, rates in n["rates"].items():
        grid = [(start, lr, SEARCH_SEED) for start in STARTS for lr in rates]
        tried = np.array([h.loss[-1] for h in train(optimiser, grid, n["trial_steps"], 2)])
        tried = np.where(np.isfinite(tried), tried, np.inf).reshape(len(STARTS), len(rates))
        best = rates[tried.argmin(1)]
        wanted = [(start, lr, seed) for start, lr in zip(STARTS, best, strict=True)
                  for seed in range(n["seeds"])]  # fmt: skip
        loss = np.full((len(wanted), len(steps)), np.nan)
        accuracy = loss.copy()
        for i, h in enumerate(train(optimiser, wanted, n["steps"], n["points"], held)):
            keep = [steps.index(s) for s in h.step if s in steps]
            loss[i, keep], accuracy[i, keep] = h.loss[: len(keep)], h.test_accuracy[: len(keep)]
        shape = (len(STARTS), n["seeds"], len(steps))
        out[optimiser] = {"tried": tried, "rate": best, "loss": loss.reshape(shape),
                          "test_accuracy": accuracy.reshape(shape)}  # fmt: skip
        print(f"  {optimiser}: rates {best}", accuracy[:, -1].reshape(shape[:2]).mean(1).round(3))
    return out, range(n["seeds"])
