"""The flow of SO, the decay, and the operator of a kernel against its dense matrix."""

import numpy as np
import pytest
import torch

from isolib import orthogonality, soft
from isolib.convnet import ConvNet, initial_kernels


def kernels(kind="gaussian", count=1, channels=4, seed=0):
    return initial_kernels(kind, count, channels, seed=seed, dtype=torch.float64)


def test_the_flow_solves_its_equation():
    s, t, lam, h = np.array([0.01, 0.5, 1.0, 3.0]), 0.3, 0.7, 1e-6
    slope = (soft.so_flow(s, t + h, lam) - soft.so_flow(s, t - h, lam)) / (2 * h)
    now = soft.so_flow(s, t, lam)
    assert np.allclose(slope, -4 * lam * now * (now**2 - 1), rtol=1e-6, atol=1e-8)
    assert np.array_equal(soft.so_flow([0.0, 2.0], 0.0), [0.0, 2.0])


def test_operator_singular_values_are_those_of_the_dense_matrix():
    w = kernels()[0]
    net = ConvNet(depth=1, channels=4, activation="linear", dtype=torch.float64)
    net.weight.data = w[None]
    dense = torch.linalg.svdvals(net.jacobian(torch.ones(1, 4, 6, 6))[0])
    assert torch.allclose(soft.conv_singular_values(w, 6), dense, atol=1e-12)


@pytest.mark.parametrize("n", [5, 6, 9])
def test_operator_penalty_is_the_same_on_every_grid(n):
    w = kernels()[0]
    s = soft.conv_singular_values(w, n)
    assert torch.isclose(((s**2 - 1) ** 2).sum() / n**2, soft.conv_so(w), rtol=1e-12)


def test_stacks_and_isometries():
    stack = kernels("delta_orthogonal", 3)
    assert soft.conv_so(stack).shape == (3,) and soft.conv_so(stack).max() < 1e-24
    shell = kernels("orthogonal", 3)
    assert orthogonality.so(shell.flatten(2).mT).max() < 1e-24
    assert soft.conv_so(shell).min() > 1  # orthogonal as matrices, not as operators
    assert soft.conv_singular_values(shell, 5).shape == (3, 100)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="kernel must have shape"):
        soft.conv_blocks(torch.ones(2, 2, 3, 3), 2)
    with pytest.raises(ValueError, match="kernel must have shape"):
        soft.conv_so(torch.ones(3, 3))
    with pytest.raises(ValueError, match=r"kernel must have shape.*\(2, 2, 3, 5\)"):
        soft.conv_so(torch.ones(2, 2, 3, 5))
    for function in (soft.conv_so, lambda w: soft.conv_singular_values(w, 5)):
        with pytest.raises(ValueError, match="kernel must be finite"):
            function(torch.full((2, 2, 3, 3), torch.nan))
    with pytest.raises(ValueError, match="s must hold"):
        soft.so_flow([-1.0], 1.0)
    with pytest.raises(ValueError, match="strength"):
        soft.decayed(-1.0, 0, 10)
    with pytest.raises(ValueError, match="steps"):
        soft.decayed(1.0, 0, 0)
