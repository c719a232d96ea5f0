"""One training loop for every experiment: fixed seed, log-spaced measurements, no surprises."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from isolib._check import in_range, module, one_of, positive_int, tensor
from isolib.networks import generator

__all__ = ["History", "Sweep", "fit"]  # noqa: F822 (Sweep: __getattr__, at the end)

OPTIMISERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
}
COLUMNS = ("step", "loss", "accuracy", "test_accuracy", "gradient_norm")
PROBE = 2048  # training examples on which loss and accuracy are measured
BIG = 1e3  # a loss this many times max(1, its first value) has diverged


@dataclass
class History:
    """What a run measured, one entry per measured step; `step` counts the updates done before.

    Attributes:
        step: int array, from 0.
        loss, accuracy: on a fixed sample of at most 2,048 training examples. accuracy is nan
            for real-valued targets.
        test_accuracy: on all of `evaluate`; nan without it.
        gradient_norm: Euclidean norm of the gradient, over all parameters, of the loss on the
            minibatch that the next update uses.
        diverged_at: the step at which the run was given up, or None. The last entry is then that
            step, its loss that of the minibatch (inf, nan or very large) and its other values nan.
    """

    step: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    test_accuracy: np.ndarray
    gradient_norm: np.ndarray
    diverged_at: int | None = None


def fit(
    model: nn.Module,
    x,
    y,
    *,
    optimiser: str = "sgd",
    lr: float,
    steps: int,
    batch_size: int = 128,
    seed: int = 0,
    loss: str = "cross_entropy",
    evaluate: tuple | None = None,
    log_points: int = 30,
    progress: bool = False,
) -> History:
    """Train `model` in place for a number of minibatch updates and report how it went.

    The same seed gives the same minibatches, hence on the CPU the same run to the last bit
    (unless the model draws random numbers itself). Computation is on the model's device and in
    its dtype.

    Args:
        model: any module that maps (batch, ...) to (batch, classes) or (batch, k).
        x: inputs, shape (n, ...), array or tensor.
        y: int labels, shape (n,); for "mse" also real targets, shape (n,) or (n, k).
        optimiser: "sgd", "momentum" (0.9), "rmsprop" or "adam", otherwise as torch has them.
        lr: learning rate, positive.
        steps: number of updates.
        batch_size: examples per update; each pass over the data is a fresh permutation, and a
            remainder smaller than a batch is left out.
        seed: of the minibatches.
        loss: "cross_entropy", or "mse", the mean over all entries of (output − target)², where
            int labels become one-hot targets.
        evaluate: (x_test, y_test) for `test_accuracy`.
        log_points: about how many steps are measured: 0, `steps` and a geometric grid between.
        progress: show a progress bar.

    Raises:
        ValueError: an argument out of range, shapes that disagree, nan in x or y.
            Divergence does not raise: see `History.diverged_at`.

    Example:
        >>> from isolib.networks import MLP
        >>> x = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
        >>> net = MLP(depth=2, width=16, inputs=4, outputs=2, seed=0)
        >>> history = fit(net, x, (x[:, 0] > 0).long(), lr=0.5, steps=50, batch_size=32)
        >>> bool(history.accuracy[-1] > 0.9), history.diverged_at
        (True, None)
    """
    one_of("optimiser", optimiser, OPTIMISERS)
    one_of("loss", loss, ("cross_entropy", "mse"))
    lr, steps = in_range("lr", lr, 0, 1e6, open_lo=True), positive_int("steps", steps)
    if not (evaluate is None or isinstance(evaluate, (tuple, list)) and len(evaluate) == 2):
        raise ValueError(f"evaluate must be (x_test, y_test) or None, got {evaluate!r}")
    parameters = [p for p in module(model).parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("model must have parameters to train, got none")
    x, y, labels = _data("x", "y", x, y, parameters[0], loss)
    held = evaluate and _data("x_test", "y_test", *evaluate, parameters[0], loss)
    batch_size = min(positive_int("batch_size", batch_size), len(x))
    grid = set(log_steps(steps, log_points))
    for name, part in (("y", (x, y, labels)), ("y_test", held)):
        if part:
            _check_classes(model, part[0], part[2], name)
    g = generator(seed)
    probe = torch.randperm(len(x), generator=g)[:PROBE].to(x.device)
    probe = (x[probe], y[probe], None if labels is None else labels[probe])

    criterion = _loss(loss)
    update = OPTIMISERS[optimiser](parameters, lr=lr)
    rows, diverged_at, limit = [], None, math.inf
    was_training = model.training
    model.train()
    batches = minibatches(len(x), batch_size, g)
    for step in _bar(range(steps + 1), progress):
        i = next(batches).to(x.device)
        update.zero_grad()
        value = criterion(model(x[i]), y[i])
        now = value.item()
        if step == 0:
            limit = BIG * max(1.0, now)
        if not now <= limit or not math.isfinite(now):  # also true of nan
            diverged_at = step
            rows.append((step, now, math.nan, math.nan, math.nan))
            break
        value.backward()
        if step in grid:
            norm = torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()
            test = _measure(model, held, criterion)[1] if held else math.nan
            rows.append((step, *_measure(model, probe, criterion), test, norm.item()))
        if step < steps:  # the last pass only measures
            update.step()
    update.zero_grad()
    model.train(was_training)
    return history_of(rows, diverged_at)


def history_of(rows, diverged_at) -> History:
    """A History from rows (step, loss, accuracy, test accuracy, gradient norm)."""
    columns = np.array(rows, dtype=float).T
    return History(columns[0].astype(int), *columns[1:], diverged_at=diverged_at)


def log_steps(steps: int, points: int = 30) -> list[int]:
    """0, `steps`, and about `points` − 2 whole numbers between them in geometric progression.

    Example:
        >>> log_steps(100, 6)
        [0, 1, 3, 10, 32, 100]
    """
    steps, points = positive_int("steps", steps), positive_int("log_points", points)
    between = np.rint(np.geomspace(1, steps, max(points - 1, 1))).astype(int).tolist()
    return sorted({0, steps, *between})


def minibatches(n: int, size: int, g: torch.Generator):
    """Index tensors of length `size`, without end: one permutation of range(n) after another.

    Example:
        >>> batches = minibatches(5, 2, torch.Generator().manual_seed(0))
        >>> len({int(i) for _ in range(2) for i in next(batches)})  # one pass repeats nothing
        4
    """
    while True:
        order = torch.randperm(n, generator=g)
        yield from (order[k : k + size] for k in range(0, n - size + 1, size))


def _data(name_x, name_y, x, y, like, loss):
    """Inputs, targets and int labels (None for real targets) on the model's device."""
    x, y = tensor(name_x, x), tensor(name_y, y)
    if x.ndim < 2 or len(x) == 0 or y.ndim == 0 or len(y) != len(x):
        raise ValueError(
            f"{name_x} and {name_y} must have shapes (n, ...) and (n,) or (n, k), n > 0, "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError(f"{name_x} and {name_y} must be finite, got nan or inf")
    real = y.is_floating_point()
    if loss == "cross_entropy" and (real or y.ndim != 1):
        raise ValueError(
            f"{name_y} must be int labels of shape (n,) for cross_entropy, "
            f"got {y.dtype} of shape {tuple(y.shape)}"
        )
    if not real and y.ndim == 1 and y.min() < 0:
        raise ValueError(f"{name_y} must be labels 0, 1, 2, ..., got {int(y.min())}")
    x = x.to(like)
    if real:
        return x, y.to(like).reshape(len(y), -1), None
    if y.ndim != 1:
        raise ValueError(
            f"{name_y} of integers must be labels of shape (n,), got {tuple(y.shape)}"
        )
    y = y.to(like.device).long()
    return x, y, y


@torch.no_grad()
def _check_classes(model, x, labels, name):
    """The inputs fit the model, and the largest label, if there are labels, has an output."""
    was_training = model.training
    out = model.eval()(x[:1])
    model.train(was_training)
    # on a GPU, torch would fail obscurely
    if labels is not None and (out.ndim != 2 or out.shape[1] <= labels.max()):
        raise ValueError(
            f"model must map (batch, ...) to (batch, classes) with classes > {int(labels.max())}, "
            f"the largest label in {name}; its output has shape {tuple(out.shape)}"
        )


def _loss(name):
    """The loss as a function of outputs and targets."""
    if name == "cross_entropy":
        return nn.functional.cross_entropy

    def mse(out, target):
        if target.ndim == 1:  # labels
            # not one_hot, which a stack of networks could not call
            target = (target[:, None] == torch.arange(out.shape[-1], device=out.device)).to(out)
        if target.shape != out.shape:
            raise ValueError(
                f"y must have the shape of the model's output, {tuple(out.shape)}, "
                f"got {tuple(target.shape)}"
            )
        return nn.functional.mse_loss(out, target)

    return mse


@torch.no_grad()
def _measure(model, data, criterion):
    """Mean loss and accuracy on (x, y, labels), in eval mode and in pieces that fit in memory."""
    x, y, labels = data
    model.eval()
    total, right = 0.0, 0
    for k in range(0, len(x), PROBE):
        part = slice(k, k + PROBE)
        out = model(x[part])
        total += criterion(out, y[part]).item() * len(out)
        if labels is not None:
            right += (out.argmax(-1) == labels[part]).sum().item()
    model.train()
    return total / len(x), math.nan if labels is None else right / len(x)


def _bar(steps, progress):
    """The steps, with a progress bar if one is wanted."""
    if not progress:
        return steps
    from tqdm.auto import tqdm

    return tqdm(steps, desc="training", unit="step")


def __getattr__(name):
    if name == "Sweep":  # its module needs this one first
        from isolib.sweep import Sweep

        return Sweep
    raise AttributeError(f"module 'isolib.training' has no attribute {name!r}")
