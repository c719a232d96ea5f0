"""Random matrices: the four ensembles of chapter 2.

Every function draws float64 NumPy arrays, takes `batch=` for a stack of independent matrices, and
takes its randomness from `rng=` (a `numpy.random.Generator`) or `seed=`, never from global state.
"""

from __future__ import annotations

import numpy as np

from isolib._check import nonnegative, one_of, positive, positive_int


def _generator(rng, seed) -> np.random.Generator:
    if rng is not None and seed is not None:
        raise ValueError("give rng= or seed=, not both")
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, got {rng!r}")
    try:
        return rng if rng is not None else np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"seed must be None or whole numbers, 0 or larger, got {seed!r}"
        ) from error


def _batch(batch) -> tuple[int, ...]:
    shape = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    return tuple(positive_int("batch", b) for b in shape)


#: Entry distributions of mean 0 and variance 1, for the universality experiments of chapter 2.
ENTRIES = {
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
    "rademacher": lambda rng, shape: rng.choice((-1.0, 1.0), shape),
    "uniform": lambda rng, shape: rng.uniform(-np.sqrt(3), np.sqrt(3), shape),
    # Student's t with 5 degrees of freedom, variance 5/3 before the division
    "student5": lambda rng, shape: rng.standard_t(5, shape) / np.sqrt(5 / 3),
}


def _entries(entries: str, rng, shape) -> np.ndarray:
    return ENTRIES[one_of("entries", entries, ENTRIES)](rng, shape)


def ginibre(n, rows=None, *, variance=1.0, entries="gaussian", batch=(), rng=None, seed=None):
    """Independent entries of mean 0 and variance `variance`/n: the Ginibre ensemble.

    Parameters: `n` columns (a layer's inputs, the n of the variance), `rows` (its outputs,
    default n), `entries` one of "gaussian", "rademacher", "uniform", "student5". Returns float64,
    shape batch + (rows, n).
    Source: J. Ginibre (1965). Raises `ValueError` for n < 1 or a negative variance.

    >>> W = ginibre(200, seed=0)
    >>> W.shape, bool(abs(W.var() * 200 - 1) < 0.02)
    ((200, 200), True)
    """
    n = positive_int("n", n, 10**6)
    rows = n if rows is None else positive_int("rows", rows, 10**6)
    scale = np.sqrt(nonnegative("variance", variance) / n)
    return scale * _entries(entries, _generator(rng, seed), (*_batch(batch), rows, n))


def goe(n, *, variance=1.0, entries="gaussian", batch=(), rng=None, seed=None):
    """Symmetric matrices whose off-diagonal entries have variance `variance`/n.

    With Gaussian entries this is the Gaussian orthogonal ensemble (diagonal variance twice as
    large); with other `entries` a Wigner matrix. Eigenvalues fill [-2, 2]·√variance. Returns
    float64, shape batch + (n, n). Source: E. Wigner (1955).

    >>> A = goe(4, seed=0)
    >>> bool((A == A.T).all())
    True
    """
    n = positive_int("n", n, 10**6)
    rng = _generator(rng, seed)
    shape = (*_batch(batch), n, n)
    if one_of("entries", entries, ENTRIES) == "gaussian":
        a = rng.standard_normal(shape)
        a = (a + a.swapaxes(-1, -2)) / np.sqrt(2)
    else:  # (a + aᵀ)/√2 would change a non-Gaussian law: copy the upper triangle instead
        a = np.triu(_entries(entries, rng, shape))
        a = a + np.triu(a, 1).swapaxes(-1, -2)
    return np.sqrt(nonnegative("variance", variance) / n) * a


def wishart(n, ratio=1.0, *, variance=1.0, entries="gaussian", batch=(), rng=None, seed=None):
    """The p×p matrix (1/n) X Xᵀ, where X is p×n with entries of variance `variance`.

    `ratio` is p/n: p is rounded to the nearest whole number, so choose n and ratio such that
    n·ratio is whole. Eigenvalues follow `laws.MarchenkoPastur(ratio, variance)` as n grows.
    Returns float64, shape batch + (p, p). Source: V. Marchenko and L. Pastur (1967).

    >>> wishart(400, 0.25, seed=0).shape
    (100, 100)
    """
    n = positive_int("n", n, 10**6)
    p = positive_int("round(n * ratio)", round(n * positive("ratio", ratio)), 10**6)
    shape = (*_batch(batch), p, n)
    x = np.sqrt(nonnegative("variance", variance)) * _entries(
        entries, _generator(rng, seed), shape
    )
    return x @ x.swapaxes(-1, -2) / n


def haar_orthogonal(n, *, batch=(), rng=None, seed=None):
    """Orthogonal matrices, uniform in Haar measure.

    QR of a Gaussian matrix gives Q up to the signs of R's diagonal; dividing them out makes the
    factorisation unique and Q exactly Haar. Source: F. Mezzadri (2007), section 5. Returns
    float64, shape batch + (n, n).

    >>> Q = haar_orthogonal(50, seed=0)
    >>> bool(abs(Q.T @ Q - np.eye(50)).max() < 1e-13)
    True
    """
    n = positive_int("n", n, 10**6)
    g = _generator(rng, seed).standard_normal((*_batch(batch), n, n))
    q, r = np.linalg.qr(g)
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return q * signs[..., None, :]
