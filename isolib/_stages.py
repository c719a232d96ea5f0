"""Where a signal passes on its way through a model: stages, and Jacobians from one to the next.

A stage is the output of a submodule through which the whole derivative goes, so that the Jacobian
of the model is the product of those from stage to stage.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd import grad

#: at least so many submodules are looked at, if there are as many
ENOUGH = 4


@dataclass(frozen=True)
class Point:
    """A tensor inside a model, the batch in front: its name, and the tensor with its graph."""

    name: str
    value: torch.Tensor

    @property
    def size(self) -> int:
        """How many numbers an input has here."""
        return self.value.numel() // len(self.value) if self.value.ndim else 1


def submodules(model: nn.Module) -> list[str]:
    """The children of a model; the largest is opened while there are fewer than four.

    >>> submodules(nn.Sequential(nn.Linear(2, 2), nn.ModuleList([nn.Tanh(), nn.Tanh()])))
    ['0', '1.0', '1.1']
    """

    def children(name, module):
        for child, m in module.named_children():
            full = f"{name}.{child}" if name else child
            # a list of modules is never called
            yield from children(full, m) if isinstance(m, nn.ModuleList) else [(full, m)]

    names = list(children("", model))
    while len(names) < ENOUGH:
        parts = [sum(1 for _ in m.modules()) for _, m in names]
        i = max(range(len(names)), key=parts.__getitem__, default=None)
        inner = [] if i is None else list(children(*names[i]))
        if not inner:
            break
        names[i : i + 1] = inner
    return [name for name, _ in names]


@contextmanager
def recorded(model: nn.Module, names: list[str]):
    """A list that fills with (name, output) as the named submodules are called."""
    seen, hooks = [], []

    def listen(name):
        def hook(_module, _inputs, output):
            output = output[0] if isinstance(output, (tuple, list)) and output else output
            if isinstance(output, torch.Tensor) and output.is_floating_point():
                calls = sum(1 for n, _ in seen if n.split(" ")[0] == name)
                seen.append((f"{name} ({calls + 1})" if calls else name, output))

        return hook

    try:
        hooks += [model.get_submodule(n).register_forward_hook(listen(n)) for n in names]
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def chain(x, y, seen, g: torch.Generator) -> list[Point]:
    """x, those of the recorded tensors through which all of ∂y/∂x goes, and y.

    A tensor t is one if the derivative of u·y by way of t alone, for a random u, is all of it.
    """
    kept = {id(t): (name, t) for name, t in seen if t is not x and t is not y}
    last = next((name for name, t in reversed(seen) if t is y), "output")
    kept = [(name, t) for name, t in kept.values() if t.requires_grad and t.ndim]
    u = randn_like(y, g)
    total, *inner = grad(y, [x, *(t for _, t in kept)], u, retain_graph=True, allow_unused=True)
    points = [Point("input", x)]
    for (name, t), cotangent in zip(kept, inner, strict=True):
        if cotangent is None or len(t) != len(x):
            continue
        (part,) = grad(t, x, cotangent, retain_graph=True, allow_unused=True)
        if part is not None and (part - total).norm() <= 1e-3 * total.norm():
            points.append(Point(name, t))
    return [*points, Point(last, y)]


def operations(points: list[Point]) -> list[Counter]:
    """For each point, how often each operation occurs between the point before and it.

    >>> x = torch.ones(1, 2, requires_grad=True)
    >>> operations([Point("x", x), Point("y", nn.Linear(2, 2)(x).relu())])[1]["Relu"]
    1
    """
    seen, out = {None}, []
    for point in points:
        found, stack = Counter(), [point.value.grad_fn]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                found[node.name().split("Backward")[0]] += 1
                stack += [before for before, _ in node.next_functions]
        out.append(found)
    return out


def randn_like(t, g):
    """Standard normal numbers from a CPU generator, on the device and of the dtype of t."""
    return torch.randn(t.shape, generator=g).to(t)


def matrix(cur: torch.Tensor, prev: torch.Tensor, chunk: int = 64) -> torch.Tensor:
    """∂cur/∂prev at every input of a batch, shape (batch, n_cur, n_prev), by backward passes."""
    b, n = len(cur), cur[0].numel()
    rows = torch.eye(n, dtype=cur.dtype, device=cur.device).reshape(n, 1, *cur.shape[1:])
    rows = rows.expand(n, *cur.shape)  # one input does not touch another: all at once
    out = []
    for part in rows.split(chunk):
        try:
            (j,) = grad(cur, prev, part, retain_graph=True, is_grads_batched=True)
        except RuntimeError:  # an operation that cannot be vectorised
            j = torch.stack([grad(cur, prev, r, retain_graph=True)[0] for r in part])
        out.append(j.reshape(len(part), b, -1))
    return torch.cat(out).transpose(0, 1)


class Products:
    """J v and Jᵀ u for J = ∂cur/∂prev, the whole batch as one block-diagonal matrix."""

    def __init__(self, cur: torch.Tensor, prev: torch.Tensor):
        self.cur, self.prev = cur, prev
        self.dummy = torch.zeros_like(cur, requires_grad=True)
        # Jᵀ u is linear in u, and its derivative in the direction of v is J v
        (self.back,) = grad(cur, prev, self.dummy, create_graph=True)

    def transposed(self, u):
        """Jᵀ u, of the shape of prev."""
        return grad(self.cur, self.prev, u, retain_graph=True)[0]

    def forward(self, v):
        """J v, of the shape of cur."""
        if not self.back.requires_grad:
            return torch.zeros_like(self.cur)
        (w,) = grad(self.back, self.dummy, v, retain_graph=True, allow_unused=True)
        return torch.zeros_like(self.cur) if w is None else w

    def moments(self, directions: int, g: torch.Generator) -> tuple[float, float, float]:
        """Mean of s², variance of s² over mean², and tr J/n (nan if not square), from probes.

        A random u on the smaller side gives ‖Jᵀu‖² and ‖JJᵀu‖², whose means are the sums of s²
        and of s⁴ but for a factor; the sums run over min(n_cur, n_prev) singular values.
        """
        wide = self.cur.numel() <= self.prev.numel()
        there, back = (self.transposed, self.forward) if wide else (self.forward, self.transposed)
        one, two, trace, k = 0.0, 0.0, 0.0, min(self.cur.numel(), self.prev.numel())
        for _ in range(directions):
            u = randn_like(self.cur if wide else self.prev, g)
            u = u * (k**0.5 / u.norm())
            w = there(u)
            size = float(w.abs().max())
            if size == 0:
                continue
            one += float((w.double() ** 2).sum())
            two += float((back(w / size).double() ** 2).sum()) * size**2
            trace += float((w.flatten() @ u.flatten()) / k) if w.numel() == k else float("nan")
        one, two, trace = one / directions / k, two / directions / k, trace / directions
        square = self.cur.numel() == self.prev.numel()
        spread = two / one**2 - 1 if one > 0 else float("nan")
        return one, max(spread, 0.0) if one > 0 else spread, trace if square else float("nan")

    def largest(self, g: torch.Generator, steps: int = 30) -> float:
        """The largest singular value from below, by power iteration on JᵀJ."""
        v, s = randn_like(self.prev, g), 0.0
        for _ in range(steps):
            w = self.forward(v / v.norm())
            s, size = float(w.double().norm()), w.abs().max()
            if s == 0:
                break
            v = self.transposed(w / size)
        return s
