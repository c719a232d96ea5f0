"""What the Jacobian of somebody's model looks like, what that means, and what to change."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from isolib import _stages
from isolib._check import in_range, module, positive_int
from isolib._findings import NAN, Diagnosis, Spectrum, Stage, departure, findings
from isolib.spectra import GIB, _applied, _eval_mode, _inputs


def diagnose(
    model: nn.Module, x, *, stages: list[str] | None = None, directions: int = 4,
    max_bytes: int = GIB // 32, seed: int = 0,
) -> Diagnosis:  # fmt: skip
    """The spectrum of any module's Jacobian, where on the way it goes wrong, and what to change.

    One forward pass in eval mode at the inputs x; then backward passes only. The model's mode,
    gradients and hooks and torch's random state are left as they were, and the same call gives
    the same answer. Submodules through which the whole derivative passes are the stages: a skip
    connection around a submodule disqualifies it, one inside does not.

    Args:
        model: any `torch.nn.Module` that maps a batch to one tensor, batch first.
        x: inputs of floating point, shape (batch, ...); a few are enough. For a model of token
            ids pass the embeddings to a module that starts after the embedding.
        stages: names of submodules, as `model.named_modules()` has them. Default: the children,
            the largest of them opened as long as there are fewer than four.
        directions: random directions for each stage's mean and spread.
        max_bytes: a Jacobian that takes more for one input is probed in random directions.
        seed: of the random directions.

    Raises:
        ValueError: x of integers, of a shape the model does not take, empty or not finite; a
            parameter or an output that is not finite (the message names it); an output that is
            not one tensor with the batch in front, or does not depend on x; an unknown stage.

    Source: chapter 17 for mean and spread by random directions; Pennington, Schoenholz and
    Ganguli 2017, eq. 22, for the sum of spreads.

    Example:
        >>> model = nn.Sequential(*[nn.Linear(64, 64, bias=False) for _ in range(6)])
        >>> for layer in model:
        ...     _ = nn.init.orthogonal_(layer.weight)
        >>> d = diagnose(model, torch.ones(2, 64))
        >>> print(f"{d.whole.mean:.3f} {d.whole.condition:.3f}", len(d.stages), d.findings[0][:7])
        1.000 1.000 7 Nothing
    """
    _check_model(model)
    positive_int("directions", directions, 1000)
    in_range("max_bytes", max_bytes, 1, 2**60)
    x, g = _inputs(model, x), torch.Generator().manual_seed(seed)
    with _undisturbed(model, seed):
        x = x.clone().requires_grad_()
        x, y, seen = _forward(model, x, stages)
        points = _stages.chain(x, y, seen, g)
        rows = _rows(points, directions, g)
        whole = _spectrum(points[0], points[-1], max_bytes, directions, g)
        (a, b), trunk = _trunk(points), None
        if b - a > 1 and 2 * (b - a) > len(points) - 3 and (a, b) != (0, len(points) - 1):
            trunk = _spectrum(points[a], points[b], max_bytes, directions, g)
    part = rows if trunk is None else rows[a : b + 1]
    worst = max(part[1:], key=departure, default=None)
    said = findings(model, trunk or whole, part, rows)
    return Diagnosis(whole, trunk, rows, worst and worst.name, said)


def _check_model(model):
    for name, t in [*module(model).named_parameters(), *model.named_buffers()]:
        if t.is_floating_point() and not torch.isfinite(t).all():
            raise ValueError(f"{name!r} of the model must be finite, it holds nan or inf")


@contextmanager
def _undisturbed(model, seed):
    """Eval mode, gradients on, attention that can be differentiated twice, and all put back."""
    with (
        torch.random.fork_rng(), _eval_mode(model), torch.inference_mode(False),
        torch.enable_grad(), sdpa_kernel(SDPBackend.MATH),
    ):  # fmt: skip
        torch.manual_seed(seed)
        yield


def _forward(model, x, stages):
    """(x, y, the recorded outputs); for the book's own networks x^0, x^L and all between."""
    own = callable(getattr(model, "hidden", None)) and callable(getattr(model, "jacobian", None))
    if own and isinstance(states := model.hidden(x), list):  # those in time are no stages
        x0, *inner = states
        return x0, inner[-1], [(f"layer {i + 1}", t) for i, t in enumerate(inner)]
    known = dict(model.named_modules())
    names = _stages.submodules(model) if stages is None else list(stages)
    if unknown := [n for n in ([stages] if isinstance(stages, str) else names) if n not in known]:
        raise ValueError(f"stages must name submodules of the model, got {', '.join(unknown)}")
    with _stages.recorded(model, names) as seen:
        y = _applied(model, x)
    for name, t in [*seen, ("the model", y)]:
        if not torch.isfinite(t).all():
            raise ValueError(f"the output of {name!r} is not finite, at finite x and weights")
    if not y.requires_grad or torch.autograd.grad(y.sum(), x, retain_graph=True,
                                                  allow_unused=True)[0] is None:  # fmt: skip
        raise ValueError("the output does not depend on x by differentiable operations")
    return x, y, seen


def _rows(points, directions, g):
    """A `Stage` for each point."""
    gradients = np.zeros(len(points))
    y = points[-1].value
    for _ in range(directions):
        u = _stages.randn_like(y, g)
        u = u / u[0].numel() ** 0.5
        inner = torch.autograd.grad(y, [p.value for p in points[:-1]], u, retain_graph=True)
        gradients += [float((t.double() ** 2).sum()) / len(y) for t in (*inner, u)]
    rows = []
    for i, (p, operations) in enumerate(zip(points, _stages.operations(points), strict=True)):
        t = p.value.detach().double()
        square, b = float((t**2).mean()), len(t)
        shared = float((t.mean(0) ** 2).mean() / square) if b > 1 and square > 0 else NAN
        shared = min(max((shared - 1 / b) * b / (b - 1), 0.0), 1.0) if b > 1 else NAN
        own = (1.0, 0.0, NAN)
        if i:
            own = _stages.Products(p.value, points[i - 1].value).moments(directions, g)
        norm = (gradients[i] / directions) ** 0.5
        rows.append(Stage(p.name, p.size, square**0.5, shared, *own, float(norm), operations))
    return rows


def _spectrum(start, end, max_bytes, directions, g):
    n_in, n_out = start.size, end.size
    name, item = f"{start.name} → {end.name}", end.value.element_size()
    if n_in * n_out * item > max_bytes:
        products = _stages.Products(end.value, start.value)
        mean, spread, _ = products.moments(max(directions, 8), g)
        return Spectrum(name, (n_out, n_in), None, mean, spread, products.largest(g))
    j = _stages.matrix(end.value, start.value)
    values = torch.linalg.svdvals(j if item >= 4 else j.float()).detach()
    s = values.double().cpu()
    mean = (s**2).mean(1)
    rms, tiny = mean.sqrt()[:, None], torch.finfo(torch.float64).tiny
    scaled = s / rms.clamp(min=tiny)
    spread = max(float((scaled**4).mean()) - 1, 0.0) if mean.min() > 0 else NAN
    noise = s[:, 0] * s.shape[1] * torch.finfo(end.value.dtype).eps
    condition = torch.where(s[:, -1] > noise, s[:, 0] / s[:, -1], torch.inf).median()
    top, dead = float(s[:, 0].mean()), float((scaled < 1e-3).double().mean())
    return Spectrum(
        name, (n_out, n_in), values, float(mean.mean()), spread, top, float(condition), dead
    )


def _trunk(points):
    """(a, b): the longest run of points of one size, by their places."""
    best, a = (0, 0), 0
    for i, p in enumerate(points):
        if p.size != points[a].size:
            a = i
        if i - a > best[1] - best[0]:
            best = (a, i)
    return best
