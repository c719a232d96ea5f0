"""Network-steps per second: a stack of networks against a loop of plain PyTorch runs."""

from __future__ import annotations

import statistics
import time

import torch
import torch._inductor.config

from benchmarks._environments import describe, machine
from isolib import results
from isolib.networks import MLP
from isolib.sweep import _train
from isolib.training import Sweep

CASES = {"cpu": (64, 50, 64, 32), "cuda": (400, 200, 128, 32)}  # width, depth, batch, networks


def plain(nets, x, y, lr, steps, batch, tick):
    """What one writes without isolib: one network after another, torch.optim, nothing measured."""
    for net in nets:
        optimiser = torch.optim.SGD(net.parameters(), lr=lr)
        for _ in range(steps):
            i = torch.randint(len(x), (batch,), device=x.device)
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x[i]), y[i]).backward()
            optimiser.step()
            tick()


def stacked(runs, x, y, steps, batch, device, tick):
    """`Sweep` without its first and last step, at which it also measures loss and accuracy."""
    sweep = Sweep(MLP, runs, x, y, steps=steps, batch_size=batch, log_points=1, device=device)
    _train(MLP, runs, (x, y, None), sweep.options, device, tick=lambda _: tick())


def each(run, device):
    """Seconds between the ticks that `run(tick)` makes, the first and the last left out."""
    times = []

    def tick():
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    run(tick)
    return [b - a for a, b in zip(times[:-2], times[1:-1], strict=True)]


def seconds(run, device):
    def now():
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    start = now()
    run()
    return now() - start


def matmul_rate(device, n=2048):
    """Multiplications and additions per second of a large single-precision product."""
    a = torch.randn(n, n, device=device)
    a @ a
    return 5 * 2 * n**3 / seconds(lambda: [a @ a for _ in range(5)], device)


def compiled(nets, x, y, steps=10):
    """Steps per second of the bare stack, eager and through `torch.compile`; seconds to compile.

    Not part of isolib: it says what compiling would add to `Sweep`.
    """
    names = dict(nets[0].named_parameters())
    stack = {k: torch.stack([dict(net.named_parameters())[k].detach() for net in nets])
             for k in names}  # fmt: skip
    for p in stack.values():
        p.requires_grad_()
    x, y = x.expand(len(nets), *x.shape), y.repeat(len(nets))

    def loss(stack, x):
        out = nets[0].stacked(stack, x).flatten(0, 1)
        return torch.nn.functional.cross_entropy(out, y) * len(nets)

    def step(f):
        grads = torch.autograd.grad(f(stack, x), list(stack.values()))
        for p, g in zip(stack.values(), grads, strict=True):
            p.detach().sub_(g, alpha=0.01)

    torch._inductor.config.force_disable_caches = True  # else a second call compiles nothing
    device, fast, rates = x.device.type, torch.compile(loss), []
    first = seconds(lambda: step(fast), device)
    for _ in range(3):  # in turn, so that a busy moment of the machine hits both
        rates.append([
            steps * len(nets) / seconds(lambda f=f: [step(f) for _ in range(steps)], device)
            for f in (loss, fast)
        ])  # fmt: skip
    return *(sorted(column)[1] for column in zip(*rates, strict=True)), first


def main():
    started = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    width, depth, batch, count = CASES[device]
    x = torch.randn(2000, width, generator=torch.manual_seed(0))
    y = torch.randint(10, (2000,))
    shape = dict(depth=depth, width=width, sigma_w2=1.05, inputs=width, outputs=10)
    runs = [dict(shape, seed=seed, lr=0.01) for seed in range(count)]
    nets = [MLP(**shape, seed=seed, device=device) for seed in range(4)]

    steps, ours, theirs = 20, [], []
    for _ in range(3):  # in turn; medians over the steps, which a busy moment does not move
        ours += each(lambda t: stacked(runs, x, y, steps, batch, device, t), device)
        theirs += each(
            lambda t: plain(nets, x.to(device), y.to(device), 0.01, steps, batch, t), device
        )
    stack, loop = count / statistics.median(ours), 1 / statistics.median(theirs)
    # forward, and twice as much backward, two operations a multiplication
    share = 6 * depth * width**2 * batch * stack / matmul_rate(device)
    all_nets = [MLP(**shape, seed=seed, device=device) for seed in range(count)]
    eager, fast, first = compiled(all_nets, x[:batch].to(device), y[:batch].to(device))
    threads, here = torch.get_num_threads(), machine()
    row = {"width": width, "depth": depth, "batch": batch, "networks": count, "threads": threads,
           "loop": loop, "stacked": stack, "share_of_matmul": share, "bare": eager,
           "bare_compiled": fast, "compile_seconds": first}  # fmt: skip
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    results.save(
        "training-benchmark" + ("-gpu" if gpu else ""), {"machine": here, "row": row},
        command="python -m benchmarks training", seeds=range(count), scale="laptop",
        device=gpu or f"{describe(here)}, {threads} thread{'s' * (threads > 1)}", started=started,
    )  # fmt: skip
    print(f"{device}, {threads} threads: width {width}, depth {depth}, batch {batch}, "
          f"{count} networks")  # fmt: skip
    print(f"  one by one {loop:8.1f} network-steps/s")
    print(f"  stacked    {stack:8.1f} network-steps/s: {stack / loop:.1f} times, "
          f"{share:.0%} of the rate of a large matrix product")  # fmt: skip
    print(f"  torch.compile of the bare step: {fast:.0f} after {eager:.0f}, "
          f"{first:.0f} s to compile")  # fmt: skip


if __name__ == "__main__":
    main()
