"""Chapter 9: the learning time of orthogonal tanh networks against rate, depth and q*.

Rates are given in the units of the page, η = c / (L N q*). The learning time is the step at which
the accuracy on 256 training examples first passes a level, interpolated between measured steps.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from experiments.deep_training import AT_ONCE, network, pictures
from isolib import scale, spectra, training
from isolib.training import Sweep

LEVELS = (0.5, 0.8)
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(
            depths=[2, 4], qs=[0.025, 0.4], at=4, width=16, batch=16, count=256, steps=12,
            points=8, seeds=2, shares=[4.0, 16.0], long=12, images_in_j=2,
        ),
        laptop=dict(
            depths=[4, 8, 16, 32, 64], qs=[0.01, 0.025, 0.1, 0.3, 0.8], at=48, width=64,
            batch=64, count=8192, steps=120, points=28, seeds=5,
            shares=[2.0**k for k in range(-3, 7)], long=300, images_in_j=8,
        ),
        paper=dict(
            depths=[10, 25, 50, 100, 200, 300], qs=[0.01, 1 / 64, 0.025, 0.1, 0.3, 0.8], at=200,
            width=400, batch=128, count=50_000, steps=1000, points=40, seeds=5,
            shares=[2.0**k for k in range(-3, 8)], long=10_000, images_in_j=8,
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

    def spectrum(q, rate, seed):
        """Quantiles of the singular values of J during training, and the test accuracy."""
        net = network(depth=n["at"], q=q, seed=seed, **plain).to(scale.device())
        images, labels = (torch.as_tensor(part) for part in (x, y))
        update = torch.optim.SGD(net.parameters(), lr=rate)
        draw = training.minibatches(len(x), n["batch"], torch.Generator().manual_seed(seed))
        rows = []
        for step in range(n["long"] + 1):
            if step in grid:
                s = spectra.singular_values(net, held[0][: n["images_in_j"]]).cpu().double()
                shown = net(torch.as_tensor(held[0])).argmax(1).cpu().numpy()
                rows.append([*np.quantile(s.numpy(), QUANTILES), (shown == held[1]).mean()])
            i = next(draw)
            update.zero_grad()
            out = net(images[i])
            torch.nn.functional.cross_entropy(out, labels[i].to(out.device)).backward()
            update.step()
        return np.array(rows)

    out: dict = {"images": name, **n, "levels": LEVELS, "quantiles": QUANTILES}
    out["by_depth"] = {str(depth): times(depth, 0.025) for depth in n["depths"]}
    out["by_q"] = {str(q): times(n["at"], q) for q in n["qs"]}
    grid = training.log_steps(n["long"], 12)
    out["long_step"], out["during"], out["long_rate"] = grid, {}, {}
    for q in n["qs"]:
        late = np.where(np.isfinite(t := out["by_q"][str(q)]), t, np.inf)
        late = late[1] if np.isfinite(np.median(late[1], axis=1)).any() else late[0]
        rate = n["shares"][np.median(late, axis=1).argmin()] / (n["at"] * width * q)
        runs = np.array([spectrum(q, rate, seed) for seed in seeds])
        out["long_rate"][str(q)], out["during"][str(q)] = rate, runs
        print(f"  q* = {q}: s_max {runs[:, [0, -1], -2].mean(0)}, accuracy {runs[:, -1, -1]}")
    return out, seeds
