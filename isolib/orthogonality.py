"""Penalties that pull a matrix towards orthogonality, and the steps that keep it there.

A penalty has no factor λ and is a sum, not an average. It takes one matrix, shape (n, k), and
returns a 0-d tensor, or a stack, shape (batch, n, k), and returns one number a matrix, shape
(batch,). All are differentiable. The Gram matrix meant is WᵀW, k × k: it can be the identity only
for n ≥ k, and for a wide W (n < k) `so` never falls below k − n. A convolution kernel is first
made a matrix: `so(kernel.flatten(1).mT)`, or without the transpose, as the source in hand has it.
"""

from __future__ import annotations

import torch

from isolib._check import finite, positive, positive_int
from isolib.stiefel import (
    SpectralMargin,
    cayley_step,
    landing_step,
    matrix,
    polar_retraction,
    qr_retraction,
)

__all__ = [
    "so", "dso", "mutual_coherence", "srip", "gain_adjusted",
    "qr_retraction", "polar_retraction", "cayley_step", "landing_step", "SpectralMargin",
    "newton_schulz", "QUINTIC", "CUBIC",
]  # fmt: skip

#: coefficients of s, s³ and s⁵: Muon's, steep at 0 but not convergent; and Newton and Schulz's own
QUINTIC, CUBIC = (3.4445, -4.7750, 2.0315), (1.5, -0.5, 0.0)


def _minus_one(gram):
    return gram - torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)


def _square_sum(a):
    return a.square().sum((-2, -1))


def so(W):
    """The soft orthogonality penalty ‖WᵀW − 1‖_F², with gradient 4W(WᵀW − 1).

    Args:
        W: shape (n, k), or (batch, n, k).

    Raises:
        ValueError: W is not a matrix or a stack of them, not real floating point, not finite.

    Source: "SO" of Bansal, Chen and Wang 2018, without their factor λ.

    Example:
        >>> so(torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        tensor(9.)
    """
    W = matrix("W", W)
    return _square_sum(_minus_one(W.mT @ W))


def dso(W):
    """The double penalty ‖WᵀW − 1‖_F² + ‖WWᵀ − 1‖_F²; never below |n − k|. Arguments as `so`.

    Source: "DSO" of Bansal, Chen and Wang 2018.

    Example:
        >>> dso(torch.eye(3)[:, :2])
        tensor(1.)
    """
    W = matrix("W", W)
    return so(W) + _square_sum(_minus_one(W @ W.mT))


def mutual_coherence(W):
    """The largest entry of |WᵀW − 1|; its gradient is that of one entry. Arguments as `so`.

    Source: "MC" of Bansal, Chen and Wang 2018.

    Example:
        >>> mutual_coherence(torch.tensor([[1.0, 0.5], [0.0, 1.0]]))
        tensor(0.5000)
    """
    W = matrix("W", W)
    return _minus_one(W.mT @ W).abs().amax((-2, -1))


def srip(W, steps=2, *, seed=None):
    """An estimate from below of the spectral norm ‖WᵀW − 1‖₂, by power iteration.

    With M = WᵀW − 1 and a random v it is ‖M(M^{steps−1}v)‖ / ‖M^{steps−1}v‖. Two steps, as
    published, are usually more than 5 % short. The gradient is that of the estimate.

    Args:
        W: shape (n, k), or (batch, n, k).
        steps: how many products with M, at least 1.
        seed: int or torch.Generator for v; None draws the seed from torch's global generator.

    Source: "SRIP" of Bansal, Chen and Wang 2018.

    Example:
        >>> srip(torch.diag(torch.tensor([2.0, 1.0, 0.5])), steps=50, seed=0)
        tensor(3.)
    """
    from isolib.networks import generator

    W, steps = matrix("W", W), positive_int("steps", steps)
    v = torch.randn(*W.shape[:-2], W.shape[-1], 1, generator=generator(seed), dtype=W.dtype)
    v = v.to(W.device)
    tiny = torch.finfo(W.dtype).tiny ** 0.5  # an orthogonal W has M = 0: no division by it
    for _ in range(steps):
        v = v / v.norm(dim=-2, keepdim=True).clamp_min(tiny)
        v = W.mT @ (W @ v) - v
    return v.square().sum((-2, -1)).clamp_min(tiny**2).sqrt()


def gain_adjusted(W, gain):
    """‖WWᵀ/g² − 1‖_F², least where W is g times an orthogonal matrix. W as in `so`, gain > 0.

    The gradient is (4/g²)(WWᵀ/g² − 1)W.

    Source: the gain-adjusted regulariser of Hlav 2019, with the identity in place of the ones.

    Example:
        >>> gain_adjusted(1.5 * torch.eye(4), 1.5)
        tensor(0.)
    """
    W, gain = matrix("W", W), positive("gain", gain)
    return _square_sum(_minus_one(W @ W.mT / gain**2))


def newton_schulz(M, steps=5, coefficients=QUINTIC):
    """M/‖M‖_F after some steps X ← aX + bXXᵀX + c(XXᵀ)²X: products of matrices alone.

    The singular vectors of M stay, each singular value s moves by s ← as + bs³ + cs⁵. `CUBIC`
    tends to the polar factor, slowly where s is small; `QUINTIC` in five steps takes s from
    [0.01, 1] into [0.68, 1.14] and goes no nearer to 1. A matrix of zeros stays one.

    Args:
        M: shape (n, k), or (batch, n, k).
        steps: how many, 1 to 10,000.
        coefficients: (a, b, c).

    Source: Jordan et al. 2024, the quintic and the five steps.

    Example:
        >>> newton_schulz(torch.diag(torch.tensor([3.0, 4.0])), 40, CUBIC).round(decimals=4)
        tensor([[1., 0.],
                [0., 1.]])
    """
    X = matrix("M", M)
    if finite("coefficients", coefficients).shape != (3,):
        raise ValueError(f"coefficients must be three numbers (a, b, c), got {coefficients!r}")
    a, b, c = coefficients
    tiny = torch.finfo(X.dtype).tiny
    X = X / X.abs().amax((-2, -1), keepdim=True).clamp_min(tiny)  # or its norm may overflow
    X = X / X.norm(dim=(-2, -1), keepdim=True).clamp_min(tiny)
    tall = X.shape[-2] > X.shape[-1]
    X = X.mT if tall else X  # the Gram matrix on the shorter side
    for _ in range(positive_int("steps", steps, 10**4)):
        gram = X @ X.mT
        X = a * X + (b * gram + c * gram @ gram) @ X
    return X.mT if tall else X
