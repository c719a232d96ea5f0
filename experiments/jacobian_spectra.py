"""Chapter 6: singular values of J in networks of width 1000, for Figures 2 and 3 of 2017.

Every activation sees the same weights, layer by layer, so that a layer is drawn once. Stored are
quantiles and a few numbers for each network and depth, not the singular values themselves.
"""

from __future__ import annotations

import numpy as np
import torch

from isolib import activations, meanfield, scale
from isolib.networks import initial_weights

#: activation, weights, q*: the three panels of Figure 2, then our own
NETWORKS = (
    ("linear", "gaussian", 1.0),
    ("relu", "orthogonal", 1.0),
    ("hard_tanh", "orthogonal", 0.2),
    ("tanh", "orthogonal", 0.05),
    ("erf", "orthogonal", 0.05),
    ("gelu", "orthogonal", 0.05),
    ("relu", "gaussian", 1.0),
    ("hard_tanh", "gaussian", 0.2),
    ("tanh", "gaussian", 0.05),
)


class Walker:
    """One network on its way through the layers: its x and its product J."""

    def __init__(self, activation, weights, q, x, seed):
        self.act = activations.get(activation)
        self.weights, self.q = weights, q
        self.w2, self.b2 = meanfield.critical_point(activation, q)
        self.x = x * np.sqrt((q - self.b2) / self.w2) / x.square().mean().sqrt()
        self.j, self.noise, self.lengths = None, torch.Generator().manual_seed(seed), []

    def step(self, w):
        """One layer with weights of variance 1, scaled here."""
        w = w * np.sqrt(self.w2)
        bias = torch.randn(len(w), generator=self.noise, dtype=w.dtype) * np.sqrt(self.b2)
        h = w @ self.x + bias.to(w)
        d = self.act.slope(h)
        self.x = self.act.phi(h)
        self.j = d[:, None] * (w if self.j is None else w @ self.j)
        self.lengths.append(float(h.square().mean()))


def numbers(walker, depth):
    """What is kept of one spectrum: 101 quantiles of s, moments of s², the top, the zeros."""
    s = np.sort(torch.linalg.svdvals(walker.j).cpu().numpy())
    at_top = abs(s / walker.w2 ** (depth / 2) - 1) < 1e-9
    return {
        "quantiles": s[np.rint(np.linspace(0, 1, 101) * (len(s) - 1)).astype(int)],
        "mean": np.mean(s**2),
        "second": np.mean(s**4),
        "largest": s[-1],
        "zeros": np.mean(s < 1e-13 * s[-1]),
        "at_top": np.mean(at_top),  # on the place of the hard-tanh atom, σ_w^L
        "below_top": s[~at_top].max() if (~at_top).any() else 0.0,
        "length": np.mean(walker.lengths),
    }


def run():
    width = scale.pick(test=200, laptop=1000, paper=1000)
    depths = scale.pick(test=(2, 8, 32), laptop=(2, 8, 32, 128), paper=(2, 8, 32, 128, 512))
    seeds = range(scale.pick(test=1, laptop=2, paper=10))
    out = {f"{a}/{w}/{q:g}": {str(d): [] for d in depths} for a, w, q in NETWORKS}
    for seed in seeds:
        generator = torch.Generator().manual_seed(1000 + seed)
        x = torch.randn(width, generator=generator, dtype=torch.float64).to(scale.device())
        walkers = [Walker(*network, x, seed) for network in NETWORKS]
        for depth in range(1, max(depths) + 1):
            for kind in ("orthogonal", "gaussian"):
                w = initial_weights(
                    kind, 1, width, seed=generator, dtype=torch.float64, device=scale.device()
                )[0]
                for walker in walkers:
                    if walker.weights == kind:
                        walker.step(w)
            if depth in depths:
                for network, walker in zip(out.values(), walkers, strict=True):
                    network[str(depth)].append(numbers(walker, depth))
                print(f"  seed {seed}, depth {depth}", flush=True)
    stacked = {
        name: {
            depth: {key: [one[key] for one in runs] for key in runs[0]}
            for depth, runs in network.items()
        }
        for name, network in out.items()
    }
    return {"width": width, "depths": list(depths), "networks": stacked}, seeds
