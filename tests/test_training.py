"""Training learns, repeats itself from a seed, and reports divergence instead of raising."""

import numpy as np
import pytest
import torch
from torch import nn

from isolib.data import digits
from isolib.networks import MLP
from isolib.training import fit, log_steps, minibatches

RATES = {"sgd": 0.05, "momentum": 0.01, "rmsprop": 1e-3, "adam": 1e-3}


@pytest.fixture(scope="module")
def data():
    return digits()


def network(seed=0, **kwargs):
    settings = {"depth": 4, "width": 48, "inputs": 64, "outputs": 10, "seed": seed, **kwargs}
    return MLP(**settings)


@pytest.mark.parametrize("optimiser", RATES)
def test_learns_digits(data, optimiser):
    h = fit(
        network(), data.x_train, data.y_train, optimiser=optimiser, lr=RATES[optimiser],
        steps=150, evaluate=(data.x_test, data.y_test), log_points=8,
    )  # fmt: skip
    assert h.diverged_at is None
    assert h.step[0] == 0 and h.step[-1] == 150 and (np.diff(h.step) > 0).all()
    assert h.step.dtype.kind == "i"
    assert len({a.shape for a in (h.step, h.loss, h.accuracy, h.test_accuracy)}) == 1
    assert h.loss[-1] < 0.5 * h.loss[0] and h.accuracy[0] < 0.35 < 0.8 < h.test_accuracy[-1]
    assert (h.gradient_norm > 0).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_the_same_seed_gives_the_same_run(data, loss):
    def run(seed):
        net = network(depth=2)
        settings = dict(optimiser="momentum", lr=0.01, steps=20, batch_size=32, loss=loss)
        return fit(net, data.x_train, data.y_train, seed=seed, **settings), net

    (a, net_a), (b, net_b), (c, net_c) = run(5), run(5), run(6)
    assert np.array_equal(a.loss, b.loss) and np.array_equal(a.gradient_norm, b.gradient_norm)
    assert torch.equal(net_a.weight, net_b.weight) and not torch.equal(net_a.weight, net_c.weight)
    assert np.isnan(a.test_accuracy).all() and not np.array_equal(a.loss, c.loss)


def test_one_step_of_gradient_descent_by_hand():
    """Full batch, mse: W ← W − lr·∇ with ∇ = (2/nk)(XW ᵀ − Y)ᵀX, and the norm is that of ∇."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 3, generator=g).double(), torch.randn(8, 2, generator=g).double()
    model = nn.Linear(3, 2, bias=False, dtype=torch.float64)
    w = model.weight.detach().clone()
    grad = 2 / 16 * (x @ w.T - y).T @ x
    h = fit(model, x, y, lr=0.1, steps=1, loss="mse", batch_size=8)
    assert torch.allclose(model.weight, w - 0.1 * grad)
    assert h.gradient_norm[0] == pytest.approx(grad.norm().item())
    assert h.loss[0] == pytest.approx((x @ w.T - y).square().mean().item())
    assert np.isnan(h.accuracy).all()
    assert model.weight.grad is None and model.training


def test_real_targets_of_one_dimension():
    x = torch.linspace(-1, 1, 64)[:, None]
    h = fit(nn.Linear(1, 1), x, 3 * x[:, 0] - 1, lr=0.5, steps=200, loss="mse", batch_size=64)
    assert h.loss[-1] < 1e-8


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_divergence_is_recorded(data, activation, loss):
    net = network(activation=activation, sigma_w2=2.0)
    h = fit(net, data.x_train, data.y_train, lr=100.0, steps=500, loss=loss)
    assert h.diverged_at is not None and h.diverged_at < 50
    assert h.step[-1] == h.diverged_at and np.isnan(h.gradient_norm[-1])
    assert not h.loss[-1] < 100
    assert np.isfinite(h.loss[:-1]).all()


def test_divergence_at_the_start(data):
    net = network()
    with torch.no_grad():
        net.weight.fill_(float("nan"))
    h = fit(net, data.x_train, data.y_train, lr=0.1, steps=5)
    assert h.diverged_at == 0 and h.step.tolist() == [0] and np.isnan(h.loss[0])


def test_log_steps_and_minibatches():
    assert log_steps(1) == [0, 1] and log_steps(100, 1) == [0, 1, 100]
    grid = log_steps(10_000, 30)
    assert grid[0] == 0 and grid[-1] == 10_000 and 25 <= len(grid) <= 30
    batches = minibatches(10, 3, torch.Generator().manual_seed(0))
    passes = [torch.cat([next(batches) for _ in range(3)]).tolist() for _ in range(2)]
    assert all(len(set(p)) == 9 for p in passes) and passes[0] != passes[1]


def test_progress_bar_and_mode(data, capsys):
    net = network(depth=1).eval()
    fit(net, data.x_train, data.y_train, lr=0.01, steps=2, progress=True)
    assert "training" in capsys.readouterr().err and not net.training
    fit(net, data.x_train, data.y_train, lr=0.01, steps=2)
    assert capsys.readouterr().err == ""


X, Y = torch.ones(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
WIDE = MLP(depth=1, width=8, inputs=5, outputs=3, seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(optimiser="adamm"), "optimiser must be one of.*adam"),
        (dict(loss="hinge"), "loss must be one of.*mse"),
        (dict(lr=0), "lr.*0"),
        (dict(lr=float("inf")), "lr.*inf"),
        (dict(steps=0), "steps.*0"),
        (dict(batch_size=0), "batch_size.*0"),
        (dict(log_points=0), "log_points.*0"),
        (dict(seed="a"), "seed must be"),
        (dict(model=nn.Flatten()), "model must have parameters"),
        (dict(model=nn.Linear(4, 2)), r"classes > 2, the largest label in y;.*\(1, 2\)"),
        (dict(evaluate=(X, Y + 1)), r"classes > 3, the largest label in y_test;.*\(1, 3\)"),
        (dict(model=WIDE), r"x must have shape \(batch, 5\).*\(1, 4\)"),
        (dict(model=WIDE, x=torch.ones(6, 5), evaluate=(X, Y)), r"\(batch, 5\).*\(1, 4\)"),
        (dict(model=WIDE, y=torch.ones(6, 3), loss="mse"), r"\(batch, 5\).*\(1, 4\)"),
        (dict(x=X[:5]), r"x and y must have shapes.*\(5, 4\) and \(6,\)"),
        (dict(x=X * float("nan")), "x and y must be finite"),
        (dict(y=Y.float()), "y must be int labels.*float32"),
        (dict(y=Y - 1), "y must be labels 0, 1, 2.*-1"),
        (dict(y=Y[:, None], loss="mse"), r"y of integers must be labels.*\(6, 1\)"),
        (dict(y=torch.ones(6, 2), loss="mse"), r"shape of the model's output.*\(6, 2\)"),
        (dict(evaluate=(X, Y[:3])), r"x_test and y_test must have shapes"),
    ],
)
def test_bad_input(change, message):
    settings = dict(model=nn.Linear(4, 3), x=X, y=Y, lr=0.1, steps=2) | change
    with pytest.raises(ValueError, match=message):
        fit(settings.pop("model"), settings.pop("x"), settings.pop("y"), **settings)
