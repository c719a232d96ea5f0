"""Chapter 16: the adding and the copy task at growing lags: penalties against a hard constraint.

Every seed draws its own start and its own sequences, the same for all settings, and a sequence is
never seen twice. All runs of one lag are stacks of matrices. The rate is the same for all: what
the settings differ in is W alone.
"""

from __future__ import annotations

import numpy as np
import torch

from experiments.rnn_mnist import penalty
from isolib import data, scale, training
from isolib.rnn import RNN
from isolib.sweep import RULES

#: name → what decides the start, and the penalty or the constraint; None: the gain of `sizes`
SETTINGS = {
    "Glorot": dict(weights="glorot", gain=1.0),
    "none, g = 1": dict(gain=1.0),
    "none, g": dict(gain=None),
    "plain, g": dict(gain=None, target=1.0, strength=0.1),
    "adjusted, g": dict(gain=None, target=None, strength=0.1),
    "hard, g = 1": dict(gain=1.0, hard=True),
    "hard, g": dict(gain=None, hard=True),
}
#: inputs, outputs, whether to answer at every step, and the loss of not remembering anything
TASKS = {"adding": (2, 1, False), "copy": (10, 9, True)}


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(hidden=8, batch=8, steps=5, seeds=2, points=3, rate=1e-3, gain=1.1,
                  sigma_u2=0.1, lags={"adding": [6, 10], "copy": [2]}),
        laptop=dict(hidden=48, batch=32, steps=2500, seeds=5, points=12, rate=1e-3, gain=1.1,
                    sigma_u2=0.1, lags={"adding": [10, 30], "copy": [5, 10]}),
        paper=dict(hidden=128, batch=128, steps=20_000, seeds=20, points=24, rate=1e-3, gain=1.1,
                   sigma_u2=0.1,
                   lags={"adding": [50, 100, 200, 400, 750], "copy": [30, 100, 200, 500]}),
    )  # fmt: skip


def memoryless(task: str, lag: int) -> float:
    """The loss of the best answer that remembers nothing."""
    return 1 / 6 if task == "adding" else 10 * np.log(8) / (lag + 20)


def losses(task: str, out, y):
    """The loss of every network: out (runs, batch, ...), y (runs, batch, ...)."""
    if task == "adding":
        return (out[..., 0] - y).square().mean(1)
    flat = torch.nn.functional.cross_entropy(out.flatten(0, 2), y.flatten(), reduction="none")
    return flat.view(len(y), -1).mean(1)


def train(task, lag, settings, n, device):
    """(losses, shape (settings, seeds, marks); least and greatest singular value of W, same)."""
    inputs, outputs, every = TASKS[task]
    runs = [dict(s, seed=seed) for s in settings.values() for seed in range(n["seeds"])]
    nets = [RNN(width=n["hidden"], inputs=inputs, outputs=outputs, every_step=every,
                sigma_u2=n["sigma_u2"], gain=r["gain"], weights=r.get("weights", "orthogonal"),
                hard=r.get("hard", False), seed=r["seed"]).to(device) for r in runs]  # fmt: skip
    p = {k: torch.stack([m.get_parameter(k).detach() for m in nets]).requires_grad_()
         for k, _ in nets[0].named_parameters()}  # fmt: skip
    state, marks = {k: {} for k in p}, training.log_steps(n["steps"], n["points"])
    draws = [np.random.default_rng(seed) for seed in range(n["seeds"])]
    make = data.adding_task if task == "adding" else data.copy_task
    loss, spectra = [], []

    def batch(count, draws):
        each = [make(count, lag, rng=rng) for rng in draws]
        x, y = (torch.as_tensor(np.stack(a)).to(device) for a in zip(*each, strict=True))
        return x.repeat(len(settings), 1, 1, 1), y.repeat(len(settings), *[1] * (y.ndim - 1))

    held = batch(500, [np.random.default_rng([1, seed]) for seed in range(n["seeds"])])
    for step in range(n["steps"] + 1):
        if step in marks:
            with torch.no_grad():
                loss.append(losses(task, nets[0].stacked(p, held[0]), held[1]).cpu().numpy())
                s = torch.linalg.svdvals(nets[0].recurrent(p).cpu()).numpy()
                spectra.append(np.quantile(s, [0, 0.5, 1], axis=-1))
        if step < n["steps"]:
            x, y = batch(n["batch"], draws)
            total = losses(task, nets[0].stacked(p, x), y).sum()
            if not runs[0].get("hard"):
                total = total + penalty(p, runs).sum()
            grads = torch.autograd.grad(total, list(p.values()), materialize_grads=True)
            for (k, v), g in zip(p.items(), grads, strict=True):
                v.detach().sub_(RULES["adam"](g, state[k], step + 1).mul_(n["rate"]))
    shape = len(settings), n["seeds"]
    return (
        np.stack(loss, -1).reshape(*shape, -1).round(5),
        np.stack(spectra, -1).transpose(1, 2, 0).reshape(*shape, len(marks), 3).round(4),
    )


def run(**changes):
    n, device = sizes() | changes, scale.device()
    settings = {k: {key: n["gain"] if v is None else v for key, v in s.items()}
                for k, s in SETTINGS.items()}  # fmt: skip
    soft = {k: s for k, s in settings.items() if not s.get("hard")}
    hard = {k: s for k, s in settings.items() if s.get("hard")}
    out = {**n, "optimiser": "adam", "settings": [*soft, *hard],
           "step": training.log_steps(n["steps"], n["points"])}  # fmt: skip
    for task, lags in n["lags"].items():
        for lag in lags:
            found = [train(task, lag, part, n, device) for part in (soft, hard)]
            loss, s = (np.concatenate(a) for a in zip(*found, strict=True))
            # axes: setting, seed, mark; s: least, median and greatest singular value of W
            out[f"{task} {lag}"] = {"loss": loss, "s": s, "memoryless": memoryless(task, lag)}
            best = dict(zip(out["settings"], np.median(loss[..., -1], 1).tolist(), strict=True))
            print(f"  {task} {lag}: {memoryless(task, lag):.4f} without memory; {best}",
                  flush=True)  # fmt: skip
    return out, range(n["seeds"])
