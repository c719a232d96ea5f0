"""Chapter 11: lengths and c of wide residual networks, means over many seeds, real matrices.

One matrix a layer serves every network of a run: the networks differ in activation, skip strength,
bias and input, and their vectors pass through it side by side. Each is a network as
`isolib.networks.ResidualMLP` makes it; sharing the weights only correlates one with another.
"""

from __future__ import annotations

import numpy as np
import torch

from isolib import activations, data, scale
from isolib.networks import initial_weights

SIGMA_W2 = 0.5
SEVEN = ("linear", "leaky_relu", "relu", "selu", "tanh", "hard_tanh", "sigmoid")

#: activation, a, σ_b², t₀ = ⟨x⁰⟩ over the root mean square of x⁰
RANDOM = (
    *((name, 1.0, 0.0, 0.0) for name in SEVEN),
    ("relu", 1.0, 0.0, 0.5),
    ("selu", 1.0, 0.0, 0.5),
    ("relu", 0.98, 0.1, 0.0),
    ("tanh", 0.98, 0.1, 0.0),
)
#: the same, with a picture for input
PICTURE = (
    *((name, 1.0, 0.0, "raw") for name in ("relu", "selu", "tanh", "sigmoid")),
    ("relu", 1.0, 0.0, "standardised"),
)


def start(n, t0, size, rng):
    """x⁰ of mean square `size`, its mean exactly t₀ √size, else random; shape (n,)."""
    z = rng.standard_normal(n)
    z = (z - z.mean()) / z.std()
    return np.sqrt(size) * (t0 + np.sqrt(1 - t0**2) * z)


def walk(networks, weights, depth, x, seed):
    """(q̂^l, ⟨x^l⟩, ⟨φ'(h^l)²⟩) for l = 1 … L: arrays (depth, networks); x is (n, networks)."""
    generator = torch.Generator().manual_seed(seed)
    acts = [activations.get(name) for name, *_ in networks]
    a = torch.tensor([a for _, a, _, _ in networks], dtype=torch.float64)
    noise = torch.tensor([b for _, _, b, _ in networks], dtype=torch.float64).sqrt()
    x = torch.as_tensor(x)
    out = np.empty((3, depth, len(networks)))
    for layer in range(depth):
        w = initial_weights(weights, 1, len(x), variance=SIGMA_W2 / depth, seed=generator)[0]
        b = torch.randn(len(x), 1, generator=generator, dtype=x.dtype)
        # the product is in single precision, which costs 1e-6; x and all sums are in double
        size = x.abs().max(0).values
        h = (w @ (x / size).float()).double() * size + noise * b
        phi = torch.stack([act.phi(h[:, i]) for i, act in enumerate(acts)], 1)
        slope = torch.stack([act.slope(h[:, i]) for i, act in enumerate(acts)], 1)
        x = a * x + phi
        out[:, layer] = (h**2).mean(0), x.mean(0), (slope**2).mean(0)
    return out


def many(networks, weights, depth, width, seeds, inputs):
    """`walk` for each seed; means and standard errors over seeds, and c of every network."""
    runs = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x = np.stack([inputs(network, rng) for network in networks], 1)
        runs.append(walk(networks, weights, depth, x, 5000 + seed))
        print(f"  {weights}, N = {width}, seed {seed}", flush=True)
    q, m, slope2 = np.moveaxis(runs, 0, 1)  # each (seeds, depth, networks)
    return {
        "networks": ["/".join(map(str, network)) for network in networks],
        "width": width,
        "depth": depth,
        "seeds": len(runs),
        "q": {"mean": q.mean(0).T, "error": q.std(0, ddof=1).T / np.sqrt(len(runs))},
        "m": {"mean": m.mean(0).T, "error": m.std(0, ddof=1).T / np.sqrt(len(runs))},
        "q_last": q[:, -1].T,
        "c": SIGMA_W2 * slope2.mean(1).T,
    }


def run():
    seeds = range(scale.pick(test=4, laptop=64, paper=200))
    width, depth = scale.pick(test=(100, 10), laptop=(1000, 100), paper=(4000, 100))
    haar, haar_depth = scale.pick(test=(50, 10), laptop=(400, 50), paper=(1000, 100))
    images = data.images("mnist")
    seen = images.x_train[0].astype(float).ravel()
    shown = {"raw": seen - seen.min(), "standardised": seen}  # raw: pixels from 0, as in the file

    def random(network, rng, depth=depth, n=width):
        return start(n, network[3], (1 - network[2]) * depth / SIGMA_W2, rng)

    def shorter(network, rng):
        return random(network, rng, haar_depth, haar)

    def picture(network, rng):  # the same one for every seed: its pixels are the neurons
        x = shown[network[3]]
        return x * np.sqrt(haar_depth / SIGMA_W2 / np.mean(x**2))

    return {
        "sigma_w2": SIGMA_W2,
        "gaussian": many(RANDOM, "gaussian", depth, width, seeds, random),
        "orthogonal": many(RANDOM[:7], "orthogonal", haar_depth, haar, seeds, shorter),
        "picture": many(PICTURE, "gaussian", haar_depth, seen.size, seeds, picture)
        | {"t0": {k: x.mean() / np.sqrt(np.mean(x**2)) for k, x in shown.items()}},
        "images": images.name,
    }, seeds
