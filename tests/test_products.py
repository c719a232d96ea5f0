"""Products of many matrices against 120-digit arithmetic."""

import mpmath
import numpy as np
import pytest

from isolib import ensembles
from isolib.products import log_singular_values


@pytest.mark.parametrize("share", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("depth", [3, 30])
def test_against_mpmath(share, depth):
    rng, n, theta = np.random.default_rng(0), 10, share * np.pi / 2
    factors = [
        np.cos(theta) * ensembles.haar_orthogonal(n, rng=rng)
        + np.sin(theta) * ensembles.ginibre(n, rng=rng)
        for _ in range(depth)
    ]
    with mpmath.workdps(120):
        product = mpmath.eye(n)
        for a in factors:
            product = mpmath.matrix(a.tolist()) * product
        exact = [float(mpmath.log(s)) for s in mpmath.svd_r(product, compute_uv=False)]
    np.testing.assert_allclose(log_singular_values(factors), exact, atol=1e-6)


def test_orthogonal_and_deep():
    logs = log_singular_values(ensembles.haar_orthogonal(40, seed=i) for i in range(300))
    assert np.abs(logs).max() < 1e-10  # rounding: 300 products of size 1e-16 each
    deep = log_singular_values(ensembles.ginibre(40, seed=i) for i in range(300))
    assert np.isfinite(deep).all() and deep[0] - deep[-1] > 500  # 10^217 : 1, beyond any double


@pytest.mark.parametrize(
    "factors, message",
    [
        ([], "at least one matrix"),
        ([np.ones((2, 3))], r"square and of one size, got shape \(2, 3\)"),
        ([np.eye(2), np.eye(3)], r"got shape \(3, 3\)"),
        ([np.zeros((2, 2))], "invertible"),
        ([np.array([[1.0, np.nan], [0, 1]])], "factors must be finite"),
    ],
)
def test_bad_input(factors, message):
    with pytest.raises(ValueError, match=message):
        log_singular_values(factors)
