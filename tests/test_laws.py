"""Laws: closed forms against quadrature, transforms against their defining equations."""

import subprocess
import sys
from math import gamma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isolib import laws
from isolib.laws import (
    Atoms,
    Bernoulli,
    Law,
    MarchenkoPastur,
    MultiplicativeBrownian,
    PointMass,
    Semicircle,
    SquaredSlope,
)  # fmt: skip

CONTINUOUS = [
    Semicircle(),
    Semicircle(2.5),
    MarchenkoPastur(0.3, 2.0),
    MarchenkoPastur(1.0),
    MarchenkoPastur(3.0, 0.5),
    Semicircle().scaled(-0.5),
    MarchenkoPastur(0.3).scaled(-2.0),
    MarchenkoPastur(1.0).singular_values(),
    MarchenkoPastur(2.0).singular_values(),
]
ATOMIC = [Atoms([-1.0, 2.0, 3.0], [0.2, 0.3, 0.5]), Bernoulli(0.3), PointMass(-2.0), Bernoulli(1)]


@pytest.mark.parametrize("law", CONTINUOUS + ATOMIC, ids=repr)
def test_total_mass_moments_and_cdf(law):
    ones = law._integrate(lambda x: np.ones((1, *x.shape)))
    assert abs(ones - 1).max() < 1e-10  # the midpoint rule is geometric; 1e-10 leaves rounding
    np.testing.assert_allclose(Law.moments(law, 6), law.moments(6), rtol=1e-10, atol=1e-10)
    lo, hi = law._range()
    assert abs(law.cdf(hi) - 1) < 1e-10 and law.cdf(lo - 1e-9) == 0
    grid = law.cdf(np.linspace(lo - 1, hi + 1, 500))
    assert (np.diff(grid) >= 0).all()


@pytest.mark.parametrize("law", CONTINUOUS, ids=repr)
def test_cdf_is_the_integral_of_the_density(law):
    lo, hi = law.support()[0]
    x = np.linspace(lo + 0.2 * (hi - lo), hi - 0.2 * (hi - lo), 2001)
    density = law.density(x)
    trapezoid = ((density[1:] + density[:-1]) / 2 * np.diff(x)).sum()
    assert abs(law.cdf(x[-1]) - law.cdf(x[0]) - trapezoid) < 1e-6  # O(step²) of the trapezoid


@pytest.mark.parametrize("law", CONTINUOUS, ids=repr)
@given(u=st.floats(0.0, 1.0))
@settings(max_examples=30, deadline=None)
def test_quantile_inverts_the_cdf(law, u):
    # at a mass point F(quantile(u)) jumps past u, elsewhere it is u
    reached = float(law.cdf(law.quantile(u)))
    jump = max([w for _, w in law.atoms()], default=0.0)
    assert u - 1e-9 <= reached <= max(u, jump) + 1e-7


@pytest.mark.parametrize("law", CONTINUOUS + ATOMIC, ids=repr)
def test_green_function(law):
    z = np.array([0.3 + 0.5j, -1 + 2j, 5 + 0.1j, -7.0, 9.0])
    exact = law._integrate(lambda x: 1 / (z[:, None] - x))
    np.testing.assert_allclose(law.cauchy(z), exact, rtol=1e-9)
    assert abs(1e8 * law.cauchy(1e8) - 1) < 1e-6  # G ~ 1/z
    for lo, hi in law.support():
        x = np.array([(lo + hi) / 2])
        np.testing.assert_allclose(-law.cauchy(x + 1e-7j).imag / np.pi, law.density(x), rtol=1e-5)


DERIVED = [
    MarchenkoPastur(0.3).scaled(-2.0) + PointMass(0.7),
    Semicircle() + Atoms([-1, 1], [0.5, 0.5]),
    MarchenkoPastur(0.5) @ Bernoulli(0.6),
    MultiplicativeBrownian(0.3),
    SquaredSlope("tanh", 0.5),
    SquaredSlope("hard_tanh", 0.5),
]


@pytest.mark.parametrize("law", CONTINUOUS + ATOMIC + DERIVED, ids=repr)
def test_the_slope_of_the_green_function(law):
    # Newton's method uses it: a wrong one costs steps, or leads astray
    z, step = np.array([0.3 + 0.5j, -1 - 2j, 5 + 0.1j, -7.0]), 1e-4
    difference = (law.cauchy(z + step) - law.cauchy(z - step)) / (2 * step)
    np.testing.assert_allclose(law._green(z)[1], difference, rtol=2e-5)


@pytest.mark.parametrize("law", CONTINUOUS + ATOMIC, ids=repr)
def test_r_transform_solves_its_equation(law):
    g = np.array([0.05 + 0.01j, -0.1 + 0.1j, 0.1, -0.05j])
    np.testing.assert_allclose(law.cauchy(law.r_transform(g) + 1 / g), g, rtol=1e-8)


@pytest.mark.parametrize("law", [x for x in CONTINUOUS + ATOMIC if abs(x.mean) > 1e-9], ids=repr)
def test_s_transform_solves_its_equation(law):
    z = np.array([0.05 + 0.01j, -0.1 + 0.1j, 0.2, -0.15, 0.4])  # inside (w₀−1, M(edge))
    lam = (1 + z) / (z * law.s_transform(z))
    np.testing.assert_allclose(lam * law.cauchy(lam) - 1, z, rtol=1e-8)


@given(p=st.floats(0.05, 0.95), z=st.floats(0.01, 20.0))
@settings(max_examples=50, deadline=None)
def test_bernoulli_s_agrees_with_the_general_solver(p, z):
    general = Atoms([0, 1], [1 - p, p]).s_transform(z)
    np.testing.assert_allclose(general, Bernoulli(p).s_transform(z), rtol=1e-7)


@given(g=st.floats(-30, 30).filter(lambda g: abs(g) > 1e-3))
@settings(max_examples=50, deadline=None)
def test_symmetric_bernoulli_r_transform(g):
    # derived in chapter 3: R(g) = (√(1+4g²) − 1)/(2g) for mass ½ at ±1
    law = Atoms([-1, 1], [0.5, 0.5])
    np.testing.assert_allclose(law.r_transform(g), (np.sqrt(1 + 4 * g * g) - 1) / (2 * g), 1e-7)


def test_scaled_and_singular_values():
    law = MarchenkoPastur(1.0).singular_values()  # the quarter circle
    s = np.array([0.2, 1.0, 1.9])
    np.testing.assert_allclose(law.density(s), np.sqrt(4 - s * s) / np.pi, rtol=1e-12)
    assert Semicircle(2).scaled(-3).variance == pytest.approx(18)
    flipped = MarchenkoPastur(0.5).scaled(-1)
    assert flipped.edges()[1] < 0 and flipped.mean == pytest.approx(-1)
    np.testing.assert_allclose(flipped.cdf(-1.0), 1 - MarchenkoPastur(0.5).cdf(1.0), atol=1e-10)
    assert MarchenkoPastur(4.0).singular_values().atoms() == [(0.0, 0.75)]


@pytest.mark.parametrize("power", [1, 2, 3])
def test_means_of_singular_values(power):
    # E √X of the Fuss-Catalan law, in closed form; at a hard edge a rule for X misses this by 1e-7
    p = power + 1
    exact = gamma(p / 2 + 2) / (p / 2 + 1) / gamma(1.5) / gamma(p / 2 + 1.5)
    law = (MarchenkoPastur(1.0) ** power).singular_values()
    assert law.mean == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize(
    "z", [0.5 + 1e-9j, 1.7 - 1e-4j, 0.01 + 1e-6j, 1e-4 - 0.01j, 1e-5j, 3, -1e-4]
)
def test_green_function_of_the_quarter_circle(z):
    # ∫₀² √(4−s²)/(π(z−s)) ds with s = 2 sin t and partial fractions
    root = np.sqrt(4 - z * z + 0j)
    exact = z / 2 + (2 - root * np.log((2 + root) / (-z + 0j))) / np.pi
    # next to the edge the Green's function of λ = s² is known at z² ~ 1e-10, with fewer digits
    law = MarchenkoPastur(1.0).singular_values()
    assert abs(law.cauchy(z) - exact) < 1e-8 * abs(exact)


BAD = [
    (lambda: Semicircle(0), r"variance must be positive.*got 0"),
    (lambda: Semicircle(float("nan")), r"variance must be a real number, got nan"),
    (lambda: MarchenkoPastur(-1), r"ratio must be positive.*got -1"),
    (lambda: MarchenkoPastur(1, variance=float("inf")), r"variance must be positive and finite"),
    (lambda: Bernoulli(1.2), r"p must lie in \[0, 1\], got 1.2"),
    (lambda: Bernoulli("half"), r"p must be a real number, got 'half'"),
    (lambda: Atoms([0, 1], [0.5]), r"shapes \(2,\), \(1,\)"),
    (lambda: Atoms([0, 1], [0.5, 0.6]), r"weights must sum to 1, got 1.1"),
    (lambda: Atoms([0, 1], [1.5, -0.5]), r"weights must be positive, got -0.5"),
    (lambda: Atoms([], []), r"points and weights"),
    (lambda: PointMass(float("inf")), r"x must lie in .*, got inf"),
    (lambda: Semicircle().scaled(0), r"k must be a finite number other than 0"),
    (lambda: Semicircle().density([0.0, np.nan]), r"x must be finite everywhere, got nan"),
    (lambda: Semicircle().density(1j), r"x must be real"),
    (lambda: Semicircle().cauchy(np.nan), r"z must be finite"),
    (lambda: Semicircle().quantile(1.5), r"u must lie in \[0, 1\], got 1.5"),
    (lambda: Semicircle().moments(0), r"k must be a whole number, 1 or larger, got 0"),
    (lambda: Semicircle().s_transform(0.1), r"mean 0.*\+"),
    (lambda: Atoms([-1, 1], [0.5, 0.5]).s_transform(0.1), r"mean 0.*\+"),
    (lambda: Bernoulli(0).s_transform(0.1), r"mean 0"),
    (lambda: Semicircle().singular_values(), r"law on \[0, inf\)"),
    (lambda: Atoms([1, 2], [0.5, 0.5]).s_transform(-1.5), r"not invertible at"),
]


@pytest.mark.parametrize("call, message", BAD)
def test_bad_input_names_argument_value_and_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_import_is_light():
    code = (
        "import sys, isolib, isolib.laws, isolib.activations, isolib.ensembles;"
        "bad = {'torch', 'matplotlib', 'ipywidgets', 'anywidget'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_law_is_exported():
    assert all(hasattr(laws, name) for name in laws.__all__)


def test_every_law_is_tested():
    """By the lists above; what is made from other laws, or from a function, in test_laws_free."""
    free = {"FreeProduct", "FreeSum", "FromS", "MultiplicativeBrownian", "SquaredSlope", "Law"}
    classes = {name for name in laws.__all__ if isinstance(getattr(laws, name), type)}
    bare = classes - free - {type(law).__name__ for law in CONTINUOUS + ATOMIC}
    assert not bare, f"add a {', '.join(sorted(bare))} to CONTINUOUS or ATOMIC in {__file__}"
