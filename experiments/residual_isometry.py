"""Chapter 12: the universal law in networks of width 1000 and depth 100, after the 2019 paper.

Seven activations, random input and CIFAR-10 input, Gaussian and orthogonal weights. All networks
of one seed share their weights: a layer is drawn once. Stored are quantiles and comparisons.
"""

from __future__ import annotations

import numpy as np
import torch

from isolib import activations, data, meanfield, scale, spectra
from isolib.networks import initial_weights

NAMES = ("linear", "leaky_relu", "relu", "selu", "tanh", "hard_tanh", "sigmoid")
SIGMA_W2 = 0.5


def inputs(images, width, depth, seed):
    """{kind: x⁰}: Gaussian with q¹ = 1, and a CIFAR-10 image through a Gaussian input layer."""
    g = torch.Generator().manual_seed(500 + seed)
    noise = torch.randn(width, generator=g)
    image = torch.from_numpy(np.array(images.x_train[seed], dtype=np.float32))
    layer = torch.randn(width, image.numel(), generator=g) / image.numel() ** 0.5
    noise = noise * (depth / SIGMA_W2) ** 0.5 / noise.square().mean().sqrt()
    return {"random": noise, "cifar10": layer @ image}


class Walker:
    """One network on its way through the layers: its x, its product J and its c."""

    def __init__(self, name, x, depth, a):
        self.act, self.x, self.a, self.depth = activations.get(name), x, a, depth
        q1, mean = SIGMA_W2 / depth * float(x.square().mean()), float(x.mean())
        self.c = meanfield.effective_cumulant(name, depth, SIGMA_W2, q1=q1, a=a, mean=mean)
        self.j, self.slopes = None, []

    def step(self, w):
        h = w @ self.x
        d = self.act.slope(h)[:, None]
        self.slopes.append(float(d.square().mean()))
        self.x = self.act.phi(h) + self.a * self.x
        if self.j is None:
            self.j = torch.eye(len(h)).to(h)
        self.j = torch.addmm(self.j, w * d, self.j, beta=self.a)

    def numbers(self):
        """Comparison with the limit law of the predicted c, the outlier set apart."""
        s = (
            np.sort(torch.linalg.svdvals(self.j.double()).cpu().numpy())
            / abs(self.a) ** self.depth
        )
        law = spectra.residual(self.c / self.a**2)
        lo, hi = law.singular_values().edges()
        outlier = s[-1] > hi * (1 + 5 * len(s) ** (-2 / 3))  # five widths of a soft edge
        bulk = s[:-1] if outlier else s
        return {
            "c": self.c, "c_measured": SIGMA_W2 * np.mean(self.slopes), "outlier": outlier,
            "largest": s[-1], "ks": spectra.compare(law, bulk**2).ks,
            "bottom": bulk[0] / lo - 1, "top": bulk[-1] / hi - 1,
            "quantiles": bulk[np.rint(np.linspace(0, 1, 101) * (len(bulk) - 1)).astype(int)],
        }  # fmt: skip


def run():
    width = scale.pick(test=200, laptop=1000, paper=1000)
    depth = scale.pick(test=20, laptop=100, paper=100)
    seeds = range(scale.pick(test=1, laptop=2, paper=10))
    found, images = {}, data.images("cifar10")
    for seed in seeds:
        starts = inputs(images, width, depth, seed)
        starts = {k: x.to(scale.device()) for k, x in starts.items()}
        plans = [("gaussian", kind, n, 1.0) for kind in starts for n in NAMES]
        plans += [("gaussian", "random", "tanh", 0.98)]
        if seed == 0:
            plans += [("orthogonal", "random", n, 1.0) for n in ("linear", "relu", "selu", "tanh")]
        walkers = {"/".join(map(str, p)): Walker(p[2], starts[p[1]], depth, p[3]) for p in plans}
        g = torch.Generator().manual_seed(seed)
        for _ in range(depth):
            for kind in ("gaussian", "orthogonal") if seed == 0 else ("gaussian",):
                w = initial_weights(kind, 1, width, variance=SIGMA_W2 / depth, seed=g)[0]
                w = w.to(scale.device())
                for key, walker in walkers.items():
                    if key.startswith(kind):
                        walker.step(w)
        for key, walker in walkers.items():
            found.setdefault(key, []).append(walker.numbers())
        print(f"  seed {seed}", flush=True)
    networks = {k: {name: [one[name] for one in runs] for name in runs[0]}
                for k, runs in found.items()}  # fmt: skip
    sizes = {"width": width, "depth": depth, "sigma_w2": SIGMA_W2, "images": images.name}
    return {**sizes, "networks": networks}, seeds
