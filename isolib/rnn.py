"""The book's recurrent network: one matrix W, used again at every step of time."""

from __future__ import annotations

import math

import torch
from torch import nn

from isolib import activations
from isolib._check import nonnegative, one_of, positive, positive_int, tensor
from isolib.networks import generator, initial_weights, normal_parameters
from isolib.stiefel import _turned

__all__ = ["RNN"]


class RNN(nn.Module):
    """A recurrent network of width N: h_t = φ(W h_{t−1} + U x_t + b), h_0 = 0, and a readout.

    The Jacobian through time is J_t = ∂h_t/∂h_0 = D_t W ⋯ D_2 W D_1 W, D_i the diagonal matrix of
    the slopes φ' at step i. The parameters are `weight` W (N, N), `weight_in` U (N, inputs),
    `bias` b (N,), `weight_out` (outputs, N) and `bias_out` (outputs,), the last two None without
    a readout. A parametrisation of `weight`, torch's or `SpectralMargin`, is registered as usual.

    Args:
        width, inputs: N, and the numbers that enter at each step.
        activation: a name or an `isolib.activations.Activation`.
        gain: g > 0, the same as sigma_w2 = g²; give one of the two. Without either g = 1.
        sigma_w2: σ_w² > 0, E[WᵀW] = σ_w² 1.
        sigma_b2, sigma_u2: σ_b² ≥ 0 and σ_u² > 0: Var b = σ_b², Var U_ij = σ_u²/inputs.
        weights: "orthogonal" (W = gQ, Q Haar), "gaussian", or "glorot", uniform entries.
        outputs: size of the readout, entries N(0, 1/N); None for h itself.
        every_step: the outputs at all steps, not only at the last.
        hard: keep W = gQ while training: `weight` stays, and a parameter `skew` (N, N), 0 at the
            start, turns it by a Cayley transform. Only for weights="orthogonal".
        seed: int, torch.Generator or None (a seed from torch's global generator).
        dtype, device: of the parameters; device None is the CPU.

    Raises:
        ValueError: an argument out of range, a sequence of the wrong shape, a W that is not finite
            or not square.

    Source: the simple recurrent network; for J_t, Pascanu, Mikolov and Bengio 2013, eq. 5.

    Example:
        >>> net = RNN(width=16, inputs=3, gain=1.1, outputs=10, seed=0)
        >>> x = torch.ones(5, 20, 3)
        >>> net(x).shape, net.hidden(x).shape, net.jacobian(x).shape
        (torch.Size([5, 10]), torch.Size([5, 21, 16]), torch.Size([5, 16, 16]))
    """

    def __init__(
        self, *, width: int, inputs: int, activation: str | activations.Activation = "tanh",
        gain: float | None = None, sigma_w2: float | None = None, sigma_b2: float = 0.0,
        sigma_u2: float = 1.0, weights: str = "orthogonal", outputs: int | None = None,
        every_step: bool = False, hard: bool = False,
        seed: int | torch.Generator | None = None, dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ):  # fmt: skip
        super().__init__()
        self.width, self.inputs = positive_int("width", width), positive_int("inputs", inputs)
        self.activation = activations.get(activation)
        if gain is not None and sigma_w2 is not None:
            raise ValueError(f"give gain or sigma_w2, not both; got {gain} and {sigma_w2}")
        self.sigma_w2 = positive("sigma_w2", 1.0 if sigma_w2 is None else sigma_w2)
        if gain is not None:
            self.sigma_w2 = positive("gain", gain) ** 2
        sigma_b2, sigma_u2 = nonnegative("sigma_b2", sigma_b2), positive("sigma_u2", sigma_u2)
        self.weights = one_of("weights", weights, ("orthogonal", "gaussian", "glorot"))
        self.outputs = self.width if outputs is None else positive_int("outputs", outputs)
        self.every_step = bool(every_step)
        if hard and weights != "orthogonal":
            raise ValueError(f"hard needs weights='orthogonal' to start from, got {weights!r}")
        g, n = generator(seed), self.width
        normal = normal_parameters(g, dtype, device)
        if weights == "glorot":
            w = (torch.rand(n, n, generator=g) * 2 - 1) * math.sqrt(3 * self.sigma_w2 / n)
        else:
            w = initial_weights(weights, 1, n, variance=self.sigma_w2, seed=g, dtype=dtype)[0]
        self.weight = nn.Parameter(w.to(dtype=dtype, device=device))
        self.weight_in = normal(sigma_u2 / inputs, n, inputs)
        self.bias = normal(sigma_b2, n)
        self.weight_out = None if outputs is None else normal(1 / n, outputs, n)
        self.bias_out = None if outputs is None else normal(0.0, outputs)
        self.skew = nn.Parameter(torch.zeros_like(self.weight)) if hard else None

    @property
    def gain(self) -> float:
        """g = σ_w at the start."""
        return math.sqrt(self.sigma_w2)

    def recurrent(self, parameters: dict | None = None) -> torch.Tensor:
        """W, shape (N, N); of stacked parameters the W of every network, (count, N, N)."""
        p = parameters
        w, skew = (self.weight, self.skew) if p is None else (p["weight"], p.get("skew"))
        # with a hard constraint the start itself is not trained
        return w if skew is None else _turned(w.detach(), skew)

    def _sequence(self, x, *first):
        """x as a tensor of shape (*first, batch, time, inputs)."""
        x = tensor("x", x)
        if x.ndim != 3 + len(first) or x.shape[-1] != self.inputs or 0 in x.shape:
            shape = ", ".join([*map(str, first), "batch", "time", str(self.inputs)])
            raise ValueError(f"x must have shape ({shape}), time ≥ 1, got {tuple(x.shape)}")
        return x.to(self.weight.dtype)

    def forward(self, x):
        """Outputs at the last step, (batch, outputs), or at every step, (batch, time, outputs).

        x has shape (batch, time, inputs). Without a readout the outputs are the h_t.
        """
        p = {k: v.unsqueeze(0) for k, v in self.named_parameters(recurse=False)}
        p["weight"] = self.weight.unsqueeze(0)  # also where it is parametrised
        return self._run(p, self._sequence(x).unsqueeze(0).to(self.weight.device))[0]

    def stacked(self, parameters: dict, x) -> torch.Tensor:
        """The outputs of many networks of this shape, each at its own sequences.

        Args:
            parameters: tensors by name, those of the networks stacked along a new first axis.
            x: shape (count, batch, time, inputs).

        Returns:
            shape (count, batch, outputs), or (count, batch, time, outputs).
        """
        return self._run(parameters, self._sequence(x, "count"))

    def _run(self, p, x):
        steps, every = self._drive(p, x), []
        wt, h = self.recurrent(p).mT, None
        for drive in steps.unbind(2):
            h = self.activation.phi(drive if h is None else torch.baddbmm(drive, h, wt))
            if self.every_step:
                every.append(h)
        if self.every_step:
            h = torch.stack(every, 2).flatten(1, 2)
        if self.weight_out is not None:
            h = torch.baddbmm(p["bias_out"].unsqueeze(1), h, p["weight_out"].mT)
        return h.unflatten(1, x.shape[1:3]) if self.every_step else h

    def _drive(self, p, x):
        """U x_t + b for all t at once: one product."""
        drive = torch.baddbmm(p["bias"].unsqueeze(1), x.flatten(1, 2), p["weight_in"].mT)
        return drive.unflatten(1, x.shape[1:3])

    def _checked(self):
        w = self.recurrent()
        if w.ndim != 2 or w.shape[0] != w.shape[1]:
            raise ValueError(f"weight must be square, (N, N), got {tuple(w.shape)}")
        if not torch.isfinite(w).all():
            raise ValueError("weight must be finite everywhere, got nan or inf")
        return w

    def preactivations(self, x, h0=None, recurrent=None) -> torch.Tensor:
        """W h_{t−1} + U x_t + b for t = 1, …, T, shape (batch, T, N).

        h0: where to start, shape (batch, N) or (N,); 0 unless given. recurrent: matrices
        (T, N, N) to use in place of W, one a step: a network that does not share its weights.
        """
        x = self._sequence(x).to(self.weight.device)
        u = x @ self.weight_in.T + self.bias
        w = self._checked() if recurrent is None else tensor("recurrent", recurrent).to(u)
        if recurrent is not None and tuple(w.shape) != (x.shape[1], self.width, self.width):
            raise ValueError(
                f"recurrent must have shape (time, N, N) = "
                f"{(x.shape[1], self.width, self.width)}, got {tuple(w.shape)}"
            )
        if not torch.isfinite(x).all():
            raise ValueError("x must be finite everywhere, got nan or inf")
        h = torch.zeros_like(u[:, 0]) if h0 is None else tensor("h0", h0).to(u)
        if tuple(h.shape) not in ((self.width,), (len(x), self.width)) or not h.isfinite().all():
            raise ValueError(
                f"h0 must be finite, of shape ({self.width},) or {(len(x), self.width)}, "
                f"got shape {tuple(h.shape)}"
            )
        out = []
        for t in range(u.shape[1]):
            out.append(u[:, t] + h @ (w if w.ndim == 2 else w[t]).T)
            h = self.activation.phi(out[-1])
        return torch.stack(out, 1)

    def hidden(self, x, h0=None) -> torch.Tensor:
        """h_0, …, h_T, shape (batch, T + 1, N). Arguments as `preactivations`."""
        h = self.activation.phi(self.preactivations(x, h0))
        start = torch.zeros_like(h[:, :1]) if h0 is None else torch.as_tensor(h0).to(h)
        return torch.cat([start.expand_as(h[:, 0])[:, None] if h0 is not None else start, h], 1)

    @torch.no_grad()
    def jacobian(self, x, h0=None, *, every_step: bool = False, recurrent=None) -> torch.Tensor:
        """J_T = D_T W ⋯ D_1 W at each sequence, (batch, N, N); no graph is recorded.

        every_step: J_1, …, J_T, shape (batch, T, N, N). Other arguments as `preactivations`.
        """
        d = self.activation.slope(self.preactivations(x, h0, recurrent))
        w = self.recurrent() if recurrent is None else recurrent
        j, out = None, []
        for t in range(d.shape[1]):
            now = w if w.ndim == 2 else w[t]
            j = d[:, t, :, None] * (now if j is None else now @ j)
            out.append(j)
        return torch.stack(out, 1) if every_step else j

    def extra_repr(self):
        """What print(model) shows."""
        return (
            f"width={self.width}, inputs={self.inputs}, activation={self.activation.name!r}, "
            f"gain={self.gain:g}, weights={self.weights!r}, outputs={self.outputs}, "
            f"hard={self.skew is not None}"
        )
