"""Chapter 16: which gain keeps χ at 1 when pictures arrive, row by row, and what J then is.

The start of the runs of `rnn_mnist`, no training: the mean square of the rows, the length map in
time that it drives, the gain at which the product of the χ_t is 1, and the singular values of J
over the whole picture, measured at that gain and at others.
"""

from __future__ import annotations

import numpy as np
import torch

from experiments.rnn_mnist import build
from isolib import data, scale
from isolib.pages.recurrent_networks import critical_gain, lengths_in_time


def run():
    n = scale.pick(test=dict(hidden=8, seeds=2, count=8, gains=[1.0]),
                   laptop=dict(hidden=64, seeds=10, count=200, gains=[1.0, 1.025, 1.1, 1.25, 1.5]),
                   paper=dict(hidden=64, seeds=20, count=2000,
                              gains=[1.0, 1.025, 1.1, 1.25, 1.5]))  # fmt: skip
    images = data.images("mnist", flatten=False, standardise=False)
    x = images.x_train[:, 0]
    u2 = 2 / (x.shape[-1] + n["hidden"])  # Var U_ij
    x = x[: n["count"]]
    drive = u2 * (x.astype(float) ** 2).sum(-1)  # the mean of (Ux_t)_i², of each picture
    gains = [*n["gains"], critical_gain(drive)]
    theory, measured, spread = [], [], []
    for g in gains:
        q, chi = lengths_in_time(drive, g)
        theory.append(np.exp(np.log(chi).sum(-1).mean() / 2))
        rms, extremes = [], []
        for seed in range(n["seeds"]):
            net = build(hidden=n["hidden"], inputs=x.shape[-1], seed=seed, gain=g)
            s = torch.linalg.svdvals(net.double().jacobian(torch.as_tensor(x)))
            rms.append(s.square().mean(1).sqrt().log().mean().exp().item())
            extremes.append(s[:, [0, -1]].log().mean(0).exp().tolist())
        measured.append(rms)
        spread.append(extremes)
        print(f"  g = {g:.4f}: theory {theory[-1]:.4f}, measured {np.mean(rms):.4f}", flush=True)
    out = {
        **n, "images": images.name, "drive": drive.mean(0), "gains": gains, "theory": theory,
        "q": lengths_in_time(drive, gains[-1])[0].mean(0),
        # axes: gain, seed; rms of the singular values of J, geometric mean over pictures
        "rms": np.round(measured, 5), "s_max_min": np.array(spread),
    }  # fmt: skip
    return out, range(n["seeds"])
