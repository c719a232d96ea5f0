"""A sweep trains each network as `fit` would, survives a kill, and runs in many processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from isolib import sweep, training
from isolib.networks import MLP, ResidualMLP

X = torch.randn(300, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()


def build(**run):
    """A float64 network: what is compared is the algorithm, not the rounding."""
    return MLP(**run, dtype=torch.float64)


def grid(rates=(0.02, 0.1), seeds=(0, 1), activations=("tanh", "relu")):
    return [
        dict(depth=3, width=12, inputs=6, outputs=3, activation=a, lr=r, seed=s)
        for a in activations for r in rates for s in seeds
    ]  # fmt: skip


def same(a, b, rtol):
    assert a.diverged_at == b.diverged_at
    for name in training.COLUMNS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, err_msg=name)


@pytest.mark.parametrize("optimiser", sorted(sweep.RULES))
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_stack_is_its_networks_one_by_one(optimiser, loss):
    rates = (0.001, 0.01) if optimiser in ("adam", "rmsprop") else (0.02, 0.1)
    options = dict(
        steps=40, batch_size=32, optimiser=optimiser, loss=loss, evaluate=(X[:50], Y[:50])
    )
    runs = grid(rates)
    for run, ours in zip(runs, training.Sweep(build, runs, X, Y, **options).run(), strict=True):
        lr = run.pop("lr")
        alone = training.fit(build(**run), X, Y, lr=lr, seed=run["seed"], **options)
        same(ours, alone, rtol=1e-7)  # rounding, after 40 steps that amplify it


class Doubled(MLP):
    """A forward of its own, which `MLP.stacked` knows nothing of."""

    def forward(self, x):
        return 2 * super().forward(x)


def doubled(**run):
    return Doubled(**run, dtype=torch.float64)


def residual(**run):
    return ResidualMLP(**run, a=0.9, branch="centred", dtype=torch.float64)


@pytest.mark.parametrize("make", [doubled, residual])
def test_networks_made_from_mlp_are_stacked_as_what_they_are(make):
    """One with a forward of its own goes through vmap, one with another layer stacks itself."""
    options, runs = dict(steps=20, batch_size=32, evaluate=(X[:50], Y[:50])), grid()
    for run, ours in zip(runs, training.Sweep(make, runs, X, Y, **options).run(), strict=True):
        lr = run.pop("lr")
        same(ours, training.fit(make(**run), X, Y, lr=lr, seed=run["seed"], **options), 1e-7)


def broken(**run):
    """One network of the stack starts at nan."""
    net = build(**run)
    if run["seed"] == 1:
        with torch.no_grad():
            net.weight[0, 0, 0] = torch.nan
    return net


def test_a_nan_stays_in_its_network():
    runs = grid(rates=(0.1,), activations=("tanh",))
    good, bad = training.Sweep(broken, runs, X, Y, steps=10).run()
    alone = training.Sweep(build, runs[:1], X, Y, steps=10).run()[0]
    same(good, alone, rtol=1e-7)
    assert bad.diverged_at == 0 and bad.step.tolist() == [0] and np.isnan(bad.loss[0])


def test_a_diverging_network_is_recorded_and_leaves_the_others_alone():
    runs = grid(rates=(0.05, 1e6), seeds=(0,), activations=("relu",))
    good, bad = training.Sweep(build, runs, X, Y, steps=30, batch_size=32, loss="mse").run()
    alone = training.fit(
        build(**{k: v for k, v in runs[0].items() if k != "lr"}),
        X, Y, lr=0.05, seed=0, steps=30, batch_size=32, loss="mse",
    )  # fmt: skip
    same(good, alone, rtol=1e-7)
    assert bad.diverged_at is not None and bad.step[-1] == bad.diverged_at


def test_stored_runs_are_not_trained_again(tmp_path):
    path, runs = tmp_path / "runs.jsonl", grid()
    first = training.Sweep(build, runs[:6], X, Y, steps=10).run(path)
    stored = path.read_text()
    again = training.Sweep(build, runs, X, Y, steps=10).run(path)
    assert path.read_text().startswith(stored)
    for a, b in zip(first, again, strict=False):
        same(a, b, rtol=0)
    with pytest.raises(ValueError, match="another sweep"):
        training.Sweep(build, runs, X, Y, steps=11).run(path)


def test_a_torn_last_line_costs_only_its_group(tmp_path):
    path, runs = tmp_path / "runs.jsonl", grid()
    whole = training.Sweep(build, runs, X, Y, steps=10).run(path)
    path.write_text(path.read_text()[:-40])
    again = training.Sweep(build, runs, X, Y, steps=10).run(path)
    for a, b in zip(whole, again, strict=True):
        same(a, b, rtol=0)
    assert all(json.loads(line) for line in path.read_text().splitlines())


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import test_sweep as t
runs = t.grid(rates=[0.001 * k for k in range(1, 11)], activations=("tanh",))
t.training.Sweep(t.build, runs, t.X, t.Y, steps=150, at_once=2).run({path!r})
"""


def test_kill_and_resume(tmp_path):
    path, tests = tmp_path / "runs.jsonl", str(__file__).rsplit("/", 1)[0]
    program = KILLED.format(tests=tests, path=str(path))
    process = subprocess.Popen([sys.executable, "-c", program])
    while process.poll() is None and (not path.exists() or path.read_text().count("\n") < 5):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it was at work
    kept = path.read_text()
    runs = grid(rates=[0.001 * k for k in range(1, 11)], activations=("tanh",))
    options = dict(steps=150, at_once=2)
    resumed = training.Sweep(build, runs, X, Y, **options).run(path)
    assert path.read_text().startswith(kept[: kept.rfind("\n")])
    for a, b in zip(resumed, training.Sweep(build, runs, X, Y, **options).run(), strict=True):
        same(a, b, rtol=0)


def test_processes_give_the_same(tmp_path):
    runs = grid()
    here = training.Sweep(build, runs, X, Y, steps=10).run()
    there = training.Sweep(build, runs, X, Y, steps=10).run(tmp_path / "a.jsonl", n_jobs=2)
    for a, b in zip(here, there, strict=True):
        same(a, b, rtol=1e-12)


def fused(fuse, act, **run):
    """A network whose making ends badly for seed 1, as long as the file `fuse` exists."""
    if run["seed"] == 1 and Path(fuse).exists():
        if act == "interrupt":
            raise KeyboardInterrupt
        time.sleep(2)  # let the other groups finish and be stored
        os.kill(os.getpid(), signal.SIGKILL)
    return build(**run)


@pytest.mark.parametrize("act", ["interrupt", "kill"])
def test_an_interrupted_sweep_and_a_dead_worker_lose_nothing_finished(tmp_path, act):
    path, fuse = tmp_path / "a.jsonl", tmp_path / "fuse"
    runs = [dict(run, fuse=str(fuse), act=act)
            for run in grid(rates=(0.1,), seeds=(0, 1, 2), activations=("tanh",))]  # fmt: skip
    sweep = training.Sweep(fused, runs, X, Y, steps=5, at_once=1)
    fuse.touch()
    if act == "kill":
        with pytest.raises(Exception, match="(?i)worker|terminated|executor"):
            sweep.run(path, n_jobs=2)
    else:
        with pytest.raises(KeyboardInterrupt):
            sweep.run(path)
    kept = path.read_text()
    assert 2 <= kept.count("\n") <= 3  # the header and what finished
    fuse.unlink()
    resumed = sweep.run(path)
    assert path.read_text().startswith(kept) and path.read_text().count("\n") == 4
    for a, b in zip(resumed, sweep.run(), strict=True):
        same(a, b, rtol=0 if act == "interrupt" else 1e-12)


def test_a_full_disk_leaves_whole_groups(tmp_path):
    """A limit on the size of files: the write stops half-way through the third group."""
    resource = pytest.importorskip("resource", reason="no limits on this system")
    path, runs = tmp_path / "a.jsonl", grid()
    plan = training.Sweep(build, runs, X, Y, steps=10, at_once=2)
    whole = plan.run(tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sum(map(len, lines[:5])) + 30, hard))
    try:
        with pytest.raises(OSError, match="groups finished before are stored in.*a.jsonl"):
            plan.run(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"".join(lines[:5])  # the header and two groups
    for a, b in zip(plan.run(path), whole, strict=True):
        same(a, b, rtol=0)


def test_dask_cluster(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask is not installed")
    import joblib

    runs = grid()
    here = training.Sweep(build, runs, X, Y, steps=10).run()
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as c,
        distributed.Client(c),
        joblib.parallel_config(backend="dask"),
    ):
        there = training.Sweep(build, runs, X, Y, steps=10).run(tmp_path / "a.jsonl", n_jobs=2)
    for a, b in zip(here, there, strict=True):
        same(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(runs=[dict(seed=0)]), "'lr'"),
        (dict(runs=[]), "different"),
        (dict(runs=grid()[:1] * 2), "different"),
        (dict(optimiser="sdg"), "Did you mean 'sgd'"),
        (dict(steps=0), "steps"),
        (dict(y=Y + 7), "largest label in y;"),
        (dict(evaluate=(X, Y + 7)), "largest label in y_test;"),
        (dict(x=X[:, :5]), r"x must have shape \(batch, 6\).*5"),
        (dict(evaluate=(X[:, :5], Y)), r"x must have shape \(batch, 6\).*5"),
        (dict(x=X[:, :5], y=X[:, :3], loss="mse"), r"x must have shape \(batch, 6\).*5"),
        (dict(y=Y[:5]), "shapes"),
        (dict(x=X * torch.nan), "finite"),
        (dict(build=lambda seed, **_: torch.nn.Sequential(torch.nn.Linear(6, 3),
                                                          torch.nn.BatchNorm1d(3))), "buffers"),
        (dict(build=lambda seed, **_: torch.nn.Linear(6, 3 + seed)), "differ in shape"),
    ],
)  # fmt: skip
def test_bad_input(change, words):
    arguments = dict(build=build, runs=grid(), x=X, y=Y, steps=5) | change
    with pytest.raises(ValueError, match=words):
        training.Sweep(**arguments).run()


def test_a_stack_holds_one_activation():
    x, y = torch.randn(8, 4), torch.arange(8) % 2
    runs = [{"lr": 0.1, "seed": s, "activation": a} for s in (0, 1) for a in ("tanh", "relu")]

    def build(seed, activation):
        return MLP(depth=2, width=4, outputs=2, activation=activation, seed=seed)

    with pytest.raises(ValueError, match="shape must name what decides the activation"):
        sweep.Sweep(build, runs, x, y, steps=1, shape=[]).run()
    with pytest.raises(ValueError, match="runs must hold numbers and words"):
        sweep.Sweep(build, [{"lr": 0.1, "seed": 0, "f": object()}], x, y, steps=1)
    assert len(sweep.Sweep(build, runs, x, y, steps=1, shape=["activation"]).run()) == 4
