"""The explorers and the checks of chapter 11, residual-signal."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from isolib import activations
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.gaussian import gaussian_mean

_NAMES = {
    "linear": "linear", "leaky ReLU": "leaky_relu", "ReLU": "relu", "SELU": "selu",
    "tanh": "tanh", "hard tanh": "hard_tanh", "sigmoid": "sigmoid",
}  # fmt: skip
_NODES = np.linspace(-14, 16, 91)  # ln q; beyond, those that get there no longer move


@lru_cache(maxsize=8)
def _means(name):
    """A smooth function of ln q: Eφ/√q, Eφ²/q and Eφ'²."""
    act = activations.get(name)
    kinks = act.kinks

    def at(log_q):
        q = np.exp(log_q)
        first = gaussian_mean(act.phi, q, kinks)
        second = gaussian_mean(lambda h: act.phi(h) ** 2, q, kinks)
        return first / q**0.5, second / q, gaussian_mean(lambda h: act.slope(h) ** 2, q, kinks)

    return CubicSpline(_NODES, [at(v) for v in _NODES])


def _walk(name, depth, w, *, a=1.0, t0=0.0, cross=True):
    """q^1 … q^L from q^1 = 1 without biases, and c; t0 = mean of the input over its rms."""
    q, m, lengths, slopes = 1.0, t0 * np.sqrt(depth / w), [], []
    for _ in range(depth):
        first, second, slope2 = _means(name)(np.clip(np.log(q), -14, 16))
        lengths.append(q)
        slopes.append(slope2)
        first *= q**0.5
        m, q = a * m + first, a * a * q + w / depth * (second * q + 2 * a * m * first * cross)
    return np.array(lengths), w * float(np.mean(slopes))


def _thin(depth):
    return np.unique(np.linspace(0, depth - 1, 31).round().astype(int))


def residual_lengths() -> Explorer:
    """Chapter 11: the lengths of a residual network and its c, by activation, depth and σ_w²."""

    def frame(activation, depth, w):
        name, at = _NAMES[activation], _thin(depth)
        q, c = _walk(name, depth, w)
        without, _ = _walk(name, depth, w, cross=False)
        return Frame(
            [
                Curve("q with the cross term", at + 1, q[at], "theory"),
                Curve("without it", at + 1, without[at]),
            ],
            f"{activation}, L = {depth}, σ_w² = {w:g}: c = {c:.4f}, length {q[-1]:.4g} in the "
            f"last layer ({without[-1]:.4g} without the cross term).",
            xlim=(1, depth),
            ylim=(0.8, max(4.0, 1.3 * q[-1])),
        )

    return Explorer(
        "residual-lengths",
        "Lengths and c of a residual network, input of mean zero",
        frame,
        {
            "activation": {n: n for n in _NAMES},
            "depth": [10, 30, 100, 300],
            "w": [0.125, 0.25, 0.5, 1.0, 2.0],
        },
        {"activation": "activation", "depth": "depth L", "w": "σ_w²"},
        xlim=(1, 300),
        xlabel="layer",
        ylabel="length q",
        yscale="log",
        start={"activation": 2, "depth": 2, "w": 2},
    )


def skip_strength() -> Explorer:
    """Chapter 11: what the factor a of the skip and the mean of the input do to the lengths."""
    depth, w = 100, 0.5
    at = _thin(depth)

    def frame(activation, a, t0):
        q, c = _walk(_NAMES[activation], depth, w, a=a, t0=t0)
        skip = a ** (2.0 * at)
        return Frame(
            [Curve("length q", at + 1, q[at], "theory"), Curve("skip alone", at + 1, skip)],
            f"{activation}, a = {a:g}, input mean {t0:g} of its root mean square: length "
            f"{q[-1]:.4g} in layer 100, c/a² = {c / a**2:.4f}, skip alone {skip[-1]:.4g}.",
            ylim=(min(0.5, skip[-1] / 2, q.min() / 2), max(20.0, 2 * q.max(), 2 * skip[-1])),
        )

    return Explorer(
        "skip-strength",
        "The skip's factor a and the input's mean, at L = 100 and σ_w² = 1/2",
        frame,
        {
            "activation": {n: n for n in _NAMES},
            "a": [0.9, 0.95, 0.98, 1.0, 1.02, 1.05],
            "t0": [0.0, 0.5, 1.0],
        },
        {"activation": "activation", "a": "a", "t0": "input mean t₀"},
        xlim=(1, 100),
        ylim=(1e-8, 1e6),
        xlabel="layer",
        ylabel="length q",
        yscale="log",
        start={"activation": 2, "a": 3, "t0": 0},
    )


@exercise("residual-signal/1")
def leaky_scale(answer):
    """Give one number: σ_w² at which a leaky ReLU of slope 0.2 has c = 1/4."""
    wrong = {
        0.25: "That is c of a linear network: E φ'² is 1 only where the slope is 1.",
        0.5: "That is ReLU's. The negative side adds its slope squared, 0.04.",
        0.25 / 0.6: "E φ'² takes the square of the slope 0.2, not the slope.",
        0.25 * 0.52: "The other way round: c = σ_w² E φ'².",
        (0.5 / 1.04) ** 0.5: "That is σ_w. Give σ_w².",
        25 / 0.52: "The factor 1/L is already in the variance σ_w²/(N L) of a weight.",
    }
    return number(answer, 0.5 / 1.04, rtol=1e-3, wrong=wrong)


@exercise("residual-signal/2")
def biased_linear(answer):
    """Give a function of the layer, say `def length(l): ...`, that returns q^l."""

    def geometric(ratio, rest, shift=1):
        return lambda layer: rest + (1 - rest) * ratio ** (layer - shift)

    r, b = 0.81 + 1 / 40, 0.19 * 0.2
    wrong = [
        (geometric(r, 0.0), "The bias is missing: (1 − a²) σ_b² is added in every layer."),
        (geometric(r, b / (1 - r), 0), "The first layer has l = 1, and q¹ = 1."),
        (geometric(0.81, 0.2), "The branch is missing: it adds q/L in every layer."),
        (geometric(0.9 + 1 / 40, 0.1 * 0.2 / 0.075), "Lengths are squares: a² and not a."),
        (
            lambda n: r ** (n - 1) + 0.2 * (1 - r ** (n - 1)) / (1 - r),
            "σ_b² is not added anew in each layer: a bias enters h, and the skip does not pass "
            "it on.",
        ),
    ]
    points = np.array([1.0, 2.0, 5.0, 10.0, 40.0])
    return function_of(answer, points, geometric(r, b / (1 - r)), rtol=1e-6, wrong=wrong)
