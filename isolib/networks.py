"""The book's fully connected network, and the random matrices it starts from."""

from __future__ import annotations

import math

import torch
from torch import nn

from isolib import activations
from isolib._check import nonnegative, one_of, positive, positive_int, tensor
from isolib.stiefel import _q_factor

__all__ = ["MLP", "ConvNet", "RNN", "ResidualConvNet", "ResidualMLP",  # noqa: F822 (see below)
           "initial_weights"]  # fmt: skip


def generator(seed: int | torch.Generator | None) -> torch.Generator:
    """A CPU generator from a seed; None draws the seed from torch's global generator."""
    if isinstance(seed, torch.Generator):
        return seed
    if seed is None:
        seed = int(torch.randint(2**62, ()))
    elif isinstance(seed, bool) or not isinstance(seed, int) and not hasattr(seed, "__index__"):
        raise ValueError(f"seed must be an int, a torch.Generator or None, got {seed!r}")
    return torch.Generator().manual_seed(int(seed))


def normal_parameters(g: torch.Generator, dtype: torch.dtype, device):
    """normal(variance, *shape), which draws independent Gaussian parameters with `g`.

    Raises `ValueError` unless dtype is a floating-point one.
    """
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype must be a floating-point torch.dtype, got {dtype!r}")

    def normal(variance, *shape):
        z = torch.randn(*shape, generator=g) * math.sqrt(variance)
        return nn.Parameter(z.to(dtype=dtype, device=device))

    return normal


def initial_weights(
    kind: str,
    count: int,
    n: int,
    *,
    variance: float = 1.0,
    seed: int | torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> torch.Tensor:
    """A stack of independent random square matrices, shape (count, n, n).

    Args:
        kind: "gaussian", entries N(0, variance/n); or "orthogonal", √variance times a matrix
            drawn from the Haar measure on O(n).
        count, n: how many, and their size.
        variance: σ_w², positive. Either kind has E[WᵀW] = σ_w² 1.
        seed: int, torch.Generator (on the CPU) or None.
        dtype, device: of the result; drawn on the CPU, so that every device agrees.

    Example:
        >>> w = initial_weights("orthogonal", 3, 8, variance=2.0, seed=0, dtype=torch.float64)
        >>> torch.allclose(w.mT @ w, 2 * torch.eye(8, dtype=torch.float64))
        True
    """
    one_of("kind", kind, ("orthogonal", "gaussian"))
    count, n = positive_int("count", count), positive_int("n", n)
    variance = positive("variance", variance)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"dtype must be of floating point, got {dtype}")
    # QR does not exist in half precision; the draw is on the CPU so that every device agrees
    work = dtype if dtype in (torch.float32, torch.float64) else torch.float32
    g = torch.randn(count, n, n, generator=generator(seed), dtype=work).to(device)
    if kind == "gaussian":
        return g.mul_(math.sqrt(variance / n)).to(dtype)
    # QR leaves the sign of each column to LAPACK; with diag R > 0 the factor is unique, hence Haar
    return _q_factor(g)[0].mul_(math.sqrt(variance)).to(dtype)


class MLP(nn.Module):
    """A network of `depth` hidden layers of equal width N: x^l = φ(h^l), h^l = W^l x^{l−1} + b^l.

    The hidden block maps x^0 to x^L, both of width N, and the Jacobian of the book is its
    J = ∂x^L/∂x^0 = D^L W^L ⋯ D^1 W^1. Around it there may be two plain linear maps, which are not
    in J: an input layer x^0 = W_in x with entries N(0, 1/inputs), so that x^0 has on average the
    mean square of x, and a readout W_out x^L + b_out with entries N(0, 1/N) and b_out = 0.

    The hidden weights are one parameter `weight` of shape (depth, N, N) and the biases one
    parameter `bias` of shape (depth, N). SGD, momentum, RMSProp and Adam act entry by entry, so
    they train the stack as they would train its layers. The other parameters are `weight_in`
    (N, inputs), `weight_out` (outputs, N) and `bias_out` (outputs,); None where there is no such
    layer.

    Args:
        depth, width: L and N, positive ints.
        activation: a name or an `isolib.activations.Activation`.
        sigma_w2: σ_w² > 0. Gaussian: Var W_ij = σ_w²/N. Orthogonal: WᵀW = σ_w² 1.
        sigma_b2: σ_b² ≥ 0, the variance of the biases at the start.
        weights: "orthogonal" (Haar) or "gaussian".
        inputs, outputs: sizes of the input and readout layers; None for no such layer.
        seed: int, torch.Generator or None (a seed from torch's global generator).
        dtype, device: of the parameters; device None is the CPU.

    Raises:
        ValueError: an argument out of range, or an input of the wrong shape.

    Source: Pennington, Schoenholz and Ganguli 2017.

    Example:
        >>> net = MLP(depth=4, width=16, activation="relu", sigma_w2=2.0, outputs=10, seed=0)
        >>> net(torch.ones(3, 16)).shape
        torch.Size([3, 10])
        >>> len(net.hidden(torch.ones(3, 16))), net.jacobian(torch.ones(3, 16)).shape
        (5, torch.Size([3, 16, 16]))
    """

    def __init__(
        self,
        *,
        depth: int,
        width: int,
        activation: str | activations.Activation = "tanh",
        sigma_w2: float = 1.0,
        sigma_b2: float = 0.0,
        weights: str = "orthogonal",
        inputs: int | None = None,
        outputs: int | None = None,
        seed: int | torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ):
        super().__init__()
        self.depth, self.width = positive_int("depth", depth), positive_int("width", width)
        self.activation = activations.get(activation)
        self.sigma_w2 = positive("sigma_w2", sigma_w2)
        self.sigma_b2 = nonnegative("sigma_b2", sigma_b2)
        self.weights = one_of("weights", weights, ("orthogonal", "gaussian"))
        self.inputs = self.width if inputs is None else positive_int("inputs", inputs)
        self.outputs = self.width if outputs is None else positive_int("outputs", outputs)
        g = generator(seed)
        normal = normal_parameters(g, dtype, device)
        self.weight = nn.Parameter(
            initial_weights(
                weights, self.depth, self.width,
                variance=self.sigma_w2, seed=g, dtype=dtype, device=device,
            )
        )  # fmt: skip
        self.bias = normal(self.sigma_b2, self.depth, self.width)
        self.weight_in = None if inputs is None else normal(1 / inputs, self.width, inputs)
        self.weight_out = None if outputs is None else normal(1 / self.width, outputs, self.width)
        self.bias_out = None if outputs is None else normal(0.0, outputs)

    def _x0(self, x):
        """Check x, shape (..., inputs), and apply the input layer: shape (..., width)."""
        x = tensor("x", x)
        if x.ndim == 0 or x.shape[-1] != self.inputs:
            raise ValueError(
                f"x must have shape (batch, {self.inputs}) or ({self.inputs},), "
                f"got {tuple(x.shape)}"
            )
        x = x.to(self.weight)  # its dtype and device
        return x if self.weight_in is None else x @ self.weight_in.T

    def forward(self, x):
        """The output, shape (..., outputs); without a readout, x^L of shape (..., width)."""
        out = None
        for _, x_l in self._layers(self._x0(x)):
            out = x_l
        if self.weight_out is None:
            return out
        return nn.functional.linear(out, self.weight_out, self.bias_out)

    def _layers(self, x):
        """(h^l, x^l) for l = 1, …, L from x^0."""
        for layer, (w, b) in enumerate(zip(self.weight, self.bias, strict=True)):
            h = nn.functional.linear(x, w, b)
            x = self._next(layer, h, x)
            yield h, x

    def _next(self, layer, h, x):
        return self.activation.phi(h)

    def stacked(self, parameters: dict, x) -> torch.Tensor:
        """The outputs of many networks of this shape, each at its own batch: a product a layer.

        Args:
            parameters: tensors by name, those of the networks stacked along a new first axis.
            x: shape (count, batch, inputs).

        Returns:
            shape (count, batch, outputs). `isolib.training.Sweep` trains with it.

        Example:
            >>> net = MLP(depth=4, width=16, outputs=10, seed=0)
            >>> two = {k: torch.stack([p, p]) for k, p in net.named_parameters()}
            >>> x = torch.ones(2, 3, 16)
            >>> torch.allclose(net.stacked(two, x)[1], net(x[1]), atol=1e-6)
            True
        """
        p = parameters
        x = x if self.weight_in is None else x @ p["weight_in"].mT
        layers = zip(p["weight"].unbind(1), p["bias"].unbind(1), strict=True)
        for layer, (w, b) in enumerate(layers):
            x = self._next(layer, torch.baddbmm(b.unsqueeze(1), x, w.mT), x)
        if self.weight_out is None:
            return x
        return torch.baddbmm(p["bias_out"].unsqueeze(1), x, p["weight_out"].mT)

    def preactivations(self, x) -> list[torch.Tensor]:
        """[h^1, …, h^L], each of shape (..., width)."""
        return [h for h, _ in self._layers(self._x0(x))]

    def hidden(self, x) -> list[torch.Tensor]:
        """[x^0, x^1, …, x^L], each of shape (..., width): entry l is x^l."""
        x = self._x0(x)
        return [x] + [x for _, x in self._layers(x)]

    @torch.no_grad()
    def jacobian(self, x) -> torch.Tensor:
        """J = D^L W^L ⋯ D^1 W^1 at each input, shape (batch, width, width).

        x has shape (batch, inputs) or (inputs,), a batch of one. J is ∂x^L/∂x^0: the input layer
        and the readout are not in it. No graph is recorded.
        """
        h = self.preactivations(x)
        # the transposes are multiplied, Jᵀ ← Jᵀ Wᵀ D: one large GEMM a layer for the whole batch
        jt = None
        for layer, w in enumerate(self.weight):
            d = self.activation.slope(h[layer].reshape(-1, 1, self.width))
            jt = self._chain(layer, jt, w.T * d if jt is None else (jt @ w.T).mul_(d))
        return jt.mT

    def _chain(self, layer, before, now):
        return now

    def extra_repr(self):
        """What print(model) shows."""
        return (
            f"depth={self.depth}, width={self.width}, activation={self.activation.name!r}, "
            f"sigma_w2={self.sigma_w2:g}, sigma_b2={self.sigma_b2:g}, weights={self.weights!r}, "
            f"inputs={self.inputs}, outputs={self.outputs}"
        )


def __getattr__(name):
    # the other networks import this module, so they are looked up when asked for
    if name == "ConvNet":
        from isolib.convnet import ConvNet

        return ConvNet
    if name == "RNN":
        from isolib.rnn import RNN

        return RNN
    if name in ("ResidualConvNet", "ResidualMLP"):
        from isolib import resnet

        return getattr(resnet, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
