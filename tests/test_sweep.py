"""A sweep trains each network as `fit` would, survives a kill, and runs in many processes."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from isolib import sweep, training
from isolib.networks import MLP

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


def deadly(**run):
    """A network whose making kills the process."""
    if run["seed"] == 1:
        time.sleep(2)  # let the other group finish and be stored
        import os

        os.kill(os.getpid(), signal.SIGKILL)
    return build(**run)


def test_a_worker_that_dies_loses_nothing_finished(tmp_path):
    path = tmp_path / "a.jsonl"
    runs = grid(rates=(0.1,), activations=("tanh",))
    with pytest.raises(Exception, match="(?i)worker|terminated|executor"):
        training.Sweep(deadly, runs, X, Y, steps=5, at_once=1).run(path, n_jobs=2)
    assert path.read_text().count("\n") == 2  # the header and the run that finished


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
        (dict(y=Y + 7), "largest label"),
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
