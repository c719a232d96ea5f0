"""The Jacobian of a network and its singular values, and their comparison with a law.

torch is imported by the functions that need it, so that `compare` works without it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from isolib._check import in_range, module, one_of, positive, positive_int, tensor
from isolib._compare import Comparison, compare
from isolib._design import Design, design, layer_variance
from isolib.residual import residual, residual_layer

if TYPE_CHECKING:
    import torch

    from isolib.laws import Law

__all__ = [  # noqa: F822 - the diagnosis comes through __getattr__
    "Comparison", "Design", "Diagnosis", "compare", "design", "diagnose", "feedforward",
    "jacobian", "layer_variance", "residual", "residual_layer", "singular_values",
]  # fmt: skip

GIB = 2**30


def feedforward(
    activation, depth: int, sigma_w2: float, q: float, weights: str = "orthogonal"
) -> Law:
    """The law of J Jᵀ for J = D^L W^L ⋯ D^1 W^1 in the limit of infinite width.

    Every layer has the same length q, as at the fixed point, and the D and W are taken to be free:
    the law of φ'(√q z)² and that of W Wᵀ, multiplied freely, to the power L. `singular_values()`
    of the result is the law of the singular values of J.

    Args:
        activation: a name or an `Activation`.
        depth: L, 1 or larger.
        sigma_w2: σ_w² > 0. Gaussian: Var W_ij = σ_w²/N; orthogonal: WᵀW = σ_w² 1.
        q: the variance of the pre-activations, positive.
        weights: "orthogonal" or "gaussian".

    Source: Pennington, Schoenholz and Ganguli 2017, eq. 14.

    Example:
        >>> law = feedforward("linear", 3, 1.0, 1.0, weights="gaussian")
        >>> law.edges().round(6).tolist()  # (L + 1)^(L + 1) / L^L
        [0.0, 9.481481]
    """
    from isolib.laws import MarchenkoPastur, SquaredSlope

    depth = positive_int("depth", depth)
    one_of("weights", weights, ("orthogonal", "gaussian"))
    layer = SquaredSlope(activation, q).scaled(positive("sigma_w2", sigma_w2))
    return (layer @ MarchenkoPastur() if weights == "gaussian" else layer) ** depth


def jacobian(
    model: torch.nn.Module,
    x: torch.Tensor | np.ndarray,
    *,
    max_bytes: int = 4 * GIB,
    chunk: int | None = None,
) -> torch.Tensor:
    """The Jacobian of a model at each input of a batch, shape (batch, out, in).

    For the book's own networks (any model with a method `jacobian`) it is that of the hidden
    block, ∂x^L/∂x^0. For any other `torch.nn.Module` it is the output against the input, both
    flattened, one example at a time in eval mode: batch statistics and dropout play no part.

    Args:
        model: the network; its mode and gradients are left as they were.
        x: inputs, shape (batch, ...); one of shape (d,) is a batch of one.
        max_bytes: the largest result allowed; 4 GiB unless told.
        chunk: how many examples are differentiated at once (other modules only).

    Raises:
        ValueError: x is empty, not of floating point or not finite; the model's output is not one
            tensor; or the result would be larger than `max_bytes` (the message says how large).

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(3, 2)
        >>> jacobian(model, torch.randn(5, 3)).shape
        torch.Size([5, 2, 3])
    """
    import torch

    x = _inputs(model, x)
    with _eval_mode(model), torch.no_grad():
        n_out, n_in, ours = _shape(model, x)
        _fits(len(x), n_out, n_in, x.element_size(), max_bytes)
        if ours:
            return model.jacobian(x)
        size = max(1, 1024 // n_out) if chunk is None else positive_int("chunk", chunk)
        return torch.cat([_any_jacobian(model, part, n_out, n_in) for part in x.split(size)])


def singular_values(
    model: torch.nn.Module,
    x: torch.Tensor | np.ndarray,
    *,
    max_bytes: int = 4 * GIB,
) -> torch.Tensor:
    """The singular values of the Jacobian at each input, descending: shape (batch, min(out, in)).

    As many Jacobians are held at once as fit in `max_bytes`; other arguments and errors as in
    `jacobian`. The squares are the eigenvalues of J Jᵀ.

    Example:
        >>> import torch
        >>> from isolib.networks import MLP
        >>> net = MLP(depth=20, width=32, activation="linear", seed=0, dtype=torch.float64)
        >>> s = singular_values(net, torch.ones(2, 32))
        >>> s.shape, torch.allclose(s, torch.ones_like(s))
        (torch.Size([2, 32]), True)
    """
    import torch

    x = _inputs(model, x)
    with _eval_mode(model), torch.no_grad():
        n_out, n_in, _ = _shape(model, x)
    each = _fits(1, n_out, n_in, x.element_size(), max_bytes)
    size = max(1, min(256, int(max_bytes) // each))
    values = []
    for part in x.split(size):
        j = jacobian(model, part, max_bytes=max_bytes)
        if not torch.isfinite(j).all():
            raise ValueError("x or the weights are too large: the Jacobian at x is not finite")
        # there is no half-precision singular value decomposition
        values.append(torch.linalg.svdvals(j if j.element_size() >= 4 else j.float()))
    return torch.cat(values)


def _inputs(model, x):
    """x as a finite floating-point batch on the model's device and in its dtype."""
    import torch

    module(model)
    x = tensor("x", x).detach()
    if not x.is_floating_point():
        raise ValueError(
            f"x must be of floating point to be differentiated, got {x.dtype}: "
            "for token ids, pass their embeddings to a module that starts after the embedding"
        )
    x = x[None] if x.ndim == 1 else x
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"x must have shape (batch, ...) with batch > 0, got {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError("x must be finite, got nan or inf")
    like = next((p for p in model.parameters() if p.is_floating_point()), x)
    return x.to(like)


@contextmanager
def _eval_mode(model):
    """Every submodule in eval mode, and back."""
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for m, training in modes:
            m.training = training


def _one_each(y, x):
    """Refuse an output y that is no tensor with a row for each row of x."""
    import torch

    if not isinstance(y, torch.Tensor):
        raise ValueError(f"the model must return one tensor, got {type(y).__name__}")
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(
            "the model must map a batch to a batch: "
            f"an input of shape {tuple(x.shape)} gave {tuple(y.shape)}"
        )


def _shape(model, x):
    """(out, in, whether the model brings its own Jacobian)."""

    if callable(getattr(model, "jacobian", None)):
        n = getattr(model, "width", None)
        if n is None and callable(getattr(model, "hidden", None)):  # cheaper than one Jacobian
            n = model.hidden(x[:1])[-1][0].numel()
        return (*((n, n) if n else model.jacobian(x[:1]).shape[1:]), True)
    return _applied(model, x[:1]).numel(), x[0].numel(), False


def _applied(model, x):
    """What the model makes of a batch: a batch."""
    try:
        y = model(x)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        raise ValueError(
            f"the model could not be applied to x of shape {tuple(x.shape)}: {error}"
        ) from error
    _one_each(y, x)
    return y


def _fits(batch, n_out, n_in, item, max_bytes):
    """The bytes of (batch, n_out, n_in) numbers, if they are allowed."""
    need, max_bytes = batch * n_out * n_in * item, in_range("max_bytes", max_bytes, 1, 2**60)
    if need > max_bytes:
        raise ValueError(
            f"the Jacobian of shape ({batch}, {n_out}, {n_in}) would take {need / GIB:.3g} GiB, "
            f"more than max_bytes = {max_bytes / GIB:.3g} GiB: "
            "use fewer inputs, a smaller model, or a larger max_bytes"
        )
    return need


def _any_jacobian(model, x, n_out, n_in):
    """Output against input of any module, shape (len(x), n_out, n_in)."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def one(v):
        return model(v[None])[0].reshape(-1)

    try:
        with sdpa_kernel(SDPBackend.MATH):  # the fused attention knows no batching rule
            j = torch.func.vmap(torch.func.jacrev(one, chunk_size=1024))(x)
    except (RuntimeError, NotImplementedError):
        # some modules (recurrent ones, data-dependent branches) cannot be vectorised: row by row
        with torch.enable_grad():
            j = torch.stack([torch.autograd.functional.jacobian(one, v) for v in x])
    return j.detach().reshape(len(x), n_out, n_in)


def __getattr__(name):
    # `diagnose` needs torch at once, and this module itself
    if name in ("diagnose", "Diagnosis"):
        from isolib import _diagnose

        return getattr(_diagnose, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
