"""Chapter 14: soft orthogonality penalties while deep plain networks learn to read digits.

Two tanh networks without skips or normalisation: a convolutional one, whose kernels the penalties
read as matrices, and a fully connected one. Every setting first tries rates and strengths λ on a
seed of its own, for a third of the steps; what gave the lowest training loss is run with all
seeds, λ constant and with the decay of the source. DSO is not run: it is SO at 2λ.
"""

from __future__ import annotations

import numpy as np
import torch

from experiments.vanilla_cnn import pictures
from isolib import orthogonality as o
from isolib import scale, soft, training
from isolib.convnet import ConvNet
from isolib.networks import MLP

TRIAL_SEED = 1000


def sizes() -> dict:
    """What the three scales run."""
    return scale.pick(
        test=dict(size=8, count=64, batch=8, seeds=2, strengths=[0.01], points=3,
                  cnn=dict(depth=3, channels=4, steps=6, rates=[0.01]),
                  mlp=dict(depth=3, width=8, steps=6, rates=[0.01])),
        laptop=dict(size=14, count=4096, batch=32, seeds=5, strengths=[1e-2, 1e-1, 1.0], points=8,
                    cnn=dict(depth=12, channels=16, steps=200, rates=[0.01, 0.03]),
                    mlp=dict(depth=24, width=64, steps=250, rates=[0.003, 0.01])),
        paper=dict(size=28, count=50_000, batch=128, seeds=10, points=12,
                   strengths=[1e-3, 1e-2, 1e-1, 1.0],
                   cnn=dict(depth=32, channels=64, steps=10_000, rates=[0.003, 0.01, 0.03]),
                   mlp=dict(depth=64, width=256, steps=10_000, rates=[0.001, 0.003, 0.01])),
    )  # fmt: skip


def network(kind: str, start: str, n: dict, seed: int):
    """tanh at σ_w = 1, σ_b = 0: the gain that the penalties aim at."""
    common = dict(activation="tanh", outputs=10, seed=seed, depth=n[kind]["depth"], weights=start)
    if kind == "mlp":
        return MLP(width=n["mlp"]["width"], inputs=n["size"] ** 2, **common)
    inputs = (1, n["size"], n["size"])
    return ConvNet(channels=n["cnn"]["channels"], inputs=inputs, stride=2, **common)


def scaled(net):
    """The weights in units of the gain g at which the penalties shall aim, 1 unless set."""
    return net.weight / getattr(net, "gain", 1.0)


def matrices(net):
    """The matrices that are penalised: of a kernel, one column of c k² numbers per output."""
    w = scaled(net)
    return w if w.ndim == 3 else w.flatten(2).mT


PENALTIES = {
    "SO": lambda net: o.so(matrices(net)).sum(),
    "MC": lambda net: o.mutual_coherence(matrices(net)).sum(),
    "SRIP": lambda net: o.srip(matrices(net)).sum(),
    "operator": lambda net: soft.conv_so(scaled(net)).sum(),
    "DSO": lambda net: o.dso(matrices(net)).sum(),
}
#: the setting without a penalty whose weights start isometric
ISOMETRIC = {"cnn": "delta_orthogonal", "mlp": "orthogonal"}


def spread(s):
    """Least, a tenth, median, nine tenths and greatest of singular values; their mean square."""
    s = np.asarray(s.cpu(), float)
    return np.append(np.quantile(s, [0, 0.1, 0.5, 0.9, 1]), np.mean(s**2))


def train(net, x, y, *, penalty=None, strength=0.0, decay=False, rate, steps, batch, seed, marks):
    """Momentum SGD; the loss without the penalty and the spreads of W's singular values."""
    update = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    batches = training.minibatches(len(x), batch, torch.Generator().manual_seed(seed))
    entropy, loss, kernels, operator = torch.nn.functional.cross_entropy, [], [], []
    for step in range(steps + 1):
        if step in marks:
            with torch.no_grad():
                loss.append(entropy(net(x[:384]), y[:384]).item())
                if not np.isfinite(loss[-1]):
                    break
                kernels.append(spread(torch.linalg.svdvals(matrices(net))))
                if net.weight.ndim == 5:
                    s = soft.conv_singular_values(scaled(net), (x.shape[-1] + 1) // 2)
                    operator.append(spread(s))
        if step < steps:
            i = next(batches).to(x.device)
            total = entropy(net(x[i]), y[i])
            if not torch.isfinite(total):
                break
            now = soft.decayed(strength, step, steps) if penalty and decay else strength
            if penalty and now > 0:
                total = total + now * PENALTIES[penalty](net)
            update.zero_grad()
            total.backward()
            update.step()
    for rows in (kernels, operator):
        while rows and len(rows) < len(marks):  # a run that diverged
            rows.append(np.full(6, np.nan))
    return np.array(loss + (len(marks) - len(loss)) * [np.nan]), kernels, operator


def run():
    n, device = sizes(), torch.device(scale.device())
    x, y, x_test, y_test, name = pictures(n["count"], n["size"])
    out: dict = {"images": name, **n, "optimiser": "momentum"}
    held = [torch.as_tensor(a).to(device) for a in (x_test[:1000], y_test[:1000])]
    x, y = torch.as_tensor(x).to(device), torch.as_tensor(y).to(device)
    shaped = {"cnn": lambda a: a, "mlp": lambda a: a.flatten(1)}
    for kind, shape in shaped.items():
        steps = n[kind]["steps"]
        marks = training.log_steps(steps, n["points"])
        out[kind] = {**n[kind], "step": marks}
        names = ["none", "isometric start", *PENALTIES][: 6 if kind == "cnn" else 5]
        for setting in names:
            start = ISOMETRIC[kind] if setting == "isometric start" else "gaussian"
            penalty = setting if setting in PENALTIES else None
            grid = [
                (r, s) for r in n[kind]["rates"] for s in (n["strengths"] if penalty else [0.0])
            ]

            def go(seed, rate, strength, decay, steps, marks, what=(kind, start, penalty, shape)):
                kind, start, penalty, shape = what
                net = network(kind, start, n, seed).to(device)
                done = train(net, shape(x), y, penalty=penalty, strength=strength, decay=decay,
                             rate=rate, steps=steps, batch=n["batch"], seed=seed,
                             marks=marks)  # fmt: skip
                return net, *done

            third = max(steps // 3, 1)
            tried = [go(TRIAL_SEED, r, s, False, third, [third])[1][-1] for r, s in grid]
            rate, strength = grid[int(np.nanargmin(np.nan_to_num(tried, nan=np.inf)))]
            for decay in (False, True) if penalty else (False,):
                rows = {"loss": [], "weights": [], "operator": [], "J": [], "test_accuracy": []}
                for seed in range(n["seeds"]):
                    net, loss, kernels, operator = go(seed, rate, strength, decay, steps, marks)
                    rows["loss"].append(loss)
                    rows["weights"].append(kernels)
                    rows["operator"].append(operator)
                    j = net.jacobian(shape(held[0])[:1]).nan_to_num(0, 0, 0)
                    rows["J"].append(spread(torch.linalg.svdvals(j)))
                    with torch.no_grad():
                        right = net(shape(held[0])).argmax(-1) == held[1]
                    rows["test_accuracy"].append(right.float().mean().item())
                label = f"{setting} decayed" if decay else setting
                out[kind][label] = {"rate": rate, "strength": strength, "tried": tried, **rows}
                last = np.median([row[-1] for row in rows["loss"]])
                print(f"  {kind} {label}: rate {rate}, λ {strength}, loss {last:.3f}", flush=True)
    return out, range(n["seeds"])
