"""Ensembles: entries, moments and spectra, each within a stated number of standard errors.

Seeds are fixed, so a test passes always or never; five standard errors is what an honest change of
seed would survive.
"""

import numpy as np
import pytest

from isolib import ensembles
from isolib.laws import MarchenkoPastur, Semicircle
from isolib.spectra import compare

ENTRIES = sorted(ensembles.ENTRIES)


def mean_is(samples, expected, sigmas=5.0):
    """The mean of independent samples lies within `sigmas` standard errors of `expected`."""
    samples = np.ravel(samples)
    error = samples.std() / np.sqrt(samples.size)
    assert abs(samples.mean() - expected) < sigmas * error + 1e-15, (samples.mean(), error)


@pytest.mark.parametrize("entries", ENTRIES)
def test_entries_have_mean_0_and_variance_1_over_n(entries):
    w = ensembles.ginibre(50, 80, variance=3.0, entries=entries, batch=40, seed=1)
    assert w.shape == (40, 80, 50) and w.dtype == np.float64
    mean_is(w, 0.0)
    if entries == "rademacher":
        np.testing.assert_allclose(w**2, 3 / 50)
    else:
        mean_is(w**2, 3 / 50)  # the n of the variance is the number of inputs, the columns


def test_entries_have_the_fourth_moment_of_their_law():
    # student5: κ = 3 + 6/(5 − 4) = 9, whose sample mean has no standard error: a wide check only
    for entries, kappa in (("gaussian", 3.0), ("uniform", 9 / 5), ("rademacher", 1.0)):
        x = ensembles.ginibre(1, 200_000, entries=entries, seed=2)
        mean_is(x**4, kappa)
    heavy = ensembles.ginibre(1, 200_000, entries="student5", seed=2)
    assert np.mean(heavy**4) > 5


@pytest.mark.parametrize("entries", ENTRIES)
def test_goe_is_symmetric_with_off_diagonal_variance_1_over_n(entries):
    n = 30
    a = ensembles.goe(n, variance=2.0, entries=entries, batch=400, seed=3)
    assert np.array_equal(a, a.swapaxes(1, 2))
    above = a[:, *np.triu_indices(n, 1)]
    mean_is(above, 0.0)
    if entries == "rademacher":
        np.testing.assert_allclose(above**2, 2 / n)
    else:
        mean_is(above**2, 2 / n)
    diagonal = np.diagonal(a, axis1=1, axis2=2)
    factor = 2 if entries == "gaussian" else 1  # twice for the orthogonally invariant one only
    if entries == "rademacher":
        np.testing.assert_allclose(diagonal**2, 2 / n)
    else:
        mean_is(diagonal**2, 2 * factor / n)


@pytest.mark.parametrize("entries", ENTRIES)
def test_wigner_spectra_are_a_semicircle(entries):
    n = 400
    a = ensembles.goe(n, variance=2.0, entries=entries, seed=4)
    c = compare(Semicircle(2.0), np.linalg.eigvalsh(a))
    # eigenvalues are rigid: one matrix is within order (ln n)/n, not 1/√n
    assert c.ks < (3 + np.log(n)) / n


def test_wishart_spectra_are_marchenko_pastur():
    n = 400
    for ratio in (0.25, 1.0, 2.0):
        for entries in ENTRIES:
            m = ensembles.wishart(n, ratio, variance=0.5, entries=entries, seed=5)
            assert m.shape == (round(n * ratio),) * 2
            c = compare(MarchenkoPastur(ratio, 0.5), np.linalg.eigvalsh(m))
            few = min(n, len(m))  # the eigenvalues that are not forced to be 0
            assert c.ks < (3 + np.log(few)) / few, (ratio, entries, c.ks)


def test_wishart_moments():
    # E (1/p) tr C = v; E (1/p) tr C² = v²(1 + r + 1/n) with Gaussian entries
    n, r, v = 20, 0.5, 1.5
    c = ensembles.wishart(n, r, variance=v, batch=4000, seed=6)
    mean_is(np.trace(c, axis1=1, axis2=2) / (n * r), v)
    mean_is((c**2).sum((1, 2)) / (n * r), v**2 * (1 + r + 1 / n))


def test_haar_matrices_are_orthogonal():
    q = ensembles.haar_orthogonal(40, batch=(3, 4), seed=7)
    assert q.shape == (3, 4, 40, 40)
    assert abs(q.swapaxes(-1, -2) @ q - np.eye(40)).max() < 1e-13
    assert abs(q @ q.swapaxes(-1, -2) - np.eye(40)).max() < 1e-13


def test_haar_entries():
    n, count = 6, 20_000
    q = ensembles.haar_orthogonal(n, batch=count, seed=8)
    for i in range(n):
        for j in range(n):
            # each sign is a fair coin: without the correction, R's diagonal fixes it
            mean_is(np.sign(q[:, i, j]), 0.0)
            mean_is(q[:, i, j], 0.0)
            mean_is(q[:, i, j] ** 2, 1 / n)
            mean_is(q[:, i, j] ** 4, 3 / (n * (n + 2)))  # a coordinate of a uniform unit vector
    mean_is(np.trace(q, axis1=1, axis2=2), 0.0)
    mean_is(np.trace(q, axis1=1, axis2=2) ** 2, 1.0)
    # both components of the group, equally often
    mean_is(np.sign(np.linalg.det(q)), 0.0)
    # invariance: a fixed rotation leaves a non-trivial moment where it was
    o = ensembles.haar_orthogonal(n, seed=9)
    cross = q[:, 0, 0] * q[:, 1, 1] * q[:, 0, 1] * q[:, 1, 0]
    turned = o @ q
    cross_turned = turned[:, 0, 0] * turned[:, 1, 1] * turned[:, 0, 1] * turned[:, 1, 0]
    exact = -1 / ((n - 1) * n * (n + 2))
    mean_is(cross, exact)
    mean_is(cross_turned, exact)


def test_haar_of_size_one_is_a_sign():
    q = ensembles.haar_orthogonal(1, batch=2000, seed=10)
    assert set(np.unique(q)) == {-1.0, 1.0}
    mean_is(q, 0.0)


DRAW = {
    "ginibre": lambda **kw: ensembles.ginibre(7, **kw),
    "goe": lambda **kw: ensembles.goe(7, **kw),
    "wishart": lambda **kw: ensembles.wishart(8, 0.5, **kw),
    "haar_orthogonal": lambda **kw: ensembles.haar_orthogonal(7, **kw),
}


@pytest.mark.parametrize("name", DRAW)
def test_randomness_comes_from_seed_or_rng_alone(name):
    draw = DRAW[name]
    first = draw(seed=1)
    np.random.seed(0)  # noqa: NPY002 - global state must not matter
    assert np.array_equal(first, draw(seed=1))
    assert np.array_equal(first, draw(rng=np.random.default_rng(1)))
    assert not np.array_equal(first, draw(seed=2))
    rng = np.random.default_rng(1)
    assert not np.array_equal(draw(rng=rng), draw(rng=rng))  # a generator moves on
    assert not np.array_equal(draw(), draw())


@pytest.mark.parametrize("name", DRAW)
def test_batches_are_stacks_of_different_matrices(name):
    stack = DRAW[name](batch=(2, 3), seed=1)
    single = DRAW[name](seed=1)
    assert stack.shape == (2, 3, *single.shape)
    assert len(np.unique(stack.reshape(6, -1)[:, 0])) == 6
    assert DRAW[name](batch=4, seed=1).shape == (4, *single.shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ensembles.ginibre(0), "n must be a whole number, 1 or larger, got 0"),
        (lambda: ensembles.ginibre(2.0), "n must be a whole number, 1 or larger, got 2.0"),
        (lambda: ensembles.ginibre(2, 0), "rows must be a whole number, 1 or larger, got 0"),
        (lambda: ensembles.ginibre(2, variance=-1), "variance must be at least 0 .*, got -1"),
        (lambda: ensembles.ginibre(2, variance=np.nan), "variance must be a real number, got nan"),
        (lambda: ensembles.ginibre(2, entries="gausian"), "entries .*Did you mean 'gaussian'"),
        (lambda: ensembles.ginibre(2, batch=0), "batch must be a whole number, 1 .*, got 0"),
        (lambda: ensembles.ginibre(2, batch=(2, -1)), "batch must be a whole number.*, got -1"),
        (lambda: ensembles.ginibre(2, rng=3), "rng must be a numpy.random.Generator, got 3"),
        (
            lambda: ensembles.ginibre(2, rng=np.random.default_rng(0), seed=0),
            "give rng= or seed=, not both",
        ),
        (lambda: ensembles.goe(-3), "n must be a whole number, 1 or larger, got -3"),
        (lambda: ensembles.goe(3, variance=np.inf), "variance must be at least 0 and finite"),
        (lambda: ensembles.goe(3, entries="x"), "entries must be one of gaussian, rademacher"),
        (lambda: ensembles.wishart(0), "n must be a whole number, 1 or larger, got 0"),
        (lambda: ensembles.wishart(4, 0), "ratio must be positive and finite, got 0"),
        (lambda: ensembles.wishart(4, -0.5), "ratio must be positive and finite, got -0.5"),
        (lambda: ensembles.wishart(4, 0.01), r"round\(n \* ratio\) must be a whole number"),
        (lambda: ensembles.wishart(4, variance=-1), "variance must be at least 0"),
        (lambda: ensembles.haar_orthogonal(True), "n must be a whole number, .* got True"),
        (lambda: ensembles.haar_orthogonal("3"), "n must be a whole number, .* got '3'"),
        (lambda: ensembles.haar_orthogonal(3, batch=1.5), "batch must be a whole number"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
