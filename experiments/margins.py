"""Chapter 15: a recurrent net on row-sequential MNIST, its recurrent matrix held in a margin.

h_t = tanh(W h_{t−1} + U x_t + b), a linear readout of the last h. W has its singular values in
[1 − m, 1 + m] (Vorontsov et al. 2017), m from 0, or is free. All start from the same
orthogonal W. Every setting and rate has its own seeds, and all runs are one stack of matrices.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from isolib import data, scale
from isolib.networks import initial_weights
from isolib.orthogonality import SpectralMargin

FREE = math.inf  # the margin of an unconstrained W


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(margins=[0.0, 0.1, FREE], rates=[3e-3], seeds=2, hidden=16, batch=32, steps=30),
        laptop=dict(margins=[0.0, 0.001, 0.01, 0.1, FREE], rates=[1e-3, 3e-3], seeds=5,
                    hidden=64, batch=48, steps=1400),
        paper=dict(margins=[0.0, 0.001, 0.01, 0.1, FREE], rates=[3e-4, 1e-3, 3e-3],
                   seeds=10, hidden=128, batch=128, steps=20_000),
    )  # fmt: skip


class Stack:
    """Recurrent nets, one a run, as batched matrices: run i has margin m[i] and its own seed."""

    def __init__(self, margins, seeds, inputs, hidden, device="cpu"):
        def each(make):
            out = [make(torch.Generator().manual_seed(s)) for s in seeds]
            return torch.stack(out).to(device)

        w = each(lambda g: initial_weights("orthogonal", 1, hidden, seed=g)[0])
        self.free = torch.tensor([math.isinf(m) for m in margins], device=device)
        m = torch.tensor([0.0 if math.isinf(m) else m for m in margins], device=device)
        self.margin = SpectralMargin(0.0)
        a, p, b = self.margin.right_inverse(w)
        self.margin.m = m[:, None]  # one m for each run
        self.p = {
            "w": w, "a": a, "p": p, "b": b,
            "in": each(lambda g: torch.randn(inputs, hidden, generator=g) / inputs**0.5),
            "bias": torch.zeros(len(m), 1, hidden, device=device),
            "out": each(lambda g: torch.randn(hidden, 10, generator=g) / hidden**0.5),
            "c": torch.zeros(len(m), 1, 10, device=device),
        }  # fmt: skip
        self.p = {key: value.requires_grad_() for key, value in self.p.items()}

    def recurrent(self):
        """Every run's W, shape (runs, hidden, hidden)."""
        p = self.p
        held = self.margin(p["a"], p["p"], p["b"])
        return torch.where(self.free[:, None, None], p["w"], held)

    def __call__(self, x):
        """Logits, shape (runs, batch, 10), of x, shape (runs or 1, batch, time, inputs)."""
        p, wt = self.p, self.recurrent().mT
        drive = torch.einsum("rbti,rih->trbh", x.expand(len(wt), -1, -1, -1), p["in"])
        h = torch.tanh(drive[0] + p["bias"])
        for d in drive[1:]:
            h = torch.tanh(torch.baddbmm(d + p["bias"], h, wt))
        return torch.baddbmm(p["c"], h, p["out"])


class Adam:
    """Adam with a rate for each run."""

    def __init__(self, parameters, rates):
        self.p, self.t, self.rates = list(parameters), 0, rates
        self.m = [torch.zeros_like(p) for p in self.p]
        self.v = [torch.zeros_like(p) for p in self.p]

    @torch.no_grad()
    def step(self, grads):
        self.t += 1
        for p, g, m, v in zip(self.p, grads, self.m, self.v, strict=True):
            m.lerp_(g, 0.1)
            v.lerp_(g * g, 0.001)
            size = m / (1 - 0.9**self.t) / ((v / (1 - 0.999**self.t)).sqrt() + 1e-8)
            p -= self.rates.view(-1, *[1] * (p.ndim - 1)) * size


def run(**changes):
    n, device = sizes() | changes, scale.device()
    images = data.images("mnist", flatten=False)
    x, x_test = (torch.as_tensor(a)[:, 0].to(device) for a in (images.x_train, images.x_test))
    y, y_test = (torch.as_tensor(a).to(device) for a in (images.y_train, images.y_test))
    grid = [(m, r, s) for m in n["margins"] for r in n["rates"] for s in range(n["seeds"])]
    margins, rates, seeds = zip(*grid, strict=True)
    net = Stack(margins, seeds, x.shape[-1], n["hidden"], device)
    parameters = list(net.p.values())
    update = Adam(parameters, torch.tensor(rates, device=device))
    draws = [np.random.default_rng(s) for s in seeds]
    probe, held = slice(0, min(1000, len(x))), slice(0, min(2000, len(x_test)))
    marks = sorted({0, *np.linspace(0, n["steps"], 7).astype(int)[1:].tolist()})
    loss, accuracy = [], []

    def each(logits, labels):
        flat = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(),
                                                 reduction="none")  # fmt: skip
        return flat.view(logits.shape[:2]).mean(1)

    for step in range(n["steps"] + 1):
        if step in marks:
            with torch.no_grad():
                fit = net(x[probe][None])
                loss.append(each(fit, y[probe].expand(len(grid), -1)).cpu().numpy())
                right = net(x_test[held][None]).argmax(-1) == y_test[held]
                accuracy.append(right.float().mean(1).cpu().numpy())
            print(f"  step {step}: median loss {np.median(loss[-1]):.3f}", flush=True)
        if step < n["steps"]:
            i = torch.as_tensor(np.array([d.integers(len(x), size=n["batch"]) for d in draws]))
            total = each(net(x[i.to(device)]), y[i.to(device)]).sum()
            # a free W leaves a, p, b without a gradient, and the other way round: zeros then
            update.step(torch.autograd.grad(total, parameters))
    s = torch.linalg.svdvals(net.recurrent().detach()).cpu().numpy()
    shape = len(n["margins"]), len(n["rates"]), n["seeds"]
    out = {
        **{key: value for key, value in n.items() if key != "margins"},
        "images": images.name, "settings": [str(m) for m in n["margins"]], "step": marks,
        "time_steps": x.shape[1], "optimiser": "adam",
        # axes: setting, rate, seed, mark
        "loss": np.stack(loss, -1).reshape(*shape, -1),
        "test_accuracy": np.stack(accuracy, -1).reshape(*shape, -1),
        "s_max": s.max(-1).reshape(shape), "s_min": s.min(-1).reshape(shape),
    }  # fmt: skip
    return out, range(n["seeds"])
