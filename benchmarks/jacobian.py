"""Singular values of Jacobians: isolib, torch.func, and the bare products with svdvals."""

from __future__ import annotations

import statistics
import time

import torch

from isolib import spectra
from isolib.networks import MLP


def seconds(run, repeats=7) -> float:
    """The median of several runs, after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def bare(net, x):
    """Nothing but the arithmetic: forward pass, GEMM chain, svdvals."""
    x0 = x @ net.weight_in.T if net.weight_in is not None else x
    j = None
    for w, b in zip(net.weight, net.bias, strict=True):
        h = x0 @ w.T + b
        x0 = torch.tanh(h)
        slope = (1 - x0 * x0)[:, None, :]
        j = w.T * slope if j is None else (j @ w.T) * slope
    return torch.linalg.svdvals(j)


def by_func(net, x):
    """What one would write with torch.func."""

    def stack(v):
        for w, b in zip(net.weight, net.bias, strict=True):
            v = torch.tanh(w @ v + b)
        return v

    return torch.linalg.svdvals(torch.func.vmap(torch.func.jacrev(stack))(x))


@torch.no_grad()
def main():
    print(
        f"Jacobian singular values, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    print(
        f"{'L':>4} {'N':>5} {'batch':>5} {'isolib':>9} {'/ bare':>7} {'torch.func / isolib':>20}"
    )
    for depth, width, batch in ((10, 100, 16), (50, 200, 16), (200, 200, 8), (50, 400, 4)):
        net = MLP(depth=depth, width=width, sigma_w2=1.05, seed=0)
        x = 0.16 * torch.randn(batch, width, generator=torch.manual_seed(0))
        ours = seconds(lambda net=net, x=x: spectra.singular_values(net, x))
        floor = seconds(lambda net=net, x=x: bare(net, x))
        other = seconds(lambda net=net, x=x: by_func(net, x), repeats=3)
        worst = (spectra.singular_values(net, x) - bare(net, x)).abs().max().item()
        assert worst < 1e-4, worst  # the three compute the same numbers
        print(
            f"{depth:4} {width:5} {batch:5} {ours:8.3f}s {ours / floor:7.2f} {other / ours:20.2f}"
        )


if __name__ == "__main__":
    main()
