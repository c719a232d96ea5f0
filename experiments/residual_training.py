"""Chapter 13: residual networks of seven activations, trained at equal c and at equal σ_w².

MNIST, each picture scaled to mean square 1; plain SGD. Each network first tries every rate with
two seeds that are not used again; the rate with the lowest mean training loss at the end (or, for
networks that all diverge, the smallest rate) is then run with all seeds.
"""

from __future__ import annotations

import numpy as np

from isolib import data, residual, scale, training
from isolib.activations import Activation
from isolib.networks import ResidualMLP

SEVEN = ("linear", "leaky_relu", "relu", "selu", "tanh", "hard_tanh", "sigmoid")
ODD_PART = Activation("sigmoid − ½", lambda h: np.tanh(h / 2) / 2,
                      lambda h: 0.25 / np.cosh(h / 2) ** 2)  # fmt: skip
# with the mean over neurons taken off the branch; where c comes from. For the first two c does
# not depend on q; a centred sigmoid branch is that of its odd part, in the limit of large width
CENTRED = {"relu": "relu", "leaky_relu": "leaky_relu", "sigmoid": ODD_PART}
TRIED = (100, 101)  # the seeds of the search


def pictures(count: int, held: int):
    """(x, y, (x_test, y_test), name): flat pictures, each scaled to mean square 1."""
    images = data.images("mnist")
    x, x_test = (
        x / np.sqrt((x**2).mean(1, keepdims=True))
        for x in (images.x_train[:count], images.x_test[:held])
    )
    return x, images.y_train[:count], (x_test, images.y_test[:held]), images.name


def sizes() -> dict:
    """What the three scales run; `probe`: training pictures on which the loss is measured."""
    return scale.pick(
        test=dict(depth=6, width=16, steps=4, batch=8, seeds=2, count=64, held=32, probe=32,
                  rates=[1e-3, 1e-2], c=0.5, scan=[0.125]),
        laptop=dict(depth=50, width=64, steps=200, batch=32, seeds=5, count=12_000, held=500,
                    probe=512, rates=[3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
                    c=0.5, scan=[1 / 32, 1 / 8, 2.0]),
        paper=dict(depth=100, width=400, steps=5000, batch=64, seeds=10, count=60_000, held=10_000,
                   probe=2048, rates=[1e-4, 3e-4, 1e-3, 3e-3, 1e-2], c=0.5,
                   scan=[1 / 32, 1 / 8, 2.0, 8.0]),
    )  # fmt: skip


def networks(n: dict) -> dict[str, dict]:
    """Name of each network → what `ResidualMLP` is given beyond the shape, and c."""
    depth, out = n["depth"], {}

    def at(c, activation):
        return residual.cumulant_sigma_w2(activation, depth, c)

    def cumulant(activation, w):
        return residual.effective_cumulant(activation, depth, w, q1=w / depth)

    for name in SEVEN:
        w = at(n["c"], name)
        out[f"equal {name}"] = dict(activation=name, sigma_w2=w, c=n["c"])
        w = at(n["c"], "linear")  # one σ_w² for all
        out[f"same {name}"] = dict(activation=name, sigma_w2=w, c=cumulant(name, w))
    for name, same_c in CENTRED.items():
        w = at(n["c"], same_c)
        out[f"centred {name}"] = dict(activation=name, sigma_w2=w, c=n["c"], branch="centred")
    for c in n["scan"]:
        for name in ("tanh", "relu"):
            out[f"scan {name} {c:g}"] = dict(activation=name, sigma_w2=at(c, name), c=c)
    # weights without the 1/L: σ_w² = 2 a layer, He's, for ReLU
    out["unscaled relu"] = dict(activation="relu", sigma_w2=2.0 * depth, c=1.0 * depth)
    return out


def run():
    n, points = sizes(), 10
    training.PROBE = n["probe"]
    x, y, held, images = pictures(n["count"], n["held"])
    nets, rates, seeds = networks(n), n["rates"], range(n["seeds"])
    device = scale.device()

    def train(kinds, points):
        """{(name, rate, seed): History} for a list of those."""
        runs = [dict({k: v for k, v in nets[name].items() if k != "c"}, depth=n["depth"],
                     width=n["width"], weights="gaussian", inputs=x.shape[1], outputs=10,
                     lr=rate, seed=seed) for name, rate, seed in kinds]  # fmt: skip
        done = training.Sweep(
            ResidualMLP, runs, x, y, steps=n["steps"], batch_size=n["batch"], evaluate=held,
            log_points=points, at_once=20, device=device,
        ).run()  # fmt: skip
        return dict(zip(kinds, done, strict=True))

    def mean_loss(found, name, rate):
        return np.mean([found[name, rate, s].loss[-1] for s in TRIED])

    # at one σ_w² these two have the c of the linear network: they are the ones at equal c
    names = [k for k in nets if k not in ("same linear", "same hard_tanh")]
    tried = train([(k, r, s) for k in names for r in rates for s in TRIED], 2)
    print(f"  searched {len(tried)} runs", flush=True)
    search = {k: [mean_loss(tried, k, r) for r in rates] for k in names}
    best = {k: rates[int(np.argmin(np.nan_to_num(v, nan=np.inf, posinf=np.inf)))]
            for k, v in search.items()}  # fmt: skip
    found = train([(k, best[k], s) for k in names for s in seeds], points)
    steps = training.log_steps(n["steps"], points)
    out: dict = {"images": images, **n, "step": steps, "nets": {}}
    for k in names:
        runs = [found[k, best[k], s] for s in seeds]

        def column(field, runs=runs):
            a = np.full((len(runs), len(steps)), np.nan)
            for row, h in zip(a, runs, strict=True):
                row[: len(h.step)] = getattr(h, field)[: len(steps)]
            return a.round(5)

        out["nets"][k] = {
            **nets[k], "rate": best[k], "search": np.round(search[k], 4),
            "loss": column("loss"), "accuracy": column("test_accuracy"),
            "diverged": [int(h.diverged_at is not None) for h in runs],
        }  # fmt: skip
        last = out["nets"][k]
        print(f"  {k:20} c {last['c']:.3f} rate {best[k]:g} loss {last['loss'][:, -1].mean():.3f} "
              f"accuracy {last['accuracy'][:, -1].mean():.3f}", flush=True)  # fmt: skip
    return out, seeds
