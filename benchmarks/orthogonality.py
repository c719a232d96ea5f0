"""One training step on one orthogonal weight: our steps and penalties, torch, geotorch, geoopt.

The gradient with respect to the weight is given. A step is all that the method adds to it: for a
retraction, from the frame and the gradient to the next frame; for a parametrisation, making the
weight from its free parameters, the backward pass to them and their update by plain gradient
descent; for a penalty, its value, its gradient and the update. All on one build of torch, float32.
On one thread processor time is measured, which other work on the machine disturbs least.
"""

from __future__ import annotations

import statistics
import sys
import time
from importlib.metadata import version

import torch
from torch.nn.utils.parametrizations import orthogonal

from benchmarks._environments import beside, describe, machine
from isolib import results
from isolib.orthogonality import (
    cayley_step,
    dso,
    landing_step,
    polar_retraction,
    qr_retraction,
    so,
    srip,
)
from isolib.stiefel import tangent

SIZES = ((64, 64), (128, 128), (256, 256), (512, 512), (1024, 1024), (1024, 64))
RATE, RUNS, SLOW = 0.01, 5, 3.0  # step; timed runs after one; longer than that, only one run


def clock_of(threads: int):
    """The clock that times so many threads: the processor's for one, the wall's for more."""
    return time.process_time if threads == 1 else time.perf_counter


def draw(n, k, seed):
    """A standard normal matrix divided by √n."""
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed)) / n**0.5


def retraction(move):
    """A method that keeps the frame itself: (X, G) → next X."""

    def make(X, G):
        state = [X]

        @torch.no_grad()
        def step():
            state[0] = move(state[0], G)

        return step, lambda: state[0]

    return make


def parametrised(register):
    """A method that keeps free parameters and makes the weight from them at each step."""

    def make(X, G):
        layer = torch.nn.Linear(*reversed(X.shape), bias=False)
        register(layer)
        (free,) = layer.parameters()

        def step():
            (gradient,) = torch.autograd.grad(layer.weight, free, G)
            free.data.sub_(gradient, alpha=RATE)

        return step, lambda: layer.weight.detach()

    return make


def penalised(penalty):
    """A penalty of strength 1: added to the gradient, then a plain step."""

    def make(X, G):
        W = X.clone().requires_grad_()

        def step():
            (gradient,) = torch.autograd.grad(penalty(W), W)
            W.data.sub_(G + gradient, alpha=RATE)

        return step, W.detach

    return make


def riemannian(geoopt, manifold):
    """geoopt's RiemannianSGD on one ManifoldParameter."""

    def make(X, G):
        p = geoopt.ManifoldParameter(X.clone(), manifold=manifold)
        optimiser = geoopt.optim.RiemannianSGD([p], lr=RATE)

        def step():
            p.grad = G
            optimiser.step()

        return step, p.detach

    return make


def methods():
    """({name: make}, {package: its version or why it is missing})."""
    found = {
        "landing": retraction(lambda X, G: landing_step(X, G, RATE)),
        "QR": retraction(lambda X, G: qr_retraction(X - RATE * tangent(X, G))),
        "polar": retraction(lambda X, G: polar_retraction(X - RATE * tangent(X, G))),
        "Cayley": retraction(lambda X, G: cayley_step(X, G, RATE)),
        "SO penalty": penalised(so),
        "DSO penalty": penalised(dso),
        "SRIP penalty": penalised(lambda W: srip(W, seed=0)),
    }
    for name in ("cayley", "matrix_exp", "householder"):
        found[f"torch {name}"] = parametrised(
            lambda m, name=name: orthogonal(m, orthogonal_map=name)
        )
    about = {"torch": torch.__version__.split("+")[0]}
    try:
        sys.path.insert(0, str(beside("orthogonality")))
        import geoopt
        import geotorch

        about |= {name: version(name) for name in ("geotorch", "geoopt")}
        for name in ("cayley", "expm"):
            found[f"geotorch {name}"] = parametrised(
                lambda m, name=name: geotorch.orthogonal(m, "weight", triv=name)
            )
        found["geoopt Euclidean"] = riemannian(geoopt, geoopt.EuclideanStiefel())
        found["geoopt canonical"] = riemannian(geoopt, geoopt.CanonicalStiefel())
    except (RuntimeError, ImportError) as error:
        about["missing"] = str(error)
    return found, about


def one(make, n, k) -> dict:
    """Seconds a step, number of timed steps, and max |XᵀX − 1| after all of them."""
    X, G = qr_retraction(draw(n, k, 0)), draw(n, k, 1)
    step, weight = make(X, G)
    times, clock = [], clock_of(torch.get_num_threads())
    while len(times) <= RUNS and (not times or times[0] < SLOW):
        start = clock()
        step()
        times.append(clock() - start)
    W = weight()
    off = (W.mT @ W - torch.eye(k)).abs().max().item()
    timed = times[1:] or times
    return {"seconds": statistics.median(timed), "runs": len(timed), "off": off}


def measure(sizes=SIZES) -> dict:
    """Every method at every size, and the time of one product of two n × n matrices."""
    found, about = methods()
    threads = torch.get_num_threads()
    clock = clock_of(threads)
    out = {"machine": machine(), "threads": threads, "versions": about,
           "clock": "processor" if threads == 1 else "wall",
           "rate": RATE, "sizes": [list(size) for size in sizes], "rows": []}  # fmt: skip
    for n, k in sizes:
        B = draw(n, n, 2)
        unit = []
        for _ in range(12):
            start = clock()
            B @ B
            unit.append(clock() - start)
        unit = statistics.median(unit[1:])
        for name, make in found.items():
            try:
                row = one(make, n, k) | {"unit": unit}
            except Exception as error:  # what a tool refuses is its answer
                row = {"failed": f"{type(error).__name__}: {error}"[:120]}
            out["rows"].append({"method": name, "n": n, "k": k} | row)
            said = row.get("failed") or f"{1e3 * row['seconds']:10.3f} ms  off {row['off']:.1e}"
            print(f"{n:5} × {k:<5} {name:18}", said, flush=True)
    return out


def main():
    started = time.perf_counter()
    data = measure()
    threads = data["threads"]
    results.save(
        "orthogonality-benchmark",
        data,
        command="python -m benchmarks orthogonality",
        seeds=[0, 1, 2],
        scale="laptop",
        device=f"{describe(data['machine'])}, {threads} thread{'s' * (threads > 1)}",
        started=started,
    )


if __name__ == "__main__":
    main()
