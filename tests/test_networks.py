"""Initial weights have the stated law; the explicit Jacobian chain is the derivative."""

import copy

import pytest
import torch

from isolib.activations import NAMES, Activation
from isolib.networks import MLP, initial_weights

D = torch.float64


@pytest.mark.parametrize("n", [1, 2, 17])
def test_orthogonal_weights(n):
    w = initial_weights("orthogonal", 5, n, variance=1.7, seed=0, dtype=D)
    eye = torch.eye(n, dtype=D).expand(5, n, n)
    assert torch.allclose(w.mT @ w, 1.7 * eye, atol=1e-13)
    assert torch.allclose(w @ w.mT, 1.7 * eye, atol=1e-13)


def test_orthogonal_weights_are_haar_not_merely_orthogonal():
    """Under Haar E tr W = 0 and E (tr W)² = 1; QR without the sign fix gives E tr W < 0."""
    t = initial_weights("orthogonal", 4000, 3, seed=0, dtype=D).diagonal(dim1=1, dim2=2).sum(1)
    assert abs(t.mean()) < 5 / 4000**0.5  # five standard errors
    assert abs((t**2).mean() - 1) < 5 * (2 / 4000) ** 0.5  # Var (tr W)² ≤ 2 as E (tr W)⁴ ≤ 3


def test_gaussian_weights_have_variance_sigma_w2_over_n():
    n, sigma_w2 = 60, 2.5
    w = initial_weights("gaussian", 20, n, variance=sigma_w2, seed=1, dtype=D)
    count = w.numel()
    # the variance of `count` normal numbers has relative standard error √(2/count)
    assert abs(w.var() * n / sigma_w2 - 1) < 4 * (2 / count) ** 0.5
    assert abs(w.mean()) < 4 * (sigma_w2 / n / count) ** 0.5


def test_other_parameters_at_the_start():
    net = MLP(depth=50, width=80, sigma_b2=0.3, inputs=200, outputs=90, seed=2, dtype=D)
    for p, variance in [(net.bias, 0.3), (net.weight_in, 1 / 200), (net.weight_out, 1 / 80)]:
        assert abs(p.var() / variance - 1) < 4 * (2 / p.numel()) ** 0.5
    assert not net.bias_out.any()
    assert not MLP(depth=2, width=3).bias.any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weights", ["orthogonal", "gaussian"])
def test_jacobian_is_the_derivative_of_the_hidden_block(name, weights):
    net = MLP(
        depth=4, width=6, activation=name, sigma_w2=1.5, sigma_b2=0.1, weights=weights,
        seed=3, dtype=D,
    )  # fmt: skip
    x = torch.randn(3, 6, dtype=D, generator=torch.Generator().manual_seed(0))
    oracle = torch.func.vmap(torch.func.jacrev(net))(x)
    assert torch.allclose(net.jacobian(x), oracle, rtol=1e-11, atol=1e-13)


def test_jacobian_leaves_the_input_and_readout_layers_out():
    kwargs = dict(depth=3, width=5, sigma_b2=0.2, dtype=D, inputs=4, outputs=2, seed=4)
    net = MLP(**kwargs)
    x = torch.randn(2, 4, dtype=D, generator=torch.Generator().manual_seed(1))
    full = torch.func.vmap(torch.func.jacrev(net))(x)
    j = net.jacobian(x)
    assert j.shape == (2, 5, 5) and not j.requires_grad
    assert torch.allclose(full, net.weight_out @ j @ net.weight_in)


def test_linear_orthogonal_network_is_an_isometry():
    net = MLP(depth=100, width=20, activation="linear", seed=5, dtype=D)
    s = torch.linalg.svdvals(net.jacobian(torch.ones(20)))
    assert s.shape == (1, 20) and torch.allclose(s, torch.ones_like(s), atol=1e-12)


def test_hidden_and_preactivations():
    net = MLP(depth=3, width=5, sigma_b2=0.1, inputs=7, outputs=2, seed=6)
    x = torch.randn(4, 7)
    states, h = net.hidden(x), net.preactivations(x)
    assert len(states) == 4 and len(h) == 3
    assert torch.equal(states[0], x @ net.weight_in.T)
    for layer in range(3):
        assert torch.equal(states[layer + 1], torch.tanh(h[layer]))
        expected = states[layer] @ net.weight[layer].T + net.bias[layer]
        assert torch.allclose(h[layer], expected, atol=1e-6)
    assert torch.allclose(net(x), states[-1] @ net.weight_out.T, atol=1e-6)
    assert net(x[0]).shape == (2,) and net.jacobian(x[0]).shape == (1, 5, 5)
    assert net(x.double().numpy()).dtype == torch.float32  # an array in another dtype is cast


def test_seeds():
    a, b, c = (MLP(depth=2, width=4, sigma_b2=1.0, seed=s, outputs=2) for s in (0, 0, 1))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.weight, c.weight)
    before = torch.get_rng_state()
    MLP(depth=1, width=2, seed=0)
    assert torch.equal(before, torch.get_rng_state())  # a seed leaves the global state alone
    torch.manual_seed(0)
    d = MLP(depth=1, width=3)
    torch.manual_seed(0)
    assert torch.equal(d.weight, MLP(depth=1, width=3).weight)


def test_width_one_half_precision_copies_and_custom_activation():
    assert MLP(depth=2, width=1, seed=0).jacobian(torch.ones(1, 1)).shape == (1, 1, 1)
    assert MLP(depth=2, width=4, dtype=torch.bfloat16).weight.dtype == torch.bfloat16
    net = MLP(depth=2, width=4, activation=Activation("mine", phi=torch.atan), seed=0, dtype=D)
    x = torch.ones(2, 4, dtype=D)
    oracle = torch.func.vmap(torch.func.jacrev(net))(x)
    assert torch.allclose(copy.deepcopy(net).jacobian(x), oracle)
    assert "mine" in repr(net)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(depth=0), "depth.*0"),
        (dict(depth=2.5), "depth.*2.5"),
        (dict(width=-3), "width.*-3"),
        (dict(activation="relo"), "activation must be one of.*relu"),
        (dict(sigma_w2=0), "sigma_w2.*0"),
        (dict(sigma_w2=float("nan")), "sigma_w2.*nan"),
        (dict(sigma_b2=-1.0), "sigma_b2.*-1"),
        (dict(weights="orthogonl"), "weights must be one of.*orthogonal"),
        (dict(inputs=0), "inputs.*0"),
        (dict(outputs=-1), "outputs.*-1"),
        (dict(seed="x"), "seed must be.*'x'"),
        (dict(dtype=torch.int64), "dtype must be a floating-point.*int64"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        MLP(**{"depth": 2, "width": 4, **change})


@pytest.mark.parametrize("x", [torch.ones(2, 5), torch.ones(5), torch.tensor(1.0)])
def test_bad_shapes(x):
    net = MLP(depth=2, width=4)
    for f in (net, net.hidden, net.jacobian):
        with pytest.raises(ValueError, match=r"x must have shape \(batch, 4\) or \(4,\), got"):
            f(x)
