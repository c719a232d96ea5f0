"""The explorer and the checks of chapter 14, soft-orthogonality."""

from __future__ import annotations

import numpy as np

from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame

START = np.sqrt([2.93, 0.81, 0.25, 0.01])  # a mean of squares of 1
TARGET = np.array([2.4, 1.3, 0.8, 0.2])


def pull(penalty: str, s: np.ndarray) -> np.ndarray:
    """Derivative of a penalty in each singular value."""
    if penalty == "SRIP":
        top = np.argmax(abs(s**2 - 1))
        return np.where(np.arange(len(s)) == top, 2 * s * np.sign(s**2 - 1), 0.0)
    g = 1.25 if penalty.startswith("gain") else 1.0
    return (8 if penalty == "DSO" else 4) / g**2 * s * (s**2 / g**2 - 1)


def settled(penalty: str, strength: float, loss: bool, time: np.ndarray) -> np.ndarray:
    """Singular values along the flow of loss and penalty, shape (times, 4); Euler's method."""
    inner = 70
    dt, s, path = (time[1] - time[0]) / inner, START.copy(), [START.copy()]
    for _ in time[1:]:
        for _ in range(inner):
            s = s - dt * (strength * pull(penalty, s) + (s - TARGET if loss else 0.0))
        path.append(s.copy())
    return np.array(path)


def penalty_flow() -> Explorer:
    """Chapter 14: what a penalty, and a loss that pulls elsewhere, do to singular values."""
    time = np.linspace(0, 3, 51)

    def frame(penalty, strength, loss):
        path = settled(penalty, strength, loss.startswith("½"), time)
        text = (
            f"{penalty}, λ = {strength:g}, loss: {loss}. At time 3 the singular values lie in "
            f"[{path[-1].min():.2f}, {path[-1].max():.2f}]; they began in [0.10, 1.71]. "
            f"Least mean of s² on the way {np.mean(path**2, 1).min():.2f}."
        )
        curves = [Curve(f"s{i + 1}", time, s, color=i) for i, s in enumerate(path.T)]
        curves.append(Curve("mean of s²", time, np.mean(path**2, 1), "theory"))
        return Frame(curves, text)

    return Explorer(
        "penalty-flow",
        "Four singular values under a penalty and a loss",
        frame,
        {
            "penalty": ["SO", "DSO", "SRIP", "gain 1.25"],
            "strength": [0.0, 0.03, 0.1, 0.3, 1.0, 3.0],
            "loss": ["none", "½(s − m)²"],
        },
        {"penalty": "penalty", "strength": "strength λ", "loss": "loss"},
        xlim=(0, 3),
        ylim=(0, 2.6),
        xlabel="time",
        ylabel="singular value",
        start={"penalty": 0, "strength": 3, "loss": 0},
    )


@exercise("soft-orthogonality/2")
def time_to_one(answer):
    """It should be a function of s0 between 0 and 0.99, say `def waiting(s0): ...`."""

    def time(power, rate):
        return lambda s: np.log((s**power - 1) / (0.99**power - 1)) / rate

    return function_of(
        answer,
        [0.01, 0.1, 0.5, 0.9],
        time(-2.0, 8),
        rtol=1e-6,
        wrong=[
            (time(-2.0, 4), "The deviation of s⁻² from 1 fades at the rate 8λ, not 4λ."),
            (time(-1.0, 8), "It is s⁻², not s⁻¹, that relaxes exponentially."),
            (lambda s: np.log(0.99 / s) / 4, "That is the growth near 0 continued up to 0.99."),
        ],
    )


@exercise("soft-orthogonality/5")
def two_step_share(answer):
    """It should be one number, the estimate divided by the norm."""
    return number(
        answer,
        0.6,
        rtol=1e-3,
        wrong={
            0.75: "That is the estimate itself: divide by the norm.",
            0.4: "That is the share of one product, and also what two products miss.",
            1.25: "That is the norm.",
            0.5625 / 1.25: "Take the square root of m₄/m₂.",
        },
    )
