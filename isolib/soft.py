"""Soft constraints in time and on convolutions: the flow of SO, decay, the operator of a kernel.

The penalties of one matrix are in `isolib.orthogonality`. A convolution kernel is a small array
and a large operator; what is said of the one need not hold of the other. Here are the singular
values of the operator (circular, stride 1) and the penalty ‖KᵀK − 1‖² of the operator itself.
"""

from __future__ import annotations

import numpy as np
import torch

from isolib._check import HUGE, finite, nonnegative, positive, positive_int, tensor

__all__ = ["so_flow", "decayed", "conv_blocks", "conv_singular_values", "conv_so"]

#: fractions of the training time, and the factor of λ from there on
DECAY = ((0.0, 1.0), (0.1, 1e-3), (0.25, 1e-4), (0.35, 1e-6), (0.6, 0.0))


def so_flow(s, time, strength=1.0):
    """A singular value under ṡ = −4λ s (s² − 1), the flow of λ‖WᵀW − 1‖², after `time`.

    Args:
        s: singular values at time 0, not negative; `s` and `time` broadcast.
        strength: λ ≥ 0.

    Example:
        >>> so_flow([0.0, 0.5, 1.0, 2.0], 0.25).round(4)
        array([0.    , 0.8433, 1.    , 1.055 ])
    """
    s, t = finite("s", s), finite("time", time)
    for name, x in (("s", s), ("time", t)):
        if not ((0 <= x) & (x <= HUGE)).all():
            raise ValueError(f"{name} must hold numbers in [0, 1e150], got {x}")
    rate = 4 * nonnegative("strength", strength) * t
    # s² = s₀²/(e^{−2 rate} + s₀² (1 − e^{−2 rate})), and 0 stays 0 however late
    size = np.hypot(np.exp(-rate), s * np.sqrt(-np.expm1(-2 * rate)))
    return np.divide(s, size, out=np.zeros(np.broadcast(s, t).shape), where=s + 0 * t > 0)[()]


def decayed(strength, step, steps):
    """λ at `step` of `steps`: constant, then a thousandth of it, and so on; 0 for the last part.

    The factors 1, 10⁻³, 10⁻⁴, 10⁻⁶ and 0 begin at the fractions 0, 0.1, 0.25, 0.35 and 0.6 of the
    training time: epochs 20, 50, 70 and 120 of 200.

    Source: the published code of Bansal, Chen and Wang 2018.

    Example:
        >>> [decayed(0.1, epoch, 200) for epoch in (0, 20, 50, 70, 120)]
        [0.1, 0.0001, 1e-05, 1e-07, 0.0]
    """
    done = nonnegative("step", step) / positive_int("steps", steps)
    factor = [f for start, f in DECAY if done >= start][-1]
    return float(f"{positive('strength', strength) * factor:.12g}")


def conv_blocks(kernel, n):
    """K̂(ω) = Σ_β W(β) e^{iω·β} on the frequencies of an n × n grid.

    Args:
        kernel: shape (..., c_out, c_in, k, k), as `torch.nn.Conv2d` has it.
        n: side of the grid, circular, at least k.

    Returns:
        A complex tensor of shape (..., n, n, c_out, c_in).

    Source: Sedghi, Gupta and Long 2019. That the offsets count from a corner and not from the
    centre multiplies each block by a phase.

    Example:
        >>> conv_blocks(torch.ones(1, 1, 3, 3), 3).abs().round().flatten()[:3]
        tensor([9., 0., 0.])
    """
    kernel = tensor("kernel", kernel)
    n = positive_int("n", n, 10**4)
    if kernel.ndim < 4 or kernel.shape[-1] != kernel.shape[-2] or kernel.shape[-1] > n:
        raise ValueError(
            f"kernel must have shape (..., c_out, c_in, k, k) with k ≤ n = {n}, "
            f"got {tuple(kernel.shape)}"
        )
    if not torch.isfinite(kernel).all():
        raise ValueError("kernel must be finite everywhere, got nan or inf")
    return torch.fft.ifft2(kernel, s=(n, n), norm="forward").movedim((-2, -1), (-4, -3))


def conv_singular_values(kernel, n):
    """Singular values of the convolution as an operator, shape (..., n² min(c_out, c_in)).

    Arguments as `conv_blocks`. Sorted, descending.

    Example:
        >>> conv_singular_values(torch.eye(2)[..., None, None], 3).unique()
        tensor([1.])
    """
    s = torch.linalg.svdvals(conv_blocks(kernel, n)).flatten(-3)
    return s.sort(-1, descending=True).values


def conv_so(kernel):
    """‖KᵀK − 1‖_F² of the operator, for each position of the grid; kernel as `conv_blocks`.

    It is Σ_δ ‖Σ_β W(β)ᵀW(β + δ) − 1_{δ=0}‖², the same on every grid of side 2k − 1 or more: on
    that one it is computed. 0 if and only if the convolution is an isometry.

    Source: the orthogonal convolutions of Wang, Chen, Chakraborty and Yu 2020.

    Example:
        >>> conv_so(2 * torch.eye(3)[..., None, None])
        tensor(27.)
    """
    blocks = conv_blocks(kernel, 2 * max([1, *tensor("kernel", kernel).shape[-1:]]) - 1)
    gram = blocks.mH @ blocks
    off = gram - torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return off.abs().square().sum((-2, -1)).mean((-2, -1))
