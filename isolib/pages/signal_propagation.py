"""The explorers and the checks of chapter 5, signal-propagation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import BarycentricInterpolator

from isolib import activations, meanfield
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.gaussian import pair_mean

_NAMES = {"tanh": "tanh", "hard tanh": "hard_tanh", "erf": "erf", "SELU": "selu"}
_W = [0.8, 1.0, 1.3, 1.76, 2.2, 3.0, 4.0]
_B = [0.0, 0.01, 0.05, 0.3]
# nodes in √(1 − c), in which the map is smooth up to c = 1 also where φ has a kink
_ROOTS = (1 + np.cos(np.pi * np.arange(13) / 12)) / 2
_C = np.linspace(0, 1, 41)
_LOST = {0.0: "lengths shrink to 0.", np.inf: "lengths grow without bound."}


@lru_cache(maxsize=512)
def _state(name, w, b):
    """q* (0 or infinite where nothing is held) and χ at it."""
    act = activations.get(name)
    try:
        q = meanfield.fixed_point(act, w, b)
    except ValueError:  # lengths grow without bound (SELU)
        return np.inf, np.nan
    return (q, meanfield.chi(act, w, q)) if q >= 1e-9 else (0.0, np.nan)


def _map(name, w, b, q):
    """The correlation map at q*, a function of c: exact at _ROOTS, a polynomial between."""
    act = activations.get(name)
    exact = [(w * pair_mean(act, q, 1 - r * r) + b) / q for r in _ROOTS]
    through = BarycentricInterpolator(_ROOTS, exact)
    return lambda c: np.clip(through(np.sqrt(1 - c)), 0, 1)


def _where(activation, w, b):
    return f"{activation}, σ_w² = {w:g}, σ_b² = {b:g}: "


def _phase(chi):
    return "ordered" if chi < 0.995 else "chaotic" if chi > 1.005 else "nearly critical"


def correlation_cobweb() -> Explorer:
    """Chapter 5: the correlation map at q*, and the path of a correlation that starts at 0.9."""

    def frame(activation, w, b):
        q, chi = _state(_NAMES[activation], w, b)
        x, passed, text = _C, [0.9], _LOST.get(q)
        if text:  # nothing to draw
            x = mapped = np.zeros(2)
        else:
            step = _map(_NAMES[activation], w, b, q)
            mapped = step(_C)
            for _ in range(200):
                passed.append(float(step(passed[-1])))
            text = (
                f"q* = {q:.3f}, χ = {chi:.3f}, {_phase(chi)}. From 0.9 the correlation is "
                f"{passed[5]:.3f} after 5 layers, {passed[20]:.3f} after 20, "
                f"{passed[200]:.3f} after 200."
            )
        steps = np.repeat(passed[:16], 2)  # to the map and to the diagonal by turns
        return Frame(
            [
                Curve("correlation map", x, mapped, "theory"),
                Curve("diagonal", [0, 1], [0, 1], color=2),
                Curve("path from 0.9", steps[:-1], steps[1:], color=1),
            ],
            _where(activation, w, b) + text,
        )

    return Explorer(
        "correlation-cobweb",
        "The correlation map and its cobweb",
        frame,
        {"activation": {n: n for n in _NAMES}, "w": _W, "b": _B},
        {"activation": "activation", "w": "σ_w²", "b": "σ_b²"},
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="correlation in one layer",
        ylabel="in the next",
        start={"activation": 0, "w": 6, "b": 2},
    )


def phase_diagram() -> Explorer:
    """Chapter 5: the critical line of an activation, and what holds at a point of the plane."""
    lines = {
        label: np.array([meanfield.critical_point(name, q) for q in np.linspace(0.1, 3, 40) ** 2])
        for label, name in _NAMES.items()
    }

    def frame(activation, w, b):
        name, line = _NAMES[activation], lines[activation]
        q, chi = _state(name, w, b)
        if q in _LOST:
            text = _LOST[q]
        else:
            text = f"χ = {chi:.3f}, {_phase(chi)}"
            act = activations.get(name)
            pull = meanfield.length_slope(act, w, q)
            grow = "grows" if chi > 1 else "falls"
            rate = f", it {grow} e-fold in {1 / abs(np.log(chi)):.4g} layers"
            text = (
                f"q* = {q:.4g}, ξ_q = {-1 / np.log(pull):.2f}. {text}; mean squared gradient "
                f"after 100 layers {chi**100:.2g}{rate if abs(chi - 1) > 1e-6 else ''}."
            )
        return Frame(
            [
                Curve("χ = 1", line[:, 0], line[:, 1], "theory"),
                Curve("here", [w], [b], "points", 1),
            ],
            _where(activation, w, b) + text,
        )

    return Explorer(
        "phase-diagram",
        "Where on the plane? Order to the left of the line, chaos to the right",
        frame,
        {"activation": {n: n for n in _NAMES}, "w": _W, "b": _B},
        {"activation": "activation", "w": "σ_w²", "b": "σ_b²"},
        xlim=(0.4, 4.2),
        ylim=(-0.03, 0.8),
        xlabel="σ_w²",
        ylabel="σ_b²",
        start={"activation": 0, "w": 3, "b": 2},
    )


@exercise("signal-propagation/1")
def critical_erf(answer):
    """Give one number: σ_w² of the critical erf network whose length is q* = 2."""
    right = 0.75 * np.pi  # π√(1 + 4q)/4 at q = 2
    wrong = {
        3.0: "That takes the slope of erf at 0 to be 1. It is 2/√π.",
        0.25 * np.pi * np.sqrt(5): "E e^(−2u²) is 1/√(1 + 4q): two factors e^(−u²), not one.",
        2.25 * np.pi: "Take the root: E φ'² = 4/(π√(1 + 4q)).",
        1 / right: "That is E φ'². Criticality asks for σ_w² E φ'² = 1.",
        float(np.sqrt(right)): "That is σ_w. Give σ_w².",
        2 - 1.5 * np.arcsin(0.8): "That is σ_b², the second half of the question.",
    }
    return number(answer, right, rtol=1e-4, wrong=wrong)


@exercise("signal-propagation/2")
def critical_sine(answer):
    """Give a function of the length, say `def bias(q): ...`, that returns σ_b²."""
    wrong = [
        (np.tanh, "That is σ_w² E φ². What the bias must add is the rest of q."),
        (lambda q: 2 / (1 + np.exp(-2 * q)), "That is σ_w² on the critical line."),
        (lambda q: q - (1 - np.exp(-2 * q)) / 2, "The factor σ_w² before E φ² is missing."),
        (lambda q: q - (1 - np.exp(-2 * q)), "σ_w² is 2 only for large q."),
        (lambda q: q - np.tanh(q / 2), "E cos² u is (1 + e^(−2q))/2, with 2q."),
        (lambda q: np.sqrt(q - np.tanh(q)), "That is σ_b. Give σ_b²."),
    ]
    points = np.array([0.1, 0.5, 1.0, 2.0, 5.0])
    return function_of(answer, points, lambda q: q - np.tanh(q), rtol=1e-6, wrong=wrong)
