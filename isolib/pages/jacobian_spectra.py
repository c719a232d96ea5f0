"""The explorer and the checks of chapter 6, jacobian-spectra."""

from __future__ import annotations

import numpy as np

from isolib import spectra
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.meanfield import chi

_NETWORKS = {
    "linear, Gaussian": ("linear", "gaussian"),
    "ReLU, orthogonal": ("relu", "orthogonal"),
    "ReLU, Gaussian": ("relu", "gaussian"),
    "hard tanh, orthogonal": ("hard_tanh", "orthogonal"),
    "hard tanh, Gaussian": ("hard_tanh", "gaussian"),
    "tanh, orthogonal": ("tanh", "orthogonal"),
    "tanh, Gaussian": ("tanh", "gaussian"),
    "erf, orthogonal": ("erf", "orthogonal"),
    "leaky ReLU, orthogonal": ("leaky_relu", "orthogonal"),
}


def network_spectrum() -> Explorer:
    """Chapter 6: all singular values of J in order, by activation and weights, depth and q*.

    From the limit law alone, at χ = 1: s against the share of singular values that are larger.
    """
    share = np.concatenate([[0.0], np.linspace(0.01, 0.99, 36), [0.998]])

    def frame(network, depth, q):
        activation, weights = network
        law = spectra.feedforward(activation, depth, 1 / chi(activation, 1.0, q), q, weights)
        s = np.sqrt(np.maximum(law.quantile(1 - share), 0))
        near = float(law.cdf(2.0) - law.cdf(0.5 - 1e-12))
        heavy = [(np.sqrt(x), w) for x, w in law.atoms() if x > 0 and w > 1e-6]
        atom = "".join(f" Weight {w:.3g} sits at s = {x:.3f}." for x, w in heavy)
        zero = sum(w for x, w in law.atoms() if x == 0)
        atom += f" A share {zero:.3g} is exactly 0." if zero > 1e-6 else ""
        text = (
            f"{activation.replace('_', ' ')}, {weights}, L = {depth}, q* = {q:g}: s_max = "
            f"{s[0]:.3f}; variance of the law of JJᵀ {law.variance:.3g}; "
            f"{near:.0%} of them have s² between 1/2 and 2.{atom}"
        )
        curve = Curve("singular values", share, np.maximum(s, 5e-4), "theory")
        return Frame([curve], text)

    return Explorer(
        "network-spectrum",
        "Singular values of J at criticality, largest first",
        frame,
        {"network": _NETWORKS, "depth": [2, 5, 10, 20, 50, 200],
         "q": [0.01, 0.05, 0.2, 1.0]},
        {"network": "network", "depth": "depth L", "q": "q*"},
        xlim=(0, 1),
        ylim=(1e-3, 50),
        xlabel="share of the singular values that are larger",
        ylabel="s",
        yscale="log",
        start={"network": 5, "depth": 4, "q": 1},
    )  # fmt: skip


@exercise("jacobian-spectra/1")
def share_at_the_top(answer):
    """Give one number between 0 and 1: the share of singular values equal to the largest one."""
    L, p = 20, 0.98
    wrong = {
        p**L: "That is the chance that one neuron after another is unsaturated. A direction "
        "survives if it avoids every saturated neuron: count dimensions, which add.",
        L * (1 - p): "That is the share of directions that are lost at some layer.",
        p: "That is the rank of J: the share of singular values that are not 0.",
        1 - p: "That is the weight of the atom at 0.",
        p ** (-L / 2): "That is s_max itself, the place of the atom.",
        p**-L: "That is s_max², the place of the atom in the law of JJᵀ.",
        (L - 1) * (1 - p): "That is the weight of the continuous part, between the atoms.",
    }
    return number(answer, 1 - L * (1 - p), rtol=1e-6, wrong=wrong)


def gaussian_relu_top(L):
    """s_max of the limit law for L ReLU layers with Gaussian weights, σ_w² = 2."""
    z = (1 - L + np.sqrt((L - 1) ** 2 + 2 * L)) / (2 * L)
    return np.sqrt((1 + z) / z) * (1 + 2 * z) ** (L / 2)


@exercise("jacobian-spectra/2")
def top_of_gaussian_relu(answer):
    """Give a function of the depth, say `def s_max(L): ...`, for L = 1, 2, 3, …"""
    points = np.array([2.0, 3.0, 5.0, 10.0, 50.0, 200.0])
    wrong = [
        (lambda L: gaussian_relu_top(L) ** 2, "That is s_max², the edge of the law of JJᵀ."),
        (lambda L: np.sqrt(L * (L / (L - 1)) ** (L - 1)), "That is for orthogonal weights."),
        (lambda L: np.sqrt((L + 1) * (1 + 1 / L) ** L), "That is for Gaussian weights without "
         "the ReLU."),
        (lambda L: np.sqrt(2 * np.e * L), "That is the leading term for large L; give the exact "
         "edge."),
        (lambda L: gaussian_relu_top(L) / 2 ** (L / 2), "The weights are missing: σ_w² = 2."),
        (lambda L: np.sqrt(1 + 2 * L), "That is the root of the second moment, a lower bound."),
    ]  # fmt: skip
    return function_of(answer, points, gaussian_relu_top, rtol=1e-6, wrong=wrong)
