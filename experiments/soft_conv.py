"""Chapter 14: soft penalties in ReLU convolutional networks, with and without skips, on CIFAR-10.

The penalties aim at the gain g that He's start has, σ_w or σ_w/√L: they see W/g. Every start has
a search over rates, every penalty, constant or decayed, one over strengths at the rate that was
best without it: full runs with two seeds of their own. What had the lowest training loss is run
with all seeds. The networks of a seed share weights (those of one start) and minibatches. DSO is
not run: it is SO at 2λ.
"""

from __future__ import annotations

import numpy as np
import torch

from experiments.soft_orthogonality import TRIAL_SEED, spread, train
from experiments.vanilla_cnn import pictures
from isolib import scale, training
from isolib.networks import ConvNet, ResidualConvNet

NETS = {"plain": ConvNet, "residual": ResidualConvNet}
#: setting → the kind of kernels it starts with, and its penalty
SETTINGS = {"none": ("gaussian", None), "orthogonal kernel": ("orthogonal", None),
            "delta-orthogonal": ("delta_orthogonal", None),
            **{name: ("gaussian", name) for name in ("SO", "MC", "SRIP")}}  # fmt: skip


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(size=8, count=64, batch=8, seeds=2, channels=4, steps=6, points=3,
                  depth=dict(plain=3, residual=2), rates=[0.01], strengths=[0.01]),
        laptop=dict(size=16, count=8000, batch=32, seeds=10, channels=16, steps=300, points=8,
                    depth=dict(plain=10, residual=8), rates=[0.005, 0.01, 0.02],
                    strengths=[1e-2, 1e-1, 1.0]),
        paper=dict(size=32, count=50_000, batch=128, seeds=10, channels=64, steps=20_000,
                   points=12, depth=dict(plain=32, residual=54),
                   rates=[0.003, 0.01, 0.03, 0.1], strengths=[1e-3, 1e-2, 1e-1, 1.0]),
    )  # fmt: skip


def network(kind: str, start: str, n: dict, seed: int):
    """A ReLU network at σ_w² = 2, and the gain of its weights."""
    depth = n["depth"][kind]
    net = NETS[kind](
        depth=depth, channels=n["channels"], activation="relu", sigma_w2=2.0, weights=start,
        inputs=n["inputs"], stride=2, outputs=10, seed=seed,
    )  # fmt: skip
    net.gain = (2.0 / (depth if kind == "residual" else 1)) ** 0.5
    return net


def run():
    n, device = sizes(), torch.device(scale.device())
    x, y, x_test, y_test, name = pictures(n["count"], n["size"], 1.0, "cifar10")
    out: dict = {"images": name, **n, "optimiser": "momentum"}
    n["inputs"] = x.shape[1:]
    x, y, x_test, y_test = (torch.as_tensor(a).to(device) for a in (x, y, x_test, y_test))
    steps = n["steps"]
    out["step"] = marks = training.log_steps(steps, n["points"])

    def jacobian(net):
        j = net.jacobian(x_test[:1]).nan_to_num(0, 0, 0)
        return spread(torch.linalg.svdvals(j))

    first: dict = {}  # the singular values of J at the start: a penalty does not change them
    for kind in NETS:
        out[kind] = {}
        for setting, (start, penalty) in SETTINGS.items():
            pairs = [(rate, 0.0) for rate in n["rates"]]
            if penalty:
                pairs = [(out[kind]["none"]["rate"], s) for s in n["strengths"]]
            for decay in (False, True) if penalty else (False,):

                def go(seed, rate, strength, marks, what=(kind, start, penalty, decay)):
                    kind, start, penalty, decay = what
                    net = network(kind, start, n, seed).to(device)
                    if len(marks) > 1 and (kind, start, seed) not in first:
                        first[kind, start, seed] = jacobian(net)
                    done = train(net, x, y, penalty=penalty, strength=strength, decay=decay,
                                 rate=rate, steps=steps, batch=n["batch"], seed=seed,
                                 marks=marks)  # fmt: skip
                    return net, *done

                tried = np.array([
                    np.mean([go(TRIAL_SEED + k, *pair, [steps])[1][-1] for k in (0, 1)])
                    for pair in pairs
                ])  # fmt: skip
                rate, strength = pairs[int(np.nan_to_num(tried, nan=np.inf).argmin())]
                rows = {key: [] for key in ("loss", "weights", "operator", "J", "test_accuracy")}
                for seed in range(n["seeds"]):
                    net, *measured = go(seed, rate, strength, marks)
                    for key, row in zip(("loss", "weights", "operator"), measured, strict=True):
                        rows[key].append(row)
                    rows["J"].append([first[kind, start, seed], jacobian(net)])
                    with torch.no_grad():
                        right = net(x_test).argmax(-1) == y_test
                    rows["test_accuracy"].append(right.float().mean().item())
                label = f"{setting} decayed" if decay else setting
                out[kind][label] = {"rate": rate, "strength": strength, "tried": tried, **rows}
                print(f"  {kind} {label}: rate {rate}, λ {strength}, tried {tried.round(2)}, loss "
                      f"{np.mean([r[-1] for r in rows['loss']]):.3f}", flush=True)  # fmt: skip
    return out, range(n["seeds"])
