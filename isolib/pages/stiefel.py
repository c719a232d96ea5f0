"""The explorer and the checks of chapter 15, stiefel."""

from __future__ import annotations

import math

import numpy as np

from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame


def velocity(n: int, k: int, share: float):
    """(X, ξ): a fixed frame, and a unit tangent vector with ‖XΩ‖² = share, ‖X⊥B‖² = 1 − share."""
    import torch

    from isolib.orthogonality import qr_retraction

    g = torch.Generator().manual_seed(n + k)
    X = qr_retraction(torch.randn(n, k, generator=g, dtype=torch.float64))
    Z = torch.randn(n, k, generator=g, dtype=torch.float64)
    inner = X.mT @ Z
    within, out = X @ (inner - inner.mT), Z - X @ inner
    return X, share**0.5 * within / within.norm() + (1 - share) ** 0.5 * out / out.norm()


def retraction_errors() -> Explorer:
    """Chapter 15: distance of the QR, polar and Cayley steps from a geodesic."""

    def frame(shape, metric, share):
        from isolib.orthogonality import cayley_step, polar_retraction, qr_retraction
        from isolib.stiefel import exponential

        X, xi = velocity(*shape, share)
        steps = {
            "QR": lambda v: qr_retraction(X + v),
            "polar": lambda v: polar_retraction(X + v),
            "Cayley": lambda v: cayley_step(X, X @ (X.mT @ v) / 2 - v, 1.0),
        }
        t = np.geomspace(0.02, 2, 15)  # t[7] = 0.2
        small = (0.001, 0.002)  # to the left of the picture: there the order shows undisturbed
        ends, near_ends = ([exponential(X, s * xi, metric) for s in at] for at in (t, small))
        curves, slopes = [], []
        for i, (name, step) in enumerate(steps.items()):
            error = [(step(s * xi) - end).norm().item() for s, end in zip(t, ends, strict=True)]
            near = [
                (step(s * xi) - end).norm().item() for s, end in zip(small, near_ends, strict=True)
            ]
            slope = np.log(near[1] / near[0]) / np.log(small[1] / small[0])
            slopes.append(f"{name} {slope:.2f}, error {error[7]:.1e} at t = {t[7]:.1g}")
            curves.append(Curve(name, t, error, color=i))
        n, k = shape
        names = {"euclidean": "Euclidean", "canonical": "canonical"}
        text = (
            f"{n} × {k}, share {share:g}, against the {names[metric]} geodesic. "
            f"Slopes at t = 0.001 to 0.002: {'; '.join(slopes)}."
        )
        return Frame(curves, text)

    shapes = {f"{n} × {k}": (n, k) for n, k in ((4, 2), (9, 4), (40, 4))}
    return Explorer(
        "retraction-errors",
        "How far a cheap step lands from the geodesic",
        frame,
        {
            "shape": shapes,
            "metric": {"Euclidean": "euclidean", "canonical": "canonical"},
            "share": [0.0, 0.1, 0.5, 0.9, 1.0],
        },
        {"shape": "shape", "metric": "metric", "share": "share of rotation within the span"},
        xlim=(0.02, 2),
        ylim=(1e-7, 3),
        xlabel="step t",
        ylabel="error",
        xscale="log",
        yscale="log",
        start={"shape": 1, "metric": 0, "share": 1},
    )


def margin_in_time() -> Explorer:
    """Chapter 15: what a margin allows a linear recurrence over many steps, and what happens."""
    times = np.unique(np.geomspace(1, 784, 30).round().astype(int))

    def frame(margin, aligned):
        from isolib.ensembles import haar_orthogonal

        rng = np.random.default_rng(0)
        u, v = haar_orthogonal(64, batch=2, rng=rng)
        v = u if aligned else v
        s = 1 + margin * np.linspace(-1, 1, 64)
        w, largest = (u * s) @ v.T, []
        for t in times:
            power = np.linalg.matrix_power(w, t)
            largest.append(np.linalg.norm(power, 2))
        middle = np.exp(times * np.log(s).mean())
        high, low = (1.0 + margin) ** times, (1.0 - margin) ** times
        least = f"{low[-1]:.2g}" if low[-1] else f"1e{784 * math.log10(1 - margin):.0f}"
        text = (
            f"m = {margin:g}, {'U = V' if aligned else 'U, V independent, one draw'}, 784 steps: "
            f"allowed {least} to {high[-1]:.2g}; largest singular value of Wᵗ {largest[-1]:.3g}, "
            f"geometric mean of all of them {middle[-1]:.2g}."
        )
        shown = {"allowed, above": high, "allowed, below": low, "largest s of Wᵗ": largest,
                 "geometric mean, s of Wᵗ": middle}  # fmt: skip
        curves = [
            Curve(name, times, np.clip(y, 1e-9, 1e9), color=i)
            for i, (name, y) in enumerate(shown.items())
        ]
        return Frame(curves, text)

    return Explorer(
        "margin-in-time",
        "A margin over many steps",
        frame,
        {
            "margin": [0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.9],
            "aligned": {"U ≠ V": False, "U = V": True},
        },
        {"margin": "margin m", "aligned": "singular vectors"},
        xlim=(1, 784),
        ylim=(1e-6, 1e6),
        xlabel="steps t, to 784",
        ylabel="factor",
        xscale="log",
        yscale="log",
        start={"margin": 5, "aligned": 0},
    )


@exercise("stiefel/1")
def dimension(answer):
    """It should be a whole number."""
    return number(
        answer,
        888,
        rtol=1e-9,
        wrong={
            1024: "That is the number of entries, before any constraint.",
            768: "XᵀX is symmetric: it holds fewer than k² conditions.",
            904: "The diagonal of XᵀX counts too: k(k + 1)/2 conditions.",
            2016: "That is the dimension of the orthogonal group of 64 × 64 matrices.",
            120: "That is the dimension of the rotations within the span alone.",
        },
    )


@exercise("stiefel/2")
def angle_of_cayley(answer):
    """It should be a function of the step, say `def angle(t): ...`."""
    return function_of(
        answer,
        [0.1, 0.5, 1.0, 3.0],
        lambda t: 2 * np.arctan(t / 2),
        rtol=1e-9,
        wrong=[
            (np.arctan, "That is the angle of the QR and the polar step."),
            (lambda t: np.asarray(t) + 0.0, "That is the geodesic, the exponential itself."),
            (lambda t: np.arctan(t / 2), "The quotient has two factors, and each turns."),
            (lambda t: 2 * np.arctan(t), "Mind the ½ beside A."),
            (lambda t: 2 * np.arctan(t / 2) * 180 / math.pi, "In radians, please."),
        ],
    )
