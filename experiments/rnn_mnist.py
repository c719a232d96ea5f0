"""Chapter 16: MNIST row by row, with and without penalties on the recurrent matrix, many seeds.

The settings of Hlav 2019: a simple tanh recurrent network of 64 neurons, pixels in [0, 1], Adam at
1e-4, gains 1.025 and 1.25, λ = .5 and 1, and as many updates as 14 passes over 48,000 pictures in
batches of 128 make. The penalties are those of the text, sums with the identity; the one of the
published code, a mean with the matrix of ones, is a setting of its own. A seed gives every setting
with the same kind of start the same numbers and the same batches, so that runs can be paired.
"""

from __future__ import annotations

import numpy as np
import torch

from isolib import data, orthogonality, scale, training
from isolib.rnn import RNN

#: the source's runs: name → what decides the start, and the penalty: its target gain and strength
SETTINGS = {
    "Glorot": dict(weights="glorot", gain=1.0),
    "none, g = 1": dict(gain=1.0),
    "none, g = 1.025": dict(gain=1.025),
    "none, g = 1.25": dict(gain=1.25),
    **{f"{kind} {strength:g}, g = {g:g}": dict(gain=g, target=g if kind == "adjusted" else 1.0,
                                               strength=strength)
       for g in (1.025, 1.25) for kind in ("plain", "adjusted") for strength in (0.5, 1.0)},
    "published code 1, g = 1.025": dict(gain=1.025, target=1.025, strength=1.0, published=True),
}  # fmt: skip


def sizes() -> dict:
    """What the three scales run; `pixels`: one pixel a step instead of one row."""
    return scale.pick(
        test=dict(hidden=8, batch=8, steps=6, seeds=2, held=64, count=256, points=3, rate=1e-3,
                  at_once=40, pixels=False),
        laptop=dict(hidden=64, batch=64, steps=5250, seeds=10, held=10_000, count=60_000,
                    points=12, rate=1e-4, at_once=65, pixels=False),
        paper=dict(hidden=64, batch=256, steps=5250, seeds=20, held=10_000, count=60_000,
                   points=24, rate=1e-4, at_once=260, pixels=False),
    )  # fmt: skip


def build(*, hidden, inputs, seed, gain, weights="orthogonal", **penalty):
    """The network of a run; U has Glorot's variance 2/(inputs + hidden)."""
    variance = 2 * inputs / (inputs + hidden)
    return RNN(width=hidden, inputs=inputs, gain=gain, weights=weights, outputs=10,
               sigma_u2=variance, seed=seed)  # fmt: skip


def penalty(p, runs):
    """λ‖WᵀW/g² − 1‖² of every network, or the published mean of (WᵀW/g² − 1)², 1 a number."""
    w = p["weight"]

    def each(key, default):
        return torch.tensor([r.get(key, default) for r in runs], dtype=w.dtype, device=w.device)

    scaled = w / each("target", 1.0)[:, None, None]
    sums = orthogonality.so(scaled)
    published = (scaled.mT @ scaled - 1).square().mean((-2, -1))
    return each("strength", 0.0) * torch.where(each("published", False) > 0, published, sums)


def run(**changes):
    n, device = sizes() | changes, scale.device()
    images = data.images("mnist", flatten=False, standardise=False)
    shape = (-1, 1) if n["pixels"] else images.x_train.shape[2:]
    x, x_test = (a.reshape(len(a), *shape) for a in (images.x_train, images.x_test))
    x, x_test = x[: n["count"]], x_test[: n["held"]]
    runs = [dict(s, hidden=n["hidden"], inputs=x.shape[-1], seed=seed, lr=n["rate"])
            for seed in range(n["seeds"]) for s in SETTINGS.values()]  # fmt: skip
    spectra = {}

    def watch(step, p, group):
        s = torch.linalg.svdvals(p["weight"].cpu()).numpy()
        for r, row in zip(group, s, strict=True):
            spectra[str(r), step] = row
        print(f"  step {step}: mean s {s.mean():.4f}", flush=True)

    histories = training.Sweep(
        build, runs, x, images.y_train[: n["count"]], steps=n["steps"], optimiser="adam",
        batch_size=n["batch"], evaluate=(x_test, images.y_test[: n["held"]]), shape=["hidden"],
        log_points=n["points"], at_once=n["at_once"], probe=1000, device=device,
        penalty=penalty, watch=watch,
    ).run()  # fmt: skip
    marks = training.log_steps(n["steps"], n["points"])
    axes = len(SETTINGS), n["seeds"], len(marks)

    def column(get):
        rows = np.array([[get(r, h, i) for i in range(len(marks))]
                         for r, h in zip(runs, histories, strict=True)])  # fmt: skip
        return np.moveaxis(rows.reshape(n["seeds"], len(SETTINGS), len(marks), -1), 0, 1)

    out = {
        **n, "images": images.name, "time_steps": x.shape[1], "inputs": x.shape[2],
        "optimiser": "adam", "settings": list(SETTINGS), "step": marks,
        # axes: setting, seed, mark
        "loss": column(lambda r, h, i: h.loss[i]).reshape(axes).round(5),
        "test_accuracy": column(lambda r, h, i: h.test_accuracy[i]).reshape(axes).round(5),
        # of the singular values of W: least, a quarter, median, three quarters, greatest; mean
        "s": column(lambda r, h, i: [*np.quantile(spectra[str(r), marks[i]],
                                                  [0, 0.25, 0.5, 0.75, 1]),
                                     spectra[str(r), marks[i]].mean()]).round(4),
    }  # fmt: skip
    return out, range(n["seeds"])
