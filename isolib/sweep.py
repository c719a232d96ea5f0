"""Many networks of one shape, trained as one program: for seeds × rates × initialisations.

Stacked parameters turn every matrix product of a network into one batched product of them all, so
the cost of a step is arithmetic and no longer the overhead of thousands of small calls. A network
with a method `stacked` (see `MLP.stacked`) says itself how; others go through `torch.vmap`. Each
loss depends on one network only, so the gradient of their sum is that of each. What a run gets
(minibatches, updates, measurements) is what `isolib.training.fit` gives it alone.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np
import torch
from torch.func import functional_call, stack_module_state, vmap

from isolib import training
from isolib._check import one_of, positive, positive_int
from isolib._rules import RULES
from isolib.networks import generator

__all__ = ["Sweep"]

NUMBERS = ("lr", "seed", "sigma_w2", "sigma_b2", "weights")  # of a run, but not of its shape


class Sweep:
    """A list of runs, trained in groups of one shape.

    Args:
        build: `build(**run)` makes the network of a run: a class such as `MLP`, or a function at
            the top level of a module (so that other processes can call it). It is not given "lr".
        runs: dicts of numbers and words, each with "lr" and "seed".
        x, y, loss, evaluate, steps, batch_size, log_points, optimiser: as for `fit`.
        shape: the keys that decide what a network computes, as opposed to the numbers it starts
            with. Runs that agree in them are stacked. Default: all keys but lr, seed, sigma_w2,
            sigma_b2 and weights.
        at_once: the most networks in one stack; memory grows with it.
        probe: on how many training examples at most loss and accuracy are measured.
        penalty: a function (stacked parameters, runs) → one number a network, added to its loss
            for the gradient; what is reported stays the loss without it.
        watch: a function (step, stacked parameters, runs), called at each measured step; n_jobs 1.
        device: where to train; the CPU unless told. The steps are eager: `torch.compile` gained a
            sixth on a CPU and took tens of seconds for each new shape; untried on a GPU.

    Raises:
        ValueError: a run without lr or seed, two equal runs, data that do not fit (as `fit`), a
            network with buffers (running averages are not stacked).

    Example:
        >>> from isolib.networks import MLP
        >>> x = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
        >>> runs = [dict(depth=2, width=16, inputs=4, outputs=2, seed=s, lr=0.5) for s in (0, 1)]
        >>> histories = Sweep(MLP, runs, x, (x[:, 0] > 0).long(), steps=50, batch_size=32).run()
        >>> [bool(h.accuracy[-1] > 0.9) for h in histories]
        [True, True]
    """

    def __init__(
        self, build, runs, x, y, *, steps, optimiser="sgd", batch_size=128, loss="cross_entropy",
        evaluate=None, log_points=30, shape=None, at_once=64, device=None, probe=training.PROBE,
        penalty=None, watch=None,
    ):  # fmt: skip
        self.build, self.runs = build, [dict(run) for run in runs]
        for run in self.runs:
            if not {"lr", "seed"} <= run.keys():
                raise ValueError(f"every run needs 'lr' and 'seed', got {run}")
            positive("lr", run["lr"])
        if len({_key(run) for run in self.runs}) < len(self.runs) or not self.runs:
            raise ValueError(f"runs must be different from each other, got {self.runs}")
        self.options = {
            "optimiser": one_of("optimiser", optimiser, RULES),
            "loss": one_of("loss", loss, ("cross_entropy", "mse")),
            "steps": positive_int("steps", steps),
            "batch_size": positive_int("batch_size", batch_size),
            "log_points": positive_int("log_points", log_points),
            "probe": positive_int("probe", probe),
        }
        self.data, self.rest = (x, y, evaluate), (device or "cpu", penalty, watch)
        if evaluate is not None and (not isinstance(evaluate, tuple | list) or len(evaluate) != 2):
            raise ValueError("evaluate must be a pair (x_test, y_test) or None")
        if shape is not None:
            shape = [shape] if isinstance(shape, str) else list(shape)
        groups = {}
        for i, run in enumerate(self.runs):
            kept = {
                k: v for k, v in run.items() if (k not in NUMBERS if shape is None else k in shape)
            }
            groups.setdefault(_key(kept), []).append(i)
        size = positive_int("at_once", at_once)
        # cut the same way after a restart, so that a run always has the same neighbours
        self.groups = [g[k : k + size] for g in groups.values() for k in range(0, len(g), size)]

    def run(self, path=None, *, n_jobs: int = 1, progress: bool = False) -> list:
        """Train what is not trained yet; the `History` of every run, in the order of the runs.

        Args:
            path: a file of JSON lines. Each finished group is appended to it in one write; a
                later call with the same path goes on where a killed one stopped. A file of other
                data or options is refused.
            n_jobs: how many groups at a time, through joblib: under
                `joblib.parallel_config(backend="dask")`, or Ray's, on a cluster.
            progress: a bar over the steps, or over the groups if there are several jobs.
        """
        done = _read(path, self._fingerprint()) if path else {}
        todo = [g for g in self.groups if any(_key(self.runs[i]) not in done for i in g)]
        bar = _bar(progress, len(todo) * (1 if n_jobs != 1 else self.options["steps"] + 1))
        jobs = ([self.runs[i] for i in g] for g in todo)
        rest = self.data, self.options, *self.rest
        if n_jobs == 1:
            tick = bar.update if bar else None
            results = (_train(self.build, j, *rest, tick) for j in jobs)
        else:
            from joblib import Parallel, delayed

            results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
                delayed(_train)(self.build, j, *rest) for j in jobs
            )
        for finished in results:
            lines = [{"run": run, "history": _plain(h)} for run, h in finished]
            done |= {_key(line["run"]): line["history"] for line in lines}
            if path:
                _append(path, lines)
            if bar and n_jobs != 1:
                bar.update()
        if bar:
            bar.close()
        return [_history(done[_key(run)]) for run in self.runs]

    def _fingerprint(self):
        """What a stored file must have in common with this sweep."""
        digest = hashlib.sha256()
        x, y, held = self.data
        for array in (x, y, *(held or ())):
            digest.update(np.ascontiguousarray(torch.as_tensor(array).cpu().numpy()).tobytes())
        name = f"{self.build.__module__}.{self.build.__qualname__}"
        penalty = {"penalty": self.rest[1].__qualname__} if self.rest[1] else {}
        return {**self.options, "build": name, "data": digest.hexdigest()[:16], **penalty}


def _key(run):
    try:
        return json.dumps(run, sort_keys=True, default=lambda value: value.item())
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"runs must hold numbers and words, got {run}") from error


def _train(build, runs, data, options, device, penalty=None, watch=None, tick=None):
    """[(run, History)] of one stack."""
    models = [build(**{k: v for k, v in r.items() if k != "lr"}).to(device) for r in runs]
    if any(True for m in models for _ in m.buffers()):
        raise ValueError(f"{type(models[0]).__name__} has buffers: train it with fit, one by one")
    loss, count = options["loss"], len(runs)
    like = next(models[0].parameters())
    x, y, labels = training._data("x", "y", *data[:2], like, loss)
    held = data[2] and training._data("x_test", "y_test", *data[2], like, loss)
    for name, part in (("y", (x, y, labels)), ("y_test", held)):
        if part:
            training._check_classes(models[0], part[0], part[2], name)
    acts = {getattr(getattr(m, "activation", None), "name", None) for m in models}
    if len(acts) > 1:
        raise ValueError(f"shape must name what decides the activation: {sorted(acts)} in a stack")
    try:
        stack = {k: v.detach().clone() for k, v in stack_module_state(models)[0].items()}
    except RuntimeError as error:
        raise ValueError(f"the networks of one group differ in shape: {error}") from error
    for p in stack.values():
        p.requires_grad_()
    outputs, losses = _outputs(copy.deepcopy(models[0]).to("meta")), vmap(training._loss(loss))
    size = min(options["batch_size"], len(x))
    draws = [generator(r["seed"]) for r in runs]
    probe = torch.stack([torch.randperm(len(x), generator=g)[: options["probe"]] for g in draws])
    batches = [training.minibatches(len(x), size, g) for g in draws]
    rate = torch.tensor([r["lr"] for r in runs], dtype=like.dtype, device=device)
    rule = RULES[options["optimiser"]]
    grid = set(training.log_steps(options["steps"], options["log_points"]))
    state = {k: {} for k in stack}
    rows, dead, limit = [[] for _ in runs], [None] * count, None
    piece = max(1, training.PROBE // count)

    @torch.no_grad()
    def measure(x, y, labels, own):
        """Mean loss and accuracy of every network; `own`: each has its own examples."""
        total, right, n = 0.0, math.nan if labels is None else 0.0, x.shape[int(own)]
        for part in torch.arange(n, device=x.device).split(piece if own else training.PROBE):
            xs, ys, labelled = (t if t is None else t[:, part] if own else
                                t[part].expand(count, *t[part].shape)
                                for t in (x, y, labels))  # fmt: skip
            out = outputs(stack, xs)
            total = total + losses(out, ys).double() * len(part)
            if labels is not None:
                right = right + (out.argmax(-1) == labelled).sum(1).double()
        return (total / n).tolist(), ([right] * count if labels is None else (right / n).tolist())

    def take(i):
        i = i.to(x.device)
        return x[i], y[i], None if labels is None else labels[i]

    for step in range(options["steps"] + 1):
        xb, yb, _ = take(torch.stack([next(b) for b in batches]))
        now = losses(outputs(stack, xb), yb)
        total = now.sum() + (penalty(stack, runs).sum() if penalty else 0)
        grads = torch.autograd.grad(total, list(stack.values()), materialize_grads=True)
        grads, now = dict(zip(stack, grads, strict=True)), now.detach().double().cpu().numpy()
        if limit is None:
            limit = training.BIG * np.maximum(1.0, np.nan_to_num(now, nan=0.0, posinf=0.0))
        for i in np.flatnonzero(~(np.isfinite(now) & (now <= limit))):
            if dead[i] is None:
                dead[i] = step
                rows[i].append((step, now[i], math.nan, math.nan, math.nan))
        if all(d is not None for d in dead):
            break
        if step in grid:
            norm = sum((g.flatten(1).double() ** 2).sum(1) for g in grads.values()).sqrt().tolist()
            if watch:
                watch(step, {k: v.detach() for k, v in stack.items()}, runs)
            fits = measure(*take(probe), own=True)
            test = measure(*held, own=False)[1] if held else [math.nan] * count
            for i, row in enumerate(zip(*fits, test, norm, strict=True)):
                if dead[i] is None:
                    rows[i].append((step, *row))
        if step < options["steps"]:  # the last pass only measures
            for k, p in stack.items():
                lr = rate.view(-1, *[1] * (p.ndim - 1))
                p.detach().sub_(rule(grads.pop(k), state[k], step + 1).mul_(lr))
        if tick:
            tick(1)
    return [(r, training.history_of(rows[i], dead[i])) for i, r in enumerate(runs)]


def _outputs(base):
    """The function (stacked parameters, inputs) → outputs of a stack of networks like `base`."""
    owner = next(c for c in type(base).__mro__ if "forward" in vars(c))
    if "stacked" in vars(owner):  # not one that a subclass with another forward inherits
        return base.stacked
    return vmap(lambda p, x: functional_call(base, p, (x,)))


def _bar(progress, total):
    if not progress:
        return None
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="sweep")


def _plain(h):
    """A History as JSON: nan and infinity as words, every digit kept."""
    columns = {k: [repr(float(v)) for v in getattr(h, k)] for k in training.COLUMNS}
    return {**columns, "diverged_at": h.diverged_at}


def _history(d):
    columns = [np.array([float(v) for v in d[k]]) for k in training.COLUMNS]
    return training.History(columns[0].astype(int), *columns[1:], diverged_at=d["diverged_at"])


def _append(path, lines):
    """Whole lines, on the disk before it returns; or, if there is no room, none of them."""
    rest = memoryview("".join(json.dumps(line) + "\n" for line in lines).encode())
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(end)
            why = f"{error.strerror}; the groups finished before are stored in"
            raise OSError(error.errno, why, str(path)) from error


def _read(path, fingerprint):
    """{key of a run: its history} of an earlier call; a line cut off by a kill is dropped."""
    path = Path(path)
    if not path.exists():
        _append(path, [{"sweep": fingerprint}])
        return {}
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    lines = [json.loads(line) for line in whole.splitlines()]
    if not lines or lines[0].get("sweep") != fingerprint:
        was = lines[0].get("sweep") if lines else "nothing"
        raise ValueError(f"{path} holds another sweep: {was}, not {fingerprint}")
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return {_key(line["run"]): line["history"] for line in lines[1:]}
