"""Gaussian integrals, maps and critical points against closed forms and 30-digit quadrature."""

import math

import mpmath
import numpy as np
import pytest

from isolib import activations, meanfield
from isolib.activations import Activation

mpmath.mp.dps = 30


def reference(f, q, points=()):
    """E f(√q z) by mpmath, on pieces that halve towards 0 and the kinks."""
    root = mpmath.sqrt(q)
    ends = {mpmath.mpf(-14), mpmath.mpf(14)}
    for p in {0, *points}:
        for j in range(-3, 14):
            ends |= {p / root, p / root + mpmath.mpf(2) ** -j, p / root - mpmath.mpf(2) ** -j}
    ends = sorted(e for e in ends if abs(e) <= 14)
    return float(mpmath.quad(lambda z: f(root * z) * mpmath.npdf(z), ends))


@pytest.mark.parametrize("q", [1e-6, 0.025, 0.8, 25.0, 1e4])
def test_integrals_of_smooth_and_saturating_functions(q):
    tanh, hard = activations.get("tanh"), activations.get("hard_tanh")
    exact = reference(lambda u: mpmath.sech(u) ** 4, q)
    assert meanfield.chi(tanh, 1.0, q) == pytest.approx(exact, rel=1e-12)
    exact = reference(lambda u: mpmath.tanh(u) ** 2, q)
    assert meanfield.length_map(tanh, 1.0, 0.0, q) == pytest.approx(exact, rel=1e-12)
    assert meanfield.chi(hard, 1.0, q) == pytest.approx(math.erf(1 / math.sqrt(2 * q)), rel=1e-13)
    exact = reference(lambda u: max(-1, min(1, u)) ** 2, q, (-1, 1))
    assert meanfield.length_map(hard, 1.0, 0.0, q) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("c", [-1, -0.99, -0.5, 0.0, 0.3, 0.9, 0.999, 0.999999, 1])
def test_pairs_against_arc_cosine_and_arc_sine(c):
    relu, erf = activations.get("relu"), activations.get("erf")
    angle = math.acos(c)
    assert meanfield.pair_mean(relu.slope, 2.0, c, (0,)) == pytest.approx(
        (math.pi - angle) / (2 * math.pi), abs=1e-12
    )
    assert meanfield.pair_mean(relu, 2.0, c) == pytest.approx(
        (math.sin(angle) + (math.pi - angle) * c) / math.pi, abs=1e-12
    )
    # Williams 1997: E erf(u₁) erf(u₂) = 2/π arcsin(2qc/(1 + 2q))
    assert meanfield.pair_mean(erf, 2.0, c) == pytest.approx(
        2 / math.pi * math.asin(4 * c / 5), abs=1e-12
    )


def test_reference_points_of_tanh():
    """From 30-digit root finding."""
    for q, w, b in [(0.025, 1.0483, 1.81e-5), (0.8214, 2.0, 0.1038)]:
        got = meanfield.critical_point("tanh", q)
        assert got == pytest.approx((w, b), rel=2e-3)
    q = meanfield.critical_q("tanh", 1.05)
    exact = mpmath.findroot(
        lambda v: reference(lambda u: mpmath.sech(u) ** 4, v) - 1 / 1.05, 0.026
    )
    assert q == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("name", ["tanh", "erf", "hard_tanh", "sin"])
@pytest.mark.parametrize("q", [0.02, 0.1, 0.8])
def test_critical_point_and_back(name, q):
    if name == "hard_tanh" and q < 0.05:
        q = 0.05  # below, p differs from 1 by less than the solution of an equation can tell
    w, b = meanfield.critical_point(name, q)
    assert meanfield.chi(name, w, q) == pytest.approx(1, abs=1e-12)
    assert meanfield.length_map(name, w, b, q) == pytest.approx(q, rel=1e-12)
    assert meanfield.fixed_point(name, w, b) == pytest.approx(q, rel=1e-8)
    assert meanfield.critical_q(name, w) == pytest.approx(q, rel=1e-8)


def test_fixed_points():
    assert meanfield.fixed_point("tanh", 0.9, 0.0) == 0.0
    assert meanfield.fixed_point("relu", 1.0, 0.5) == pytest.approx(1.0, rel=1e-12)
    assert meanfield.fixed_point("linear", 0.5, 0.5) == pytest.approx(1.0, rel=1e-12)
    for start in (1e-3, 1.0, 50.0):
        q = meanfield.fixed_point("tanh", 3.0, 0.2, start=start)
        assert q == pytest.approx(meanfield.fixed_point("tanh", 3.0, 0.2), rel=1e-10)


def test_depth_scales_are_the_rates_of_the_maps():
    for w, b in [(2.0, 0.05), (1.3, 0.2), (0.8, 0.3)]:
        xi = meanfield.depth_scales("hard_tanh", w, b)
        q = meanfield.fixed_point("hard_tanh", w, b)
        step = meanfield.length_map("hard_tanh", w, b, q * (1 + 1e-5)) / q - 1
        assert xi.q == pytest.approx(-1 / math.log(step / 1e-5), rel=1e-3)
        c = 0.5
        for _ in range(400):
            c = float(meanfield.correlation_map("hard_tanh", w, b, c, q))
        if c < 1 - 1e-6:
            d = meanfield.correlation_map("hard_tanh", w, b, [c - 1e-5, c + 1e-5], q)
            assert xi.c == pytest.approx(-1 / math.log(np.diff(d)[0] / 2e-5), rel=1e-3)
            assert xi.gradient < 0
        else:
            assert xi.c == pytest.approx(xi.gradient)
    # φ'' has deltas at the kinks of hard tanh: their mass counts (0.8427 without)
    w, b = meanfield.critical_point("hard_tanh", 0.5)
    assert math.exp(-1 / meanfield.depth_scales("hard_tanh", w, b).q) / w == pytest.approx(
        0.4276, abs=5e-4
    )
    assert math.isinf(meanfield.depth_scales("tanh", *meanfield.critical_point("tanh", 0.5)).c)


def test_odd_activation_without_bias_forgets_correlations_entirely():
    xi = meanfield.depth_scales("tanh", 2.0, 0.0)
    q = meanfield.fixed_point("tanh", 2.0, 0.0)
    mean = meanfield.gaussian_mean(activations.get("tanh").slope, q)
    assert xi.c == pytest.approx(-1 / math.log(2.0 * mean**2), rel=1e-9)


def test_a_users_activation():
    cubic = Activation("cubic", phi=lambda x: x - x**3 / 30)
    assert meanfield.chi(cubic, 1.0, 0.5) == pytest.approx(1 - 0.2 * 0.5 + 0.01 * 3 * 0.25)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: meanfield.chi("tanh", 1.0, 0), "q must be positive"),
        (lambda: meanfield.chi("tanh", -1.0, 1), "sigma_w2"),
        (lambda: meanfield.chi("tanhh", 1.0, 1), "tanh"),
        (lambda: meanfield.length_map("tanh", 1.0, -1.0, 1.0), "sigma_b2"),
        (lambda: meanfield.length_map("tanh", 1.0, 0.0, [1.0, -2.0]), "-2"),
        (lambda: meanfield.length_map("tanh", 1.0, 0.0, np.nan), "finite"),
        (lambda: meanfield.correlation_map("tanh", 1.5, 0.1, 1.5), r"\[-1, 1\]"),
        (lambda: meanfield.correlation_map("tanh", 0.5, 0.0, 0.5), "shrink to 0"),
        (lambda: meanfield.fixed_point("relu", 2.0, 0.0), "every q"),
        (lambda: meanfield.fixed_point("relu", 2.0, 0.1), "without bound"),
        (lambda: meanfield.fixed_point("linear", 1.2, 0.0), "factor 1.2 a layer"),
        (lambda: meanfield.critical_q("relu", 2.0), "every q"),
        (lambda: meanfield.critical_q("relu", 1.0), "no critical point"),
        (lambda: meanfield.critical_q("tanh", 0.9), "no critical point"),
        (lambda: meanfield.critical_point("sigmoid", 1.0), "no critical point"),
        (lambda: meanfield.depth_scales("tanh", 0.5, 0.0), "shrink to 0"),
        (lambda: meanfield.gaussian_mean(lambda u: u[:3]), "shape"),
        (lambda: meanfield.gaussian_mean(lambda u: u * np.nan), "not finite"),
        (lambda: meanfield.gaussian_mean(lambda u: np.where(u > 0.3, 1.0, 0.0)), "kinks"),
    ],
)  # fmt: skip
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("excess", [1e-4, 1e-6, 1e-8, 1e-10, 1e-11])
def test_just_above_the_critical_line_correlations_stay_near_one(excess):
    # the map is convex and 1 − c* is of the order of χ − 1 there
    w, b = meanfield.critical_point("tanh", 0.5)
    w, b = w * (1 + excess), 0.5 - (0.5 - b) * (1 + excess)  # the same q, a larger chi
    act = activations.get("tanh")
    c = meanfield.stable_correlation(act, w, b, 0.5, 1 + excess)
    assert 0 <= 1 - c < max(10 * excess, 1e-7)


def test_an_activation_brings_its_kinks():
    act = activations.get("hard_tanh")
    for c in (-0.7, 0.2):
        mine = meanfield.pair_mean(lambda u: np.clip(u, -1, 1), 3.0, c, kinks=(-1, 1))
        assert meanfield.pair_mean(act, 3.0, c) == pytest.approx(mine, rel=1e-12)
        with pytest.raises(ValueError, match="did not converge"):
            meanfield.pair_mean(lambda u: np.clip(u, -1, 1), 3.0, c)
