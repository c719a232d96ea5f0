"""The explorers of the book, one function each: what it shows is what this function computes."""

from __future__ import annotations

import numpy as np

from isolib import ensembles, laws
from isolib.explore import Curve, Explorer, Frame
from isolib.products import log_singular_values


def depth_and_conditioning() -> Explorer:
    """Chapter 1: singular values of a product of L random matrices, Gaussian or perturbed.

    W = cos(θ) Q + sin(θ) G interpolates between a Haar orthogonal Q (θ = 0) and a Gaussian G
    (θ = π/2); both have mean squared singular value 1, and so has W.
    """
    n, depths = 60, [1, 2, 3, 5, 8, 12, 20, 30, 50]
    mixes = {f"{percent} %": percent / 100 for percent in (0, 5, 10, 20, 40, 70, 100)}

    def factors(mix, depth):
        rng, theta = np.random.default_rng(1), mix * np.pi / 2
        for _ in range(depth):
            q, g = ensembles.haar_orthogonal(n, rng=rng), ensembles.ginibre(n, rng=rng)
            yield np.cos(theta) * q + np.sin(theta) * g

    def frame(depth, gaussian):
        s = log_singular_values(factors(gaussian, depth)) / np.log(10)
        rank = np.arange(1, n + 1)
        decades = s[0] - s[-1]
        condition = f"{10**decades:,.3g}" if decades < 12 else f"about 10^{decades:.0f}"
        text = (
            f"Depth {depth}, {100 * gaussian:.0f} % Gaussian: largest singular value "
            f"{10 ** s[0]:.3g}, smallest {10 ** s[-1]:.2g}, ratio {condition}; "
            f"mean square {np.mean(10 ** (2 * s)):.2f}."
        )
        curve = Curve("singular values of the product", rank, 10**s, "points")
        # one scale for all mixtures of a depth, so that only the mixture changes the picture
        level = Curve("isometry", rank, np.ones(n), "theory")
        return Frame([curve, level], text, ylim=(10.0 ** -(1.25 * depth + 2), 100.0))

    return Explorer(
        "depth-and-conditioning",
        f"Singular values of a product of {n} × {n} random matrices",
        frame,
        {"depth": depths, "gaussian": mixes},
        {"depth": "depth L", "gaussian": "Gaussian share"},
        xlim=(0, n + 1),
        xlabel="rank of the singular value",
        ylabel="singular value",
        yscale="log",
        start={"depth": 6, "gaussian": 6},
    )


def marchenko_pastur() -> Explorer:
    """Chapter 2: eigenvalues of (1/n) X Xᵀ on the Marchenko–Pastur law, by ratio and size."""
    ratios = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0]
    sizes = [20, 60, 200, 600]

    def frame(ratio, n):
        law = laws.MarchenkoPastur(ratio)
        # as many matrices as give about 1,200 eigenvalues, so that only n changes the picture
        batch = max(1, round(1200 / (n * ratio)))
        eigenvalues = np.linalg.eigvalsh(
            ensembles.wishart(n, ratio, batch=batch, seed=int(100 * ratio) + n)
        ).ravel()
        share = min(1.0, 1 / ratio)  # a ratio above 1 leaves n·(r−1) zeros: the atom
        positive = eigenvalues[eigenvalues > 1e-9]
        hi = law.edges()[1]
        counts, ends = np.histogram(positive, bins=36, range=(0, 1.15 * hi))
        heights = counts / counts.sum() / np.diff(ends) * share
        # the density runs to infinity at 0 when the ratio is 1: show it up to a readable height
        x = law.edges()[0] + (hi - law.edges()[0]) * np.sin(np.linspace(0.05, np.pi / 2, 90)) ** 2
        top = 1.25 * min(law.density(x[2:-1]).max(), 2.5 * np.sort(heights)[-4])
        atom = f" Weight {1 - 1 / ratio:.3g} sits at 0." if ratio > 1 else ""
        text = (
            f"p/n = {ratio:g}, n = {n}: edges {law.edges()[0]:.3f} and {hi:.3f}; the simulation "
            f"reaches from {positive.min():.3f} to {positive.max():.3f}.{atom}"
        )
        curves = [
            Curve("simulation", ends, heights, "steps"),
            Curve("Marchenko–Pastur density", x, law.density(x), "theory"),
        ]
        return Frame(curves, text, xlim=(0, 1.15 * hi), ylim=(0, float(top)))

    return Explorer(
        "marchenko-pastur",
        "Eigenvalues of a sample covariance matrix on the Marchenko–Pastur law",
        frame,
        {"ratio": ratios, "n": sizes},
        {"ratio": "ratio p/n", "n": "columns n"},
        xlabel="eigenvalue",
        ylabel="density",
        start={"ratio": 3, "n": 2},
    )


def stieltjes() -> Explorer:
    """Chapter 2: the Green's function of one matrix a height η above the axis, and its limit."""
    sizes, heights = [25, 100, 400], [1.0, 0.5, 0.2, 0.1, 0.05, 0.03]
    law, x = laws.Semicircle(), np.linspace(-3, 3, 201)
    eigenvalues = {n: np.linalg.eigvalsh(ensembles.goe(n, seed=n)) for n in sizes}

    def frame(n, eta):
        z = x + 1j * eta
        one = np.array([-np.mean(1 / (point - eigenvalues[n])).imag for point in z]) / np.pi
        limit = -law.cauchy(z).imag / np.pi
        text = (
            f"N = {n}, η = {eta:g}: the two smoothed curves differ by at most "
            f"{abs(one - limit).max():.2g}, the limit and the semicircle by "
            f"{abs(limit - law.density(x)).max():.2g}; near 0 the eigenvalues are {np.pi / n:.2g} "
            "apart."
        )
        curves = [
            Curve("one matrix, −Im G(x + iη)/π", x, one),
            Curve("N → ∞ at the same η", x, limit, color=1),
            Curve("semicircle density", x, law.density(x), "theory"),
        ]
        return Frame(curves, text)

    return Explorer(
        "stieltjes",
        "The Green's function a height η above the real axis",
        frame,
        {"n": sizes, "eta": heights},
        {"n": "size N", "eta": "height η"},
        xlim=(-3, 3),
        ylim=(0, 0.6),
        xlabel="x",
        ylabel="density",
        start={"n": 1, "eta": 2},
    )


#: every explorer of the book by name; the browser tests draw each and compare
ALL = {
    "depth-and-conditioning": depth_and_conditioning,
    "marchenko-pastur": marchenko_pastur,
    "stieltjes": stieltjes,
}
