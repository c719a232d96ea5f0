"""The explorers and the checks of chapter 16, recurrent-networks."""

from __future__ import annotations

from functools import cache

import numpy as np

from isolib import activations, results
from isolib._check import finite, positive
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame


@cache
def _means(activation):
    """E φ(√q z)² and E φ'(√q z)² as splines in √q, from 0 to 8, for a smooth φ."""
    from scipy.interpolate import CubicSpline

    act, r, z = activations.get(activation), np.linspace(0, 8, 801), np.linspace(-10, 10, 2001)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()  # the trapezoid rule, exact to rounding for smooth functions
    u = np.outer(r, z)
    return [CubicSpline(r, f(u) ** 2 @ weight) for f in (act.phi, act.slope)]


def lengths_in_time(drive, gain, q0=0.0, activation="tanh"):
    """(q_t), (χ_t): q_t = g² E φ(√q_{t−1}z)² + v_t and χ_t = g² E φ'(√q_t z)², shape of drive.

    drive: v_t ≥ 0, the mean square of U x_t + b, shape (..., T). The start is h_0 = φ(√q0 z).
    """
    square, slope = _means(activation)
    drive, gain, out = finite("drive", drive), positive("gain", gain), []
    if drive.ndim == 0 or (drive < 0).any() or drive.size == 0:
        raise ValueError(f"drive must hold v_t ≥ 0, one a step, got shape {drive.shape}")
    q = np.full(drive.shape[:-1], float(q0))
    for v in np.moveaxis(drive, -1, 0):
        q = gain**2 * square(np.sqrt(q)) + v
        out.append(q)
    q = np.stack(out, -1)
    return q, gain**2 * slope(np.sqrt(q))


def critical_gain(drive, activation="tanh"):
    """The gain at which the mean of Σ ln χ_t over the drives is 0."""
    from scipy.optimize import brentq

    def total(g):
        return np.log(lengths_in_time(drive, g, 0.0, activation)[1]).sum(-1).mean()

    return brentq(total, 0.9, 5.0, xtol=1e-8)


def gain_and_time() -> Explorer:
    """Chapter 16: the singular values of J_t against t, for a gain and a size of the inputs."""
    width, steps, gains = 100, 64, [0.9, 1.0, 1.025, 1.1, 1.2, 1.3, 1.5, 2.0]
    inputs = {"none": 0.0, "2·10⁻⁵": 2e-5, "0.001": 1e-3, "0.01": 0.01, "0.1": 0.1, "1": 1.0}

    def frame(gain, v, weights):
        import torch

        from isolib.networks import RNN

        double = torch.float64
        net = RNN(width=width, inputs=20, gain=gain, sigma_u2=max(v, 1e-30), weights=weights,
                  seed=0, dtype=double)  # fmt: skip
        g = torch.Generator().manual_seed(1)
        x = torch.randn(1, steps, 20, generator=g, dtype=double)
        h0 = torch.tanh(0.1 * torch.randn(1, width, generator=g, dtype=double))
        s = torch.linalg.svdvals(net.jacobian(x, h0, every_step=True)[0]).numpy()
        chi = lengths_in_time([v] * steps, gain, q0=0.01)[1]
        t, keep = np.arange(1, steps + 1), np.r_[0:8, 9:steps:3, steps - 1]
        theory = np.sqrt(np.cumprod(chi))
        rms = np.sqrt((s**2).mean(1))
        curves = [
            Curve("greatest", t[keep], s[keep, 0], color=1),
            Curve("median", t[keep], np.median(s[keep], 1), color=2),
            Curve("least", t[keep], s[keep, -1], color=3),
            Curve("root mean square", t[keep], rms[keep], color=0),
            Curve("√Πχ, mean-field", t[keep], theory[keep], "theory"),
        ]
        text = (
            f"{weights.capitalize()} weights, g = {gain:g}, input of mean square {v:g}, "
            f"N = {width}. After {steps} steps the root mean square singular value is "
            f"{rms[-1]:.3g} (theory {theory[-1]:.3g}), the greatest {s[-1, 0]:.3g}; "
            f"χ at the end {chi[-1]:.4f}."
        )
        return Frame(curves, text)

    return Explorer(
        "gain-and-time",
        "Gain and time: the singular values of J_t",
        frame,
        {
            "gain": gains,
            "v": inputs,
            "weights": {"orthogonal": "orthogonal", "Gaussian": "gaussian"},
        },
        {"gain": "gain g", "v": "mean square of the input", "weights": "weights"},
        xlim=(1, steps),
        ylim=(1e-9, 1e6),
        xlabel="steps t",
        ylabel="singular values of Jₜ",
        yscale="log",
        start={"gain": 2, "v": 4, "weights": 0},
    )


def gain_in_training() -> Explorer:
    """Chapter 16: the singular values of W in the stored runs on MNIST by rows."""
    run = results.load("rnn-mnist")["data"]
    step = np.maximum(run["step"], 0.7)  # step 0 has a place on a log axis

    def frame(setting):
        k = list(run["settings"]).index(setting)
        s, accuracy = np.asarray(run["s"])[k].mean(0), run["test_accuracy"][k][:, -1]
        names = ("least", "a quarter below", "median", "a quarter above", "greatest")
        curves = [Curve(name, step, s[:, i], color=abs(i - 2))
                  for i, name in enumerate(names)]  # fmt: skip
        text = (
            f"{setting}: median singular value {s[0, 2]:.3f} at the start, {s[-1, 2]:.3f} after "
            f"{step[-1]:g} updates, least {s[-1, 0]:.3f}, greatest {s[-1, 4]:.3f}; "
            f"test accuracy {accuracy.mean():.4f}."
        )
        return Frame(curves, text)

    return Explorer(
        "gain-in-training",
        "The singular values of W during training",
        frame,
        {"setting": {str(k): str(k) for k in run["settings"]}},
        {"setting": "setting"},
        xlim=(0.7, float(step[-1])),
        ylim=(0.0, 3.0),
        xlabel="update",
        ylabel="singular values of W, mean over seeds",
        xscale="log",
        start={"setting": 4},
    )


@exercise("recurrent-networks/1")
def time_to_lose_the_gain(answer):
    """It should be a number, the time t of the flow."""

    def time(s0, s):
        return np.log((1 - s0**-2) / (1 - s**-2)) / 8

    return number(
        answer,
        time(1.25, 1.025),
        rtol=2e-3,
        wrong={
            8 * time(1.25, 1.025): "The rate is 8λ, with λ = 1.",
            np.log(0.25 / 0.025) / 8: "That is the linear flow near 1; 1.25 is not near.",
            np.log(0.5625 / 0.050625) / 8: "Not s² − 1 decays exponentially: 1 − s⁻² does.",
        },
    )


@exercise("recurrent-networks/2")
def no_penalty_at_all(answer):
    """It should be a matrix, 5 × 5, as an array: where the published penalty is 0 at g = 1.025."""
    w = np.asarray(answer, float)
    if w.shape != (5, 5) or not np.isfinite(w).all():
        return f"It should be a finite 5 × 5 array; yours has shape {w.shape}."
    gram = w.T @ w / 1.025**2
    value = np.mean((gram - 1) ** 2)
    if value < 1e-10:
        return None
    if np.allclose(gram, np.eye(5), atol=1e-6):
        return f"That is what the penalty was meant to like. There it is {value:.2f}, not 0."
    if np.allclose(gram, gram.flat[0], atol=1e-6):
        return f"The shape is right; the size is not: WᵀW/g² has entries {gram.flat[0]:.3g}."
    return f"There the penalty is {value:.3g}. Which Gram matrix has 1 in every place?"


@exercise("recurrent-networks/3")
def sine_network(answer):
    """It should be a function of v, say `def gain(v): ...`, that returns g."""

    def length(v):
        low, high = v, v + 1.0
        for _ in range(60):  # v = q - tanh q increases with q
            middle = (low + high) / 2
            below = middle - np.tanh(middle) < v
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return middle

    def each(v):  # root finders take numbers only
        return np.array([answer(float(one)) for one in v])

    return function_of(
        each if callable(answer) else answer,
        [1e-3, 0.1, 2.0],
        lambda v: np.sqrt(1 + np.tanh(length(v))),
        rtol=1e-6,
        wrong=[
            (lambda v: 1 + np.tanh(length(v)), "That is g², not g."),
            (lambda v: 1 + (3 * v / 8) ** (1 / 3), "That is the beginning of its expansion."),
            (lambda v: 1 + (3 * v / 4) ** (1 / 3), "That is tanh, and for small v only."),
            (lambda v: np.sqrt(1 + np.tanh(v)), "That takes v for q. First solve v = q − tanh q."),
        ],
    )
