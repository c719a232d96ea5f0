"""Singular values of Jacobians: isolib, torch.func, and the bare products with svdvals."""

from __future__ import annotations

import statistics
import time

import torch

from benchmarks._environments import describe, machine
from isolib import results, spectra
from isolib.networks import MLP


def seconds(run, repeats: int) -> float:
    """The median of several runs, after one that is not counted; of one, that one."""
    if repeats > 1:
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


#: depth, width, batch, and how often each of the two and torch.func is timed
CASES = (
    (10, 100, 16, 7, 3),
    (50, 200, 16, 7, 3),
    (200, 200, 8, 7, 3),
    (50, 400, 4, 7, 3),
    (200, 1000, 1, 3, 1),
)


@torch.no_grad()
def measure(cases=CASES) -> list[dict]:
    """One row for each case: seconds, and the ratios to the bare arithmetic and to torch.func."""
    rows = []
    for depth, width, batch, repeats, repeats_func in cases:
        net = MLP(depth=depth, width=width, sigma_w2=1.05, seed=0)
        x = 0.16 * torch.randn(batch, width, generator=torch.manual_seed(0))
        times = {"isolib": [], "bare": []}
        for _ in range(repeats + 1):  # in turn, so that a busy moment of the machine hits both
            for name, run in (("isolib", spectra.singular_values), ("bare", bare)):
                start = time.perf_counter()
                run(net, x)
                times[name].append(time.perf_counter() - start)
        # the first run of each is not counted
        ours, floor = (statistics.median(times[name][1:]) for name in ("isolib", "bare"))
        other = seconds(lambda net=net, x=x: by_func(net, x), repeats_func)
        worst = (spectra.singular_values(net, x) - bare(net, x)).abs().max().item()
        assert worst < 1e-4, worst  # the three compute the same numbers
        rows.append({"depth": depth, "width": width, "batch": batch, "seconds": ours,
                     "to_bare": ours / floor, "func_to_ours": other / ours,
                     "runs": repeats, "runs_func": repeats_func})  # fmt: skip
    return rows


def show(rows: list[dict]) -> None:
    """Print the table."""
    print(f"{'L':>4} {'N':>5} {'batch':>5} {'isolib':>9} {'/ bare':>7} {'func / isolib':>14}")
    for row in rows:
        print(
            f"{row['depth']:4} {row['width']:5} {row['batch']:5} {row['seconds']:8.3f}s "
            f"{row['to_bare']:7.2f} {row['func_to_ours']:14.2f}"
        )


def main():
    started = time.perf_counter()
    here, threads = machine(), torch.get_num_threads()
    print(f"Jacobian singular values, torch {torch.__version__}, {threads} threads", flush=True)
    rows = measure()
    results.save(
        "jacobian-benchmark",
        {"machine": here, "threads": threads, "rows": rows},
        command="python -m benchmarks jacobian",
        seeds=[0],
        scale="laptop",
        device=f"{describe(here)}, {threads} thread{'s' * (threads > 1)}",
        started=started,
    )
    show(rows)


if __name__ == "__main__":
    main()
