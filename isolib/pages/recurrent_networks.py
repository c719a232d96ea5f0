"""The explorers and the checks of chapter 16, recurrent-networks."""

from __future__ import annotations

from functools import cache

import numpy as np

from isolib import activations, results
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
    drive, out = np.asarray(drive, float), []
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
