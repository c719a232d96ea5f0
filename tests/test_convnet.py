"""Kernels have the stated law, the delta kernel is an isometry, J is the derivative."""

import pytest
import torch

from isolib import networks, spectra
from isolib.convnet import ConvNet, initial_kernels
from isolib.training import Sweep

D = torch.float64
KINDS = ["delta_orthogonal", "orthogonal", "gaussian"]


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=D, generator=torch.Generator().manual_seed(seed))


def test_it_is_found_where_the_other_networks_are():
    assert networks.ConvNet is ConvNet
    with pytest.raises(AttributeError, match="ConvNett"):
        networks.ConvNett  # noqa: B018


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_have_the_stated_variance(kind):
    c, variance = 30, 1.7
    w = initial_kernels(kind, 40, c, 3, variance=variance, seed=0, dtype=D)
    assert w.shape == (40, c, c, 3, 3)
    size = (w**2).sum((2, 3, 4)).mean()  # of a row; χ² with 40·30·270 degrees for Gaussian
    assert abs(size / variance - 1) < (5 * (2 / w.numel()) ** 0.5 if kind == "gaussian" else 1e-12)
    assert abs(w.mean()) < 5 * (variance / (c * 9) / w.numel()) ** 0.5
    share = (w**2).sum((0, 1, 2)) / (w**2).sum()
    uniform = torch.full((3, 3), 1 / 9, dtype=D)
    if kind == "delta_orthogonal":
        assert abs(share[1, 1] - 1) < 1e-13
        assert (w != 0).sum() == 40 * c * c
    else:
        assert torch.allclose(share, uniform, atol=5 * (2 / 9 / w.numel()) ** 0.5)


def test_orthogonal_means_orthonormal_rows_of_the_kernel_as_a_matrix():
    w = initial_kernels("orthogonal", 3, 6, 5, variance=2.0, seed=1, dtype=D).flatten(2)
    assert torch.allclose(w @ w.mT, 2 * torch.eye(6, dtype=D).expand(3, 6, 6), atol=1e-13)


def test_a_linear_delta_orthogonal_network_is_an_isometry():
    net = ConvNet(depth=40, channels=5, activation="linear", seed=0, dtype=D)
    s = spectra.singular_values(net, normal(2, 5, 4, 6))
    assert s.shape == (2, 120)
    assert (s - 1).abs().max() < 1e-12
    # and reading a kernel as a matrix is not enough
    net = ConvNet(depth=1, channels=5, activation="linear", weights="orthogonal", seed=0, dtype=D)
    s = spectra.singular_values(net, normal(1, 5, 4, 6))
    assert abs((s**2).mean() - 1) < 1e-12
    assert s.max() > 1.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", [1, 3])
def test_jacobian_is_the_derivative_of_the_hidden_block(kind, kernel):
    net = ConvNet(
        depth=4, channels=3, activation="tanh", sigma_w2=1.5, sigma_b2=0.1, weights=kind,
        kernel=kernel, seed=3, dtype=D,
    )  # fmt: skip
    x = normal(2, 3, 3, 4)
    oracle = torch.func.vmap(torch.func.jacrev(lambda v: net(v[None])[0].flatten()))(x)
    oracle = oracle.flatten(2)
    assert torch.allclose(net.jacobian(x), oracle, rtol=1e-11, atol=1e-13)
    assert torch.equal(net.jacobian(x, chunk=7), net.jacobian(x))


def test_jacobian_leaves_the_input_and_readout_layers_out():
    kwargs = dict(depth=3, channels=3, inputs=(2, 8, 6), stride=2, outputs=4, seed=4, dtype=D)
    net = ConvNet(**kwargs)
    x = normal(2, 2, 8, 6)
    assert net(x).shape == (2, 4)
    x0, xl = net.hidden(x)[0], net.hidden(x)[-1]
    assert x0.shape == xl.shape == (2, 3, 4, 3)
    assert torch.allclose(net(x), xl.mean((-2, -1)) @ net.weight_out.T)
    bare = ConvNet(depth=3, channels=3, dtype=D)
    bare.load_state_dict({k: net.state_dict()[k] for k in ("weight", "bias")})
    assert torch.allclose(net.jacobian(x), bare.jacobian(x0))
    assert spectra.jacobian(net, x).shape == (2, 36, 36)


def test_shifting_the_input_shifts_every_layer():
    net = ConvNet(depth=3, channels=4, weights="gaussian", sigma_b2=0.2, seed=5, dtype=D)
    x = normal(1, 4, 5, 5)
    here, there = net.hidden(x), net.hidden(x.roll((2, 1), (-2, -1)))
    for a, b in zip(here, there, strict=True):
        assert torch.allclose(a.roll((2, 1), (-2, -1)), b, atol=1e-13)


def test_networks_can_be_stacked():
    """A Sweep trains several at once and gets what each would get alone."""
    x, y = normal(40, 1, 6, 6).float(), torch.arange(40) % 3
    shape = dict(depth=3, channels=4, inputs=(1, 6, 6), stride=2, outputs=3)
    runs = [dict(shape, weights=k, seed=s, lr=0.1) for k in KINDS for s in (0, 1)]
    options = dict(steps=6, batch_size=10, log_points=3)
    together = Sweep(ConvNet, runs, x, y, **options).run()
    for run, history in zip(runs, together, strict=True):
        (alone,) = Sweep(ConvNet, [run], x, y, **options).run()
        assert abs(alone.loss - history.loss).max() < 1e-5


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(depth=0), "depth"),
        (dict(channels=2.5), "channels"),
        (dict(weights="delta"), "weights"),
        (dict(kernel=2), "odd"),
        (dict(sigma_w2=-1.0), "sigma_w2"),
        (dict(inputs=(1, 8)), "inputs"),
        (dict(inputs=64), "inputs"),
        (dict(stride=0), "stride"),
        (dict(outputs=0), "outputs"),
        (dict(activation="tahn"), "tanh"),
    ],
)
def test_bad_arguments_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        ConvNet(**{"depth": 2, "channels": 3, **change})


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 2, 4, 4), (1, 3, 2, 4), (3,)])
def test_inputs_of_the_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 3, h, w\)"):
        ConvNet(depth=1, channels=3)(torch.ones(shape))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 3, 9, 9\)"):
        ConvNet(depth=1, channels=2, inputs=(3, 9, 9))(torch.ones(shape))
