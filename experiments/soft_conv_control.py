"""Chapter 14: does what `soft_conv` found for SO in the residual network survive a larger rate?

The same seeds with and without SO, at the strength chosen there, beyond the end of its grid.
"""

from __future__ import annotations

import numpy as np
import torch

from experiments.soft_conv import network, sizes
from experiments.soft_orthogonality import train
from experiments.vanilla_cnn import pictures
from isolib import results, scale


def run():
    n, rate = sizes(), scale.pick(test=0.015, laptop=0.03, paper=0.15)
    name = "soft-conv" + ("-paper" if scale.name() == "paper" else "")
    strength = float(results.load(name)["data"]["residual"]["SO"]["strength"])
    x, y, *_ = pictures(n["count"], n["size"], 1.0, "cifar10")
    n["inputs"] = x.shape[1:]
    x, y = (torch.as_tensor(a).to(scale.device()) for a in (x, y))
    out: dict = {"rate": rate, "strength": strength}
    for key, penalty in (("none", None), ("SO", "SO")):
        out[key] = []
        for seed in range(n["seeds"]):
            net = network("residual", "gaussian", n, seed).to(scale.device())
            loss, *_ = train(net, x, y, penalty=penalty, strength=strength, rate=rate,
                             steps=n["steps"], batch=n["batch"], seed=seed,
                             marks=[n["steps"]])  # fmt: skip
            out[key].append(loss[-1])
        print(f"  {key} at rate {rate}: {np.mean(out[key]):.3f}", flush=True)
    return out, range(n["seeds"])
