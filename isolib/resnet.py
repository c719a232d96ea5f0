"""The book's residual networks: one matrix or one convolution a branch, and a skip."""

from __future__ import annotations

import torch
from torch import nn

from isolib._check import one_of
from isolib.convnet import ConvNet
from isolib.networks import MLP, generator, initial_weights
from isolib.residual import _skip

__all__ = ["ResidualConvNet", "ResidualMLP"]


class ResidualMLP(MLP):
    """`depth` residual layers of equal width N: x^l = C^l φ(h^l) + a x^{l−1}, h^l as in `MLP`.

    The weights are those of `MLP` divided by √L: Var W_ij = σ_w²/(N L), or WᵀW = (σ_w²/L) 1. The
    Jacobian ∂x^L/∂x^0 is the product of a 1 + C^l D^l W^l. Input layer, readout, parameters and
    the other arguments are those of `MLP`.

    Args:
        a: the factor of the skip connection, not 0.
        branch: C^l. "plain": C = 1. "centred": C = 1 − e eᵀ, the mean over neurons taken off.
            "signed": C diagonal, ±1 by a coin for each neuron and layer. "mixed": C a second
            random matrix V of the kind `weights`, with E VᵀV = 1. C is fixed, never trained.

    Raises:
        ValueError: an argument out of range, or an input of the wrong shape.

    Source: Tarnowski et al. 2019, for "plain".

    Example:
        >>> net = ResidualMLP(depth=50, width=32, activation="relu", sigma_w2=0.5, seed=0)
        >>> x = torch.ones(3, 32)
        >>> len(net.hidden(x)), net.jacobian(x).shape
        (51, torch.Size([3, 32, 32]))
    """

    def __init__(self, *, depth: int, width: int, a: float = 1.0, branch: str = "plain",
                 seed: int | torch.Generator | None = None, **arguments):  # fmt: skip
        g = generator(seed)
        super().__init__(depth=depth, width=width, seed=g, **arguments)
        self.a = _skip(a)
        self.branch = one_of("branch", branch, ("plain", "centred", "signed", "mixed"))
        like = self.weight.data
        like.div_(self.depth**0.5)
        if branch == "signed":
            signs = torch.randint(2, self.bias.shape, generator=g) * 2 - 1
            self.register_buffer("second", signs.to(like))
        elif branch == "mixed":
            v = initial_weights(self.weights, self.depth, self.width, seed=g, dtype=like.dtype)
            self.register_buffer("second", v.to(like.device))

    def _second(self, layer, y):
        """C^l on rows y, shape (..., width)."""
        if self.branch == "centred":
            return y - y.mean(-1, keepdim=True)
        if self.branch == "signed":
            return y * self.second[layer]
        return nn.functional.linear(y, self.second[layer]) if self.branch == "mixed" else y

    def _next(self, layer, h, x):
        return self._second(layer, self.activation.phi(h)) + self.a * x

    def _chain(self, layer, before, now):
        now = self._second(layer, now)
        if before is None:
            before = torch.eye(self.width).to(now)
        return now + self.a * before

    def extra_repr(self):
        """What print(model) shows."""
        return f"{super().extra_repr()}, a={self.a:g}, branch={self.branch!r}"


class ResidualConvNet(ConvNet):
    """`depth` residual convolutions of c channels: x^l = φ(W^l ∗ x^{l−1} + b^l) + a x^{l−1}.

    The kernels are those of `ConvNet` divided by √L, so that c is what `effective_cumulant` says;
    all arguments are those of `ConvNet`, and a, the factor of the skip connection, is not 0.

    Example:
        >>> net = ResidualConvNet(depth=20, channels=4, activation="tanh", sigma_w2=0.5, seed=0)
        >>> net.jacobian(torch.ones(2, 4, 3, 3)).shape
        torch.Size([2, 36, 36])
    """

    def __init__(self, *, depth: int, channels: int, a: float = 1.0, **arguments):
        super().__init__(depth=depth, channels=channels, **arguments)
        self.a = _skip(a)
        self.weight.data.div_(self.depth**0.5)

    def _next(self, h, x):
        return self.activation.phi(h) + self.a * x

    def _chain(self, before, now):
        return now + self.a * before
