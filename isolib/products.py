"""Singular values of long matrix products, far below what one double-precision matrix resolves.

The singular values of fifty Gaussian factors span a hundred decades, and a matrix of doubles
holds sixteen. Here the product is kept as Q · diag(eᵈ) · T, with Q orthogonal and T of moderate
size, and only the logarithms d grow.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from isolib._check import finite


def log_singular_values(factors: Iterable[np.ndarray], sweeps: int = 3000) -> np.ndarray:
    """ln of the singular values of A_L ⋯ A_2 A_1, descending, shape (n,), at any depth.

    `factors` yields A_1, A_2, … (square, one size, the first acts first). The product is reduced
    to a triangle with graded rows, and its singular values follow by repeated QR of the
    transpose (Parlett 1998, *The Symmetric Eigenvalue Problem*, section 8: the unshifted QR
    iteration), which works row by row and so keeps the smallest as accurate as the largest: to
    about 1e-6 in the logarithm, since it stops when a sweep changes none by more than 1e-9.
    Raises `ValueError` for a singular or non-square factor, or if `sweeps` are not enough.

    >>> A = np.diag([1e3, 1e-3])
    >>> bool(np.allclose(log_singular_values([A] * 100) / np.log(10), [300, -300]))
    True
    """
    q = d = t = None
    for a in factors:
        a = finite("factors", a)
        if a.ndim != 2 or a.shape[0] != a.shape[1] or (q is not None and a.shape != q.shape):
            raise ValueError(f"factors must be square and of one size, got shape {a.shape}")
        if q is None:
            q, d, t = np.eye(len(a)), np.zeros(len(a)), np.eye(len(a))
        q, r = np.linalg.qr(a @ q)
        d, t = _grade(r, d, t)
    if q is None:
        raise ValueError("factors must hold at least one matrix, got none")
    if d.max() - d.min() < 20:  # nine decades: one ordinary decomposition resolves them
        return np.log(np.linalg.svd(np.exp(d - d.max())[:, None] * t, compute_uv=False)) + d.max()
    logs = d + np.log(np.abs(np.diag(t)))
    for _ in range(sweeps):
        # (DT)ᵀ = TᵀD, and scaling columns commutes with QR: qr(TᵀD) = Q · (qr(Tᵀ).R D)
        r = np.linalg.qr(t.T)[1]
        d, t = _grade(r, d, np.eye(len(d)))
        last, logs = logs, d + np.log(np.abs(np.diag(t)))
        if np.abs(logs - last).max() < 1e-9:
            return np.sort(logs)[::-1]
    raise ValueError(f"the QR iteration did not settle in sweeps = {sweeps}; give more")


def _grade(r, d, t):
    """R · diag(eᵈ) · T written again as diag(eᵈ') · T', every row of T' of norm 1."""
    with np.errstate(divide="ignore"):
        size = d + np.log(np.abs(r))  # log of each term's weight, row by row
    top = size.max(1)
    if not np.isfinite(top).all():
        raise ValueError("factors must be invertible: their product has a singular value 0")
    rows = (np.sign(r) * np.exp(size - top[:, None])) @ t
    norms = np.linalg.norm(rows, axis=1)
    return top + np.log(norms), rows / norms[:, None]
