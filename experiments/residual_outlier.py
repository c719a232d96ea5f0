"""Chapter 12: the singular value that leaves the bulk: over L, N, φ, inputs and cures."""

from __future__ import annotations

import numpy as np
import torch

from isolib import scale
from isolib.activations import Activation, get
from isolib.networks import ResidualMLP

SIGMA_W2 = 0.5
_relu = get("relu")
SHIFT = (2 * np.pi) ** -0.5  # E φ for ReLU at q = 1
OWN = {
    "relu - const": Activation("relu - const", lambda x: _relu.phi(x) - SHIFT, _relu.slope, (0,)),
    "tanh + 1": Activation(
        "tanh + 1", lambda x: get("tanh").phi(x) + 1, get("tanh").slope, ()
    ),
}  # fmt: skip


def top(name, depth, width, seed, *, mean=0.0, q1=1.0, branch="plain", weights="gaussian"):
    """[λ₁, λ₂, λ_N, overlap of the right vector with x̂⁰ + e, of the left one with e]."""
    g = torch.Generator().manual_seed(10_000 + seed)
    x = torch.randn(width, generator=g)
    x = (x - x.mean()) / x.std(correction=0)  # mean 0 and mean square 1 exactly
    x = (mean + (1 - mean**2) ** 0.5 * x) * (q1 * depth / SIGMA_W2) ** 0.5
    net = ResidualMLP(
        depth=depth, width=width, activation=OWN.get(name, name), sigma_w2=SIGMA_W2,
        weights=weights, branch=branch, seed=seed, device=scale.device(),
    )  # fmt: skip
    u, s, vt = np.linalg.svd(net.jacobian(x)[0].double().cpu().numpy())
    e = np.full(width, width**-0.5)
    guess = x.numpy() / np.linalg.norm(x.numpy()) + e
    right = abs(vt[0] @ guess) / np.linalg.norm(guess)
    return [s[0] ** 2, s[1] ** 2, s[-1] ** 2, right, abs(u[:, 0] @ e)]


def run():
    n = scale.pick(test=100, laptop=300, paper=1000)
    depths = scale.pick(test=(20, 60), laptop=(30, 100, 300, 1000), paper=(30, 100, 300, 1000))
    many = scale.pick(test=3, laptop=16, paper=30)
    few = scale.pick(test=2, laptop=5, paper=10)
    out = {"width": n, "depths": list(depths), "sigma_w2": SIGMA_W2}

    def over_depths(seeds, name, **kw):
        print(" ", name, kw, flush=True)
        return {str(L): [top(name, L, n, s, **kw) for s in range(seeds)] for L in depths}

    out["relu"] = over_depths(many, "relu")
    out["activations"] = {
        "leaky_relu": over_depths(few, "leaky_relu"),
        "selu, q = 0.05": over_depths(few, "selu", q1=0.05),
        "selu, q = 1": over_depths(few, "selu"),
        **{name: over_depths(few, name) for name in
           ("linear", "tanh", "hard_tanh", "sigmoid", "tanh + 1")},
        "relu - const": over_depths(many, "relu - const"),  # single networks differ by a lot
        "relu - const, mean 0.5": over_depths(few, "relu - const", mean=0.5),
    }  # fmt: skip
    out["branches"] = {b: over_depths(few, "relu", branch=b)
                       for b in ("centred", "signed", "mixed")}  # fmt: skip
    middle = depths[1]
    widths = scale.pick(test=(50, 100), laptop=(100, 200, 400, 800), paper=(250, 1000, 4000))
    out["widths"] = {str(w): [top("relu", middle, w, s) for s in range(2 * few)] for w in widths}
    out["means"] = {str(t): [top("relu", middle, n, s, mean=t) for s in range(2 * few)]
                    for t in (-0.5, 0.0, 0.5, 0.9)}  # fmt: skip
    out["orthogonal"] = [top("relu", middle, n, s, weights="orthogonal") for s in range(few)]
    return out, range(many)
