"""The explorer and the checks of chapter 10, convolutions."""

from __future__ import annotations

import numpy as np

from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame

#: shares of the energy in the three or five columns of a kernel
COLUMNS = {
    "delta": [1.0],
    "isometric 3 × 3": [0.25, 0.5, 0.25],
    "uniform 3 × 3": [1 / 3] * 3,
    "uniform 5 × 5": [0.2] * 5,
}


def averaged(profile: np.ndarray, columns: list[float], depth: int) -> np.ndarray:
    """A profile over a ring of positions after `depth` applications of the average."""
    half = len(columns) // 2
    for _ in range(depth):
        profile = sum(v * np.roll(profile, half - i) for i, v in enumerate(columns))
    return profile


def spatial_modes() -> Explorer:
    """Chapter 10: the mean squares along one row of a picture, layer after layer."""
    n, depths = 28, [0, 1, 2, 4, 8, 16, 32, 64, 128]
    position = np.arange(n)
    start = np.full(n, 0.4)
    start[5:9], start[16:18], start[21] = 2.4, 3.0, 2.0

    def frame(depth, kernel):
        profile = averaged(start, COLUMNS[kernel], depth)
        contrast = np.ptp(profile) / np.ptp(start)
        left = f"{contrast:.0%}" if contrast > 0.005 else f"{contrast:.1g}"
        text = (
            f"After {depth} {kernel} layer{'' if depth == 1 else 's'}: mean {profile.mean():.3f}, "
            f"highest minus lowest {left} of what it was."
        )
        curves = [
            Curve("mean square at each position", position, profile),
            Curve("of the input", position, start, "theory"),
        ]
        return Frame(curves, text)

    return Explorer(
        "spatial-modes",
        "What is left of a picture's bright and dark places",
        frame,
        {"kernel": list(COLUMNS), "depth": depths},
        {"kernel": "kernel", "depth": "layers"},
        xlim=(0, n - 1),
        ylim=(0, 3.2),
        xlabel="position along a row",
        ylabel="mean square of a pre-activation",
        start={"kernel": 2, "depth": 4},
    )


@exercise("convolutions/2")
def slowest_mode(answer):
    """It should be a function of the side n, say `def slowest(n): ...`."""
    return function_of(
        answer,
        [7, 14, 28],
        lambda n: np.sin(5 * np.pi / n) / (5 * np.sin(np.pi / n)),
        rtol=1e-9,
        wrong=[
            (
                lambda n: (np.sin(5 * np.pi / n) / (5 * np.sin(np.pi / n))) ** 2,
                "The slowest mode varies in one direction only: the other factor is 1.",
            ),
            (lambda n: (1 + 2 * np.cos(2 * np.pi / n)) / 3, "That is the value for 3 × 3."),
            (
                lambda n: np.sin(2.5 * np.pi / n) / (5 * np.sin(np.pi / 2 / n)),
                "On a ring of n positions the lowest frequency is 2π/n, not π/n.",
            ),
        ],
    )


@exercise("convolutions/4")
def five_by_five(answer):
    """It should be one number."""
    return number(
        answer,
        np.sqrt(96 / 25),
        rtol=1e-3,
        wrong={
            96 / 25: "That is the square of it.",
            np.sqrt(32 / 9): "That is the value for 3 × 3.",
            2.0: "That is the Gaussian value.",
            5.0: "That is the bound that no kernel exceeds; a random one stays below.",
        },
    )
