"""Chapter 17: smaller rates for the two variants whose search ended at the edge of its list."""

from __future__ import annotations

import numpy as np
import torch

from experiments.in_practice import TRIAL_SEED, build, sizes, train
from isolib import data, training

RATES = {"cnn designed": [0.001, 0.002, 0.005], "resnet unscaled": [1e-9, 1e-7, 1e-5]}


def run():
    """(data, seeds) for `python -m experiments in-practice-rates`."""
    n, out = sizes(), {}
    images = data.digits(flatten=False)
    arrays = (images.x_train, images.y_train, images.x_test, images.y_test)
    sets = tuple(torch.tensor(a) for a in arrays)
    marks = sorted({0, *training.log_steps(n["steps"], n["points"])})
    for key, rates in RATES.items():

        def once(rate, seed, key=key):
            net = build(*key.split(" "), n, seed, sets[0][:64])
            return train(net, sets, rate, n["steps"], n["batch"], marks, seed, False)

        search = [once(rate, TRIAL_SEED)[-1, 0] for rate in rates]
        best = rates[int(np.argmin(np.nan_to_num(search, nan=1e9)))]
        a = np.array([once(best, s) for s in range(n["seeds"])])
        print(key, best, np.round(search, 3), a[:, -1].round(3).tolist(), flush=True)
        out[key] = dict(rate=best, search=search, loss=a[..., 0], accuracy=a[..., 1])
    found = dict(nets=out, step=marks, rates=RATES, images=images.name, steps=n["steps"])
    return found, list(range(n["seeds"]))
