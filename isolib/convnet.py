"""The book's convolutional network: layers of equal size, and three laws for its kernels."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import conv2d, linear, pad

from isolib import activations
from isolib._check import nonnegative, one_of, positive, positive_int, tensor
from isolib.networks import generator, initial_weights, normal_parameters
from isolib.stiefel import _q_factor

__all__ = ["ConvNet", "initial_kernels"]

#: what the kernels of a layer may be at the start
KINDS = ("delta_orthogonal", "orthogonal", "gaussian")


def initial_kernels(
    kind: str, count: int, channels: int, size: int = 3, *,
    variance: float = 1.0, seed: int | torch.Generator | None = None, dtype=torch.float32,
) -> torch.Tensor:  # fmt: skip
    """A stack of random kernels W_ij(β), shape (count, channels, channels, size, size).

    Args:
        kind: "gaussian", entries N(0, variance/(channels size²)); "orthogonal", √variance times
            orthonormal rows when each kernel is read as a channels × (channels size²) matrix, as
            `torch.nn.init.orthogonal_` does; or "delta_orthogonal", √variance times a Haar
            orthogonal matrix at the centre and 0 elsewhere.
        count, channels, size: how many; c; k, an odd number.
        variance: σ_w². In all three cases E Σ_β W(β) W(β)ᵀ = σ_w² 1.
        seed: int, torch.Generator (on the CPU) or None.

    Source: Xiao et al. 2018, for the delta-orthogonal kernel.

    Example:
        >>> w = initial_kernels("orthogonal", 2, 4, seed=0, dtype=torch.float64).flatten(2)
        >>> torch.allclose(w @ w.mT, torch.eye(4, dtype=torch.float64))
        True
    """
    one_of("kind", kind, KINDS)
    count, c, k = positive_int("count", count), positive_int("channels", channels), _odd(size)
    variance, g = positive("variance", variance), generator(seed)
    if kind == "delta_orthogonal":
        w = initial_weights(kind[6:], count, c, variance=variance, seed=g, dtype=dtype)
        return pad(w[..., None, None], 4 * (k // 2,))  # zeros around it
    z = torch.randn(count, c * k * k, c, generator=g, dtype=dtype)
    if kind == "gaussian":
        z *= math.sqrt(variance / (c * k * k))
    else:
        z = _q_factor(z)[0] * math.sqrt(variance)  # its sign is fixed as in `initial_weights`
    return z.mT.reshape(count, c, c, k, k).contiguous()


def _odd(size):
    size = positive_int("kernel", size)
    if size % 2 == 0:
        raise ValueError(f"kernel must be odd (1, 3, 5, …), got {size}")
    return size


class ConvNet(nn.Module):
    """`depth` convolutional layers of c channels on one h × w grid: x^l = φ(W^l ∗ x^{l−1} + b^l).

    Padding is circular, so every hidden layer has c·h·w neurons and no position is special. The
    Jacobian is J = ∂x^L/∂x^0, of size n = c·h·w. Outside it there may be an input convolution,
    entries N(0, 1/(inputs[0] k²)), with a stride, and a readout: the mean of x^L over positions,
    then a linear map with entries N(0, 1/c) and a bias that starts at 0.

    The hidden kernels are one parameter `weight` (depth, c, c, k, k), the biases one parameter
    `bias` (depth, c). The others are `weight_in` (c, inputs[0], k, k), `weight_out` (outputs, c),
    `bias_out` (outputs,); None where there is no such layer.

    Args:
        depth, channels: L and c, positive ints.
        activation: a name or an `isolib.activations.Activation`.
        sigma_w2, sigma_b2: σ_w² > 0 and σ_b² ≥ 0, see `initial_kernels`.
        weights: "delta_orthogonal", "orthogonal" or "gaussian".
        kernel: k, odd; at most h and w.
        inputs: (channels, height, width) of what enters; None: x^0 itself enters, shape
            (batch, c, h, w), and there is no input convolution.
        stride: of the input convolution.
        outputs: size of the readout; None for x^L itself.
        seed: int, torch.Generator or None (a seed from torch's global generator).
        dtype, device: of the parameters; device None is the CPU.

    Raises:
        ValueError: an argument out of range, or an input of the wrong shape.

    Source: Xiao et al. 2018.

    Example:
        >>> net = ConvNet(depth=3, channels=4, inputs=(1, 8, 8), stride=2, outputs=10, seed=0)
        >>> x = torch.ones(5, 1, 8, 8)
        >>> net(x).shape, net.hidden(x)[-1].shape, net.jacobian(x).shape
        (torch.Size([5, 10]), torch.Size([5, 4, 4, 4]), torch.Size([5, 64, 64]))
    """

    def __init__(
        self, *, depth: int, channels: int, activation: str | activations.Activation = "tanh",
        sigma_w2: float = 1.0, sigma_b2: float = 0.0, weights: str = "delta_orthogonal",
        kernel: int = 3, inputs: tuple[int, int, int] | None = None, stride: int = 1,
        outputs: int | None = None, seed: int | torch.Generator | None = None,
        dtype=torch.float32, device: torch.device | str | None = None,
    ):  # fmt: skip
        super().__init__()
        self.activation, self.depth = activations.get(activation), positive_int("depth", depth)
        self.channels, self.kernel = positive_int("channels", channels), _odd(kernel)
        self.sigma_w2 = positive("sigma_w2", sigma_w2)
        self.sigma_b2 = nonnegative("sigma_b2", sigma_b2)
        self.weights = one_of("weights", weights, KINDS)
        self.stride = positive_int("stride", stride)
        self.outputs = outputs if outputs is None else positive_int("outputs", outputs)
        if inputs is not None and not (isinstance(inputs, (tuple, list)) and len(inputs) == 3):
            raise ValueError(f"inputs must be (channels, height, width) or None, got {inputs!r}")
        self.inputs = inputs and tuple(positive_int("inputs", n) for n in inputs)
        g, c, k = generator(seed), self.channels, self.kernel
        normal = normal_parameters(g, dtype, device)
        kernels = initial_kernels(weights, depth, c, k, variance=sigma_w2, seed=g, dtype=dtype)
        self.weight = nn.Parameter(kernels.to(device))
        self.bias = normal(self.sigma_b2, depth, c)
        self.weight_in = inputs and normal(1 / (inputs[0] * k * k), c, inputs[0], k, k)
        self.weight_out = outputs and normal(1 / c, outputs, c)
        self.bias_out = outputs and normal(0.0, outputs)

    def _conv(self, x, w, b=None, stride=1):
        """Circular convolution (PyTorch's: a cross-correlation) of x, (batch, c, h, w)."""
        if self.kernel > 1:
            x = pad(x, 4 * (self.kernel // 2,), mode="circular")
        return conv2d(x, w, b, stride)

    def _x0(self, x):
        """Check x, shape (batch, channels, height, width), and apply the input convolution."""
        x = tensor("x", x)
        want = self.inputs or (self.channels, "h", "w")
        size = tuple(x.shape[1:])
        fits = size == self.inputs if self.inputs else size[:1] == (self.channels,)
        if x.ndim != 4 or not fits or min(size[1:]) < self.kernel:
            raise ValueError(
                f"x must have shape (batch, {', '.join(map(str, want))}) with h and w at least "
                f"{self.kernel}, got {tuple(x.shape)}"
            )
        x = x.to(self.weight)  # its dtype and device
        return x if self.weight_in is None else self._conv(x, self.weight_in, stride=self.stride)

    def _layers(self, x):
        """Yield (h^l, x^l) for l = 1 … L."""
        x = self._x0(x)
        for w, b in zip(self.weight, self.bias, strict=True):
            h = self._conv(x, w, b)
            x = self._next(h, x)
            yield h, x

    def _next(self, h, x):
        return self.activation.phi(h)

    def _chain(self, before, now):
        return now

    def forward(self, x):
        """The output, shape (batch, outputs); without a readout, x^L of shape (batch, c, h, w)."""
        for _, x in self._layers(x):  # noqa: B020, B007 (earlier layers are let go)
            pass
        if self.weight_out is None:
            return x
        return linear(x.mean((-2, -1)), self.weight_out, self.bias_out)

    def preactivations(self, x) -> list[torch.Tensor]:
        """[h^1, …, h^L], each of shape (batch, c, h, w)."""
        return [h for h, _ in self._layers(x)]

    def hidden(self, x) -> list[torch.Tensor]:
        """[x^0, x^1, …, x^L], each of shape (batch, c, h, w): entry l is x^l."""
        return [self._x0(x)] + [y for _, y in self._layers(x)]

    @torch.no_grad()
    def jacobian(self, x, *, chunk: int = 512) -> torch.Tensor:
        """J = ∂x^L/∂x^0 at each input, shape (batch, n, n) with n = c·h·w, flattened (c, h, w).

        Unit vectors are pushed through the linearised layers, `chunk` of them at a time; no graph
        is recorded.
        """
        h = self.preactivations(x)
        n = h[0][0].numel()
        j = h[0].new_empty(len(h[0]), n, n)
        for out, *layers in zip(j, *h, strict=True):
            slopes = [self.activation.slope(a) for a in layers]
            for part in torch.arange(n, device=j.device).split(positive_int("chunk", chunk)):
                t = nn.functional.one_hot(part, n).to(j).reshape(-1, *slopes[0].shape)
                for w, d in zip(self.weight, slopes, strict=True):
                    t = self._chain(t, self._conv(t, w).mul_(d))
                out[:, part] = t.reshape(len(part), n).T
        return j

    def extra_repr(self):
        """What print(model) shows."""
        names = "depth channels kernel sigma_w2 sigma_b2 weights inputs stride outputs"
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names.split())
