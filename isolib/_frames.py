"""Checked matrices and frames: what every function of orthogonality asks of its arguments."""

from __future__ import annotations

import torch


def matrix(name, a, like=None, tall=False):
    """`a` as a checked tensor of shape (n, k) or (batch, n, k); `like` gives the shape wanted."""
    kind, shape = getattr(a, "dtype", type(a)), tuple(getattr(a, "shape", ()))
    if not isinstance(a, torch.Tensor) or kind not in (torch.float32, torch.float64):
        raise ValueError(f"{name} must be a float32 or float64 tensor, got {kind}")
    if like is not None and a.dtype != like.dtype:
        raise ValueError(f"{name} must be {like.dtype}, as X is, got {a.dtype}")
    if like is not None and a.shape != like.shape:
        raise ValueError(f"{name} must have shape {tuple(like.shape)}, as X has, got {shape}")
    if a.ndim not in (2, 3) or 0 in shape:
        raise ValueError(
            f"{name} must be a matrix (n, k) or a stack (batch, n, k), none of them empty, "
            f"got shape {shape}"
        )
    if tall and shape[-2] < shape[-1]:
        raise ValueError(
            f"{name} must be tall, n ≥ k, for WᵀW = 1 to be solvable, got {shape}: transpose it"
        )
    if not torch.isfinite(a).all():
        raise ValueError(f"{name} must be finite everywhere, got nan or inf")
    return a


def _eye_like(a):
    return torch.eye(a.shape[-1], dtype=a.dtype, device=a.device).expand(*a.shape[:-2], -1, -1)


def _off(X):
    """XᵀX − 1."""
    gram = X.mT @ X
    return gram - _eye_like(gram)


def _frame(X):
    if (off := _off(X).detach().abs().max()) > 1e-2:
        raise ValueError(f"X must be a frame, XᵀX = 1, got an entry {off:.3g} off: retract it")
    return X
