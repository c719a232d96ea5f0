"""Jacobians of our networks and of any other module, against explicit matrices."""

import numpy as np
import pytest
import torch
from torch import nn

from isolib.networks import MLP
from isolib.spectra import jacobian, singular_values

D = torch.float64


def test_our_network_gives_the_hidden_block():
    net = MLP(depth=3, width=8, inputs=5, outputs=2, seed=0, dtype=D)
    x = torch.randn(4, 5, dtype=D)
    j = jacobian(net, x)
    assert torch.equal(j, net.jacobian(x)) and j.dtype == D
    assert torch.equal(jacobian(net, x[0]), net.jacobian(x[:1]))
    assert torch.equal(jacobian(net, x.numpy()), j)


def test_linear_orthogonal_network_has_all_singular_values_one():
    net = MLP(depth=64, width=16, activation="linear", seed=0, dtype=D)
    s = singular_values(net, torch.ones(3, 16))
    assert s.shape == (3, 16) and torch.allclose(s, torch.ones_like(s), atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_any_module_output_against_input(shape):
    n_in, n_out = shape
    model = nn.Linear(n_in, n_out, dtype=D)
    x = torch.randn(5, n_in)
    j = jacobian(model, x, chunk=2)  # x is float32: cast to the model's dtype
    assert j.dtype == D and not j.requires_grad
    assert torch.allclose(j, model.weight.expand(5, n_out, n_in))
    s = singular_values(model, x)
    assert s.shape == (5, 3) and torch.allclose(s, torch.linalg.svdvals(model.weight))
    assert (s.diff(dim=1) <= 0).all()


def test_images_are_flattened():
    model = nn.Conv2d(1, 2, 3, padding=1, dtype=D)
    x = torch.randn(2, 1, 4, 4, dtype=D)
    j = jacobian(model, x)
    assert j.shape == (2, 32, 16)
    output = (model(x) - model.bias[:, None, None]).reshape(2, 32, 1)  # affine: J x is the rest
    assert torch.allclose(j @ x.reshape(2, 16, 1), output)


def test_modes_are_restored_and_dropout_and_batch_norm_are_off():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    model[2].eval()
    j = jacobian(model, torch.randn(3, 4))
    assert torch.allclose(j, model[0].weight.expand(3, 4, 4) / (1 + 1e-5) ** 0.5)
    assert model.training and model[1].training and not model[2].training
    assert model[1].num_batches_tracked == 0
    assert all(p.grad is None for p in model.parameters())


class Branch(nn.Module):
    """Data-dependent control flow, which vmap refuses."""

    def forward(self, x):
        return 2 * x if x.sum() > 0 else 3 * x


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Flat(nn.Module):
    def forward(self, x):
        return x.sum()


def test_what_cannot_be_vectorised_goes_row_by_row():
    j = jacobian(Branch(), torch.stack([torch.ones(3), -torch.ones(3)]))
    assert torch.equal(j, torch.eye(3) * torch.tensor([2.0, 3.0])[:, None, None])


def test_half_precision_singular_values():
    net = MLP(depth=2, width=8, activation="linear", seed=0, dtype=torch.bfloat16)
    s = singular_values(net, torch.ones(1, 8))
    assert s.dtype == torch.float32 and torch.allclose(s, torch.ones_like(s), atol=0.05)


def test_too_large_says_how_large():
    net = MLP(depth=1, width=64, seed=0)
    x = torch.ones(100, 64)
    with pytest.raises(ValueError, match=r"\(100, 64, 64\) would take 0.00153 GiB.*max_bytes"):
        jacobian(net, x, max_bytes=10**6)
    assert singular_values(net, x, max_bytes=10**5).shape == (100, 64)  # in pieces
    with pytest.raises(ValueError, match=r"\(1, 64, 64\) would take"):
        singular_values(net, x, max_bytes=10**4)
    with pytest.raises(ValueError, match="would take 1.02e\\+03 GiB"):  # before any work
        jacobian(nn.Upsample(size=(2**19,)), torch.ones(1, 1, 2**19))


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        (lambda x: x, torch.ones(2, 3), "model must be a torch.nn.Module"),
        (nn.Linear(3, 3), torch.ones(2, 3, dtype=torch.int64), "floating point.*int64"),
        (nn.Linear(3, 3), torch.ones(0, 3), r"batch > 0, got \(0, 3\)"),
        (nn.Linear(3, 3), torch.tensor(1.0), r"got \(\)"),
        (nn.Linear(3, 3), np.array([[1.0, np.nan, 2.0]]), "x must be finite"),
        (Pair(), torch.ones(2, 3), "one tensor, got tuple"),
        (Flat(), torch.ones(2, 3), "must map a batch to a batch"),
        (MLP(depth=1, width=4), torch.ones(2, 3), r"x must have shape \(batch, 4\)"),
    ],
)
def test_bad_input(model, x, message):
    for f in (jacobian, singular_values):
        with pytest.raises(ValueError, match=message):
            f(model, x)


def test_a_module_that_brings_its_own_jacobian():
    class Own(nn.Module):
        def jacobian(self, x):
            return torch.arange(6.0).reshape(2, 3).expand(len(x), 2, 3)

    assert jacobian(Own(), torch.ones(4, 5)).shape == (4, 2, 3)
    s = singular_values(Own(), torch.ones(4, 5), max_bytes=30)  # one at a time
    assert torch.allclose(s, torch.linalg.svdvals(torch.arange(6.0).reshape(2, 3)))
    with pytest.raises(ValueError, match=r"\(4, 2, 3\) would take"):
        jacobian(Own(), torch.ones(4, 5), max_bytes=95)
    assert jacobian(Own(), torch.ones(4, 5), max_bytes=96).shape == (4, 2, 3)  # 24 numbers of 4
