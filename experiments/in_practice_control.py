"""Chapter 17: what the runs of `in_practice` leave open, with the same pictures, steps and seeds.

Was it the mean of s² or its spread that kept the plain network from learning? Gaussian kernels of
the designed variance, with and without the share that the border of zeros takes away, have the
mean and not the spread. And where a variant chose a rate at an end of its list, one rate beyond.
"""

from __future__ import annotations

import torch
from torch import nn

from experiments.in_practice import (
    TRIAL_SEED,
    PlainCNN,
    build,
    compared,
    delta_orthogonal,
    prepared,
    sizes,
    train,
)
from isolib import spectra

RATES = [0.003, 0.01, 0.03, 0.1]
BORDER = (22 / 24) ** 2  # the share of a 3 × 3 kernel that lies on an 8 × 8 grid
SHARES = {"gaussian": 1.0, "gaussian, border": BORDER}
BEYOND = {"cnn designed": 0.003, "resnet normed": 0.001,
          "encoder post scaled": 0.01, "encoder pre scaled": 0.01}  # fmt: skip


def gaussian(model, design, x, share=1.0):
    """As `delta_orthogonal`, but with all nine places of every kernel Gaussian."""
    delta_orthogonal(model, design, x)
    for conv, _ in model.layers:
        entries = conv.weight[0].numel() * share
        nn.init.normal_(conv.weight, std=(design.sigma_w2 / entries) ** 0.5)


def run():
    """(data, seeds) for `python -m experiments in-practice-control`."""
    n, out, beyond = sizes(), {}, {}
    name, (x, y, u, v), marks = prepared(n)
    design = spectra.design("tanh", n["cnn"])
    for variant, share in SHARES.items():
        print(variant, end=" ")

        def make(seed, share=share):
            torch.manual_seed(seed)
            net = PlainCNN(n["cnn"])
            gaussian(net, design, x[:64], share)
            return net

        out[f"cnn {variant}"] = compared(make, RATES, n, (x, y, u, v), marks, False)
    for key, rate in BEYOND.items():
        rows, net = key.startswith("encoder"), build(*key.split(" ", 1), n, TRIAL_SEED, x[:64])
        sets = (x[:, 0], y, u[:, 0], v) if rows else (x, y, u, v)
        loss = train(net, sets, rate, n["steps"], n["batch"], marks, TRIAL_SEED, rows)[-1, 0]
        print(key, rate, loss, flush=True)
        beyond[key] = dict(rate=rate, loss=loss)
    found = dict(nets=out, beyond=beyond, step=marks, rates=RATES, images=name, batch=n["batch"],
                 steps=n["steps"], depth=n["cnn"])  # fmt: skip
    return found, list(range(n["seeds"]))
