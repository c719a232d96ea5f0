"""The explorers and the checks of chapter 4, free-multiplication."""

from __future__ import annotations

import numpy as np

from isolib import ensembles, laws
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame

_SIZE = 200


def _layers():
    """name → (law of one layer's WWᵀ or DWWᵀD, function that draws the layer); all of mean 1."""

    def masked(draw, slopes, weights):
        slopes = np.array(slopes) / np.sqrt(np.dot(weights, np.square(slopes)))
        rows = np.repeat(slopes, np.rint(np.array(weights) * _SIZE).astype(int))
        # which rows are masked does not matter: the weights are invariant under permutations
        return lambda rng: rows[:, None] * draw(_SIZE, rng=rng)

    gaussian, orthogonal = ensembles.ginibre, ensembles.haar_orthogonal
    leaky = laws.Atoms([0.0025, 1.0], [0.5, 0.5]).scaled(1 / 0.50125)
    relu, tanh = laws.Bernoulli(0.5).scaled(2), laws.Bernoulli(0.99).scaled(1 / 0.99)
    return {
        "Gaussian": (laws.MarchenkoPastur(), masked(gaussian, [1], [1])),
        "Gaussian, half masked": (
            laws.MarchenkoPastur() @ relu,
            masked(gaussian, [0, 1], [0.5, 0.5]),
        ),
        "orthogonal, half masked": (relu, masked(orthogonal, [0, 1], [0.5, 0.5])),
        "orthogonal, slopes 1 and 0.05": (leaky, masked(orthogonal, [0.05, 1], [0.5, 0.5])),
        "orthogonal, 1 % masked": (tanh, masked(orthogonal, [0, 1], [0.01, 0.99])),
    }


def _products(draw, depths, seed):
    """depth → singular values of one product of that many layers, from one run through them."""
    rng, product, found = np.random.default_rng(seed), np.eye(_SIZE), {}
    for depth in range(1, max(depths) + 1):
        product = draw(rng) @ product
        if depth in depths:
            found[depth] = np.linalg.svd(product, compute_uv=False)
    return found


def _histogram(values, top, bins, total):
    """Ends and heights of a histogram of `values` on [0, top], of mass len(values)/total."""
    counts, ends = np.histogram(values, bins=bins, range=(0, top))
    return ends, counts / total / np.diff(ends)


def _atoms(law):
    """The law's atoms as dotted lines, and in words those above the continuous part."""
    atoms, edge = law.atoms(), law.edges()[-1]
    words = "".join(f", below an atom of weight {w:.3g} at {x:.3g}" for x, w in atoms if x > edge)
    return Curve(
        "atom, with its weight", *zip(*atoms, strict=True), "atoms"
    ) if atoms else _NO_ATOM, words


_NO_ATOM = Curve("atom, with its weight", [], [], "atoms")


def product_spectrum() -> Explorer:
    """Chapter 4: singular values of a product of L layers against their law, by layer and depth.

    One product of 200 × 200 matrices for each frame; the mean of the law of JJᵀ is 1 in all.
    """
    depths, layers = [2, 3, 5, 10, 20, 40], _layers()
    simulated = {name: _products(draw, depths, 3) for name, (_, draw) in layers.items()}

    def frame(depth, layer):
        law = layers[layer][0] ** depth
        s, root = simulated[layer][depth], law.singular_values()
        edge, (lines, words) = root.edges()[-1], _atoms(root)
        top = 1.1 * max([edge, *lines.x])
        # an atom at 0 is a number of dead directions, which rounding does not leave at 0
        rest = np.sort(s)[sum(round(w * s.size) for x, w in root.atoms() if x == 0) :]
        off = np.all([abs(rest - x) > 1e-6 for x in [*lines.x, -1.0] if x], axis=0)
        ends, heights = _histogram(rest[off], top, 40, s.size)
        lo = root.edges()[0]
        x = lo + (edge - lo) * np.sin(np.linspace(0.06, np.pi / 2, 90)) ** 2
        density = root.density(x)
        zero = "".join(f" Weight {w:.3g} sits at 0." for x, w in root.atoms() if x == 0)
        text = (
            f"L = {depth}, {layer}: the continuous part reaches {edge:.3f}{words}; the largest "
            f"simulated value is {s.max():.3f}. Variance of the law of JJᵀ: {law.variance:.3g}; "
            f"{root.cdf(0.1):.0%} of the singular values lie below 0.1.{zero}"
        )
        curves = [
            Curve("simulation", ends, heights, "steps"),
            Curve("theory", x, density, "theory"),
            lines,
        ]
        # the density may run to infinity at 0: show it up to a readable height
        readable = max(2.5 * np.sort(heights)[-3], 2 * np.median(density))
        high = 1.3 * min(density.max(), readable)
        return Frame(curves, text, xlim=(-0.02 * top, float(top)), ylim=(0, float(high)))

    return Explorer(
        "product-spectrum",
        f"Singular values of a product of L layers of width {_SIZE}",
        frame,
        {"depth": depths, "layer": {name: name for name in layers}},
        {"depth": "depth L", "layer": "one layer"},
        xlabel="singular value",
        ylabel="density",
        start={"depth": 2, "layer": 0},
    )


def projection_atoms() -> Explorer:
    """Chapter 4: eigenvalues of P_L ⋯ P_1 ⋯ P_L for L free projections of trace p, and atoms."""
    depths, traces = [2, 3, 5, 10, 20], [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]
    simulated = {}
    for p in traces:
        rows = (np.arange(_SIZE) < round(p * _SIZE)).astype(float)

        def draw(rng, rows=rows):
            q = ensembles.haar_orthogonal(_SIZE, rng=rng)
            return (q * rows) @ q.T

        simulated[p] = _products(draw, depths, 4)

    def frame(depth, p):
        law, eigenvalues = laws.Bernoulli(p) ** depth, simulated[p][depth] ** 2
        edge, ones = law.edges()[-1], eigenvalues > 1 - 1e-9
        x = edge * np.sin(np.linspace(0.06, np.pi / 2 - 0.02, 90)) ** 2
        density = law.density(x)
        weight = sum(w for place, w in law.atoms() if place > 0)
        lines, words = _atoms(law)
        top = 1.02 if weight else 1.1 * edge
        rest = eigenvalues[~ones & (eigenvalues > 1e-9 * edge)]
        ends, heights = _histogram(rest, top, 40, _SIZE)
        text = (
            f"L = {depth}, p = {p:g}: {ones.sum()} of {_SIZE} eigenvalues are 1 (law "
            f"{_SIZE * weight:.0f}). Weight {1 - p:.2g} sits at 0. The others end at "
            f"{rest.max():.3g} (law {edge:.3g}){words}."
        )
        curves = [
            Curve("simulation", ends, heights, "steps"),
            Curve("theory, continuous part", x, density, "theory"),
            lines,
        ]
        high = 1.3 * max(2.5 * np.sort(heights)[-4], 2 * np.median(density))
        return Frame(curves, text, xlim=(-0.02 * top, float(top)), ylim=(0, float(high)))

    return Explorer(
        "projection-atoms",
        "Eigenvalues of a product of L free projections of trace p",
        frame,
        {"depth": depths, "p": traces},
        {"depth": "factors L", "p": "trace p"},
        xlabel="eigenvalue",
        ylabel="density",
        start={"depth": 3, "p": 4},
    )


_DEPTH = 10  # layers in the first check


@exercise("free-multiplication/1")
def variance_of_masked_layers(answer):
    """Give one number: the variance of the law of JJᵀ."""
    right = 2.0 * _DEPTH  # each layer: 1 from the Gaussian weights, (1 − p)/p = 1 from the mask
    wrong = {
        1.0 * _DEPTH: "You counted one of the two factors of a layer. The Gaussian weights add 1 "
        "to the relative variance and the mask adds (1 − p)/p = 1.",
        3.0**_DEPTH - 1: "Second moments multiply for independent numbers. For free factors it "
        "is the relative variances that add.",
        4.0**_DEPTH - 1: "Second moments multiply for independent numbers. For free factors it "
        "is the relative variances that add.",
        right + 1: "That is the second moment. Subtract the squared mean, which is 1.",
        float(np.sqrt(right)): "That is the standard deviation.",
        2.5 * _DEPTH: "The relative variance of Bernoulli(p) is p(1 − p)/p², not p(1 − p).",
        1.25 * _DEPTH: "The relative variance of Bernoulli(p) is p(1 − p)/p², not p(1 − p).",
        right * 4.0**_DEPTH: "The mean is (σ_w² p)^L = 1 here: the mask halves what σ_w² = 2 "
        "doubles.",
    }
    return number(answer, right, rtol=1e-6, wrong=wrong)


@exercise("free-multiplication/2")
def top_of_masked_orthogonal(answer):
    """Give a function of the depth, say `def top(L): ...`, for L = 3, 4, 5, …"""
    points = np.array([3.0, 4.0, 5.0, 8.0, 16.0, 40.0])

    def edge(depth):
        return depth * (depth / (depth - 1)) ** (depth - 1)

    def gaussian(depth):
        return (depth + 1) * ((depth + 1) / depth) ** depth

    wrong = [
        (lambda L: np.sqrt(edge(L)), "That is s_max. The upper edge of the law of JJᵀ is s_max²."),
        (lambda L: edge(L) / 2**L, "The weights are missing: σ_w² = 2 in every layer."),
        (lambda L: edge(L) / np.sqrt(2) ** L, "JJᵀ scales with σ_w² = 2, not with σ_w."),
        (gaussian, "That is the edge for L Gaussian layers without masks."),
        (lambda L: np.sqrt(gaussian(L)), "That is s_max for L Gaussian layers without masks."),
        (lambda L: np.e * (L - 0.5), "That is the limit form for large L; give the exact edge."),
        (lambda L: np.e * (L + 0.5), "That is the limit form for L Gaussian layers."),
        (lambda L: 2.0**L, "That is where all masks let a direction through. For L > 2 no share "
        "of the directions has this luck: the weight 1 − L/2 would be negative."),
    ]  # fmt: skip
    return function_of(answer, points, edge, rtol=1e-6, wrong=wrong)
