"""The explorers and the checks of chapter 18, outlook."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame

_CONTROLS = {"rule": {"quintic": "QUINTIC", "cubic": "CUBIC"}, "steps": list(range(9))}
_LABELS = {"rule": "coefficients", "steps": "steps"}


def polynomial(s, rule: str, steps: int) -> np.ndarray:
    """What so many steps of Newton and Schulz's iteration make of the singular values s."""
    from isolib import orthogonality

    a, b, c = getattr(orthogonality, rule)
    s = np.asarray(s, dtype=float)
    for _ in range(steps):
        s = s * (a + s * s * (b + c * s * s))
    return s


@lru_cache
def _gaussian(n: int) -> np.ndarray:
    """Singular values of an n × n Gaussian matrix divided by its Frobenius norm."""
    s = np.linalg.svd(np.random.default_rng(0).standard_normal((n, n)), compute_uv=False)
    return s / np.linalg.norm(s)


def newton_schulz_map() -> Explorer:
    """Chapter 18: the map of a singular value after so many steps."""
    x = np.geomspace(1e-4, 1, 241)

    def frame(rule, steps):
        y = polynomial(x, rule, steps)
        inside = polynomial(np.geomspace(0.01, 1, 4001), rule, steps)
        small = polynomial(1e-3, rule, steps)
        text = (
            f"{rule.capitalize()}, {steps} steps: from [0.01, 1] to "
            f"[{inside.min():.3f}, {inside.max():.3f}]; 0.001 goes to {small:.3g}."
        )
        return Frame(
            [Curve("after the steps", x, y), Curve("polar factor", x, 0 * x + 1, "theory")], text
        )

    return Explorer(
        "newton-schulz-map",
        "What becomes of a singular value",
        frame,
        _CONTROLS,
        _LABELS,
        xlim=(1e-4, 1),
        ylim=(0, 1.3),
        xlabel="s before",
        ylabel="s after",
        xscale="log",
        start={"rule": 0, "steps": 5},
    )


def newton_schulz_spectrum() -> Explorer:
    """Chapter 18: the singular values of a normalised Gaussian matrix after so many steps."""
    ends = np.linspace(0, 1.3, 53)

    def frame(rule, steps, n):
        s = polynomial(_gaussian(n), rule, steps)
        heights = np.histogram(s, ends)[0] / len(s) / (ends[1] - ends[0])
        text = (
            f"{rule.capitalize()}, n = {n}, {steps} steps: s from {s.min():.2g} to "
            f"{s.max():.3f}, median {np.median(s):.3f}; {np.mean(s < 0.68):.0%} below 0.68."
        )
        top = max(1.0, 1.1 * heights.max())
        return Frame([Curve("singular values", ends, heights, "steps")], text, ylim=(0, top))

    return Explorer(
        "newton-schulz-spectrum",
        "A Gaussian update, orthogonalised",
        frame,
        _CONTROLS | {"n": [64, 256, 1024]},
        _LABELS | {"n": "size n"},
        xlim=(0, 1.3),
        ylim=(0, 10),
        xlabel="singular value",
        ylabel="density",
        start={"rule": 0, "steps": 5, "n": 1},
    )


@exercise("outlook/1")
def slope_for_a_depth(answer):
    """It should be a number between 0 and 1."""
    return number(
        answer,
        0.5704395,
        rtol=1e-5,
        wrong={
            0.4305229: "That is the slope for 50 layers.",
            0.0696099: "That is (1 − α)²/(2(1 + α²)); solve it for α.",
            1 / 0.5704395: "Slopes α and 1/α give the same map: the one below 1, please.",
        },
    )


@exercise("outlook/2")
def top_of_normalised_layers(answer):
    """It should be a function of the depth, say `def top(L): ...`."""

    def top(n):
        n = np.asarray(n, dtype=float)
        return np.sqrt((n + 1) * (1 + 1 / n) ** n) / 2**n

    return function_of(
        answer,
        [1, 2, 5, 20],
        top,
        rtol=1e-9,
        wrong=[
            (lambda n: top(n) ** 2, "That is the edge of the law of JJᵀ; take the root."),
            (lambda n: top(n) * 2 ** np.asarray(n), "Each layer is divided by its largest s, 2."),
            (lambda n: 0 * n + 1.0, "The bound is 1, but the product does not reach it."),
            (lambda n: 2.0 ** -np.asarray(n), "That is the root of the mean of JJᵀ, not its top."),
        ],
    )
