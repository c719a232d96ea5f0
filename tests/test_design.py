"""`spectra.design`: the choice of q, the words it finds, and the code it prints."""

import numpy as np
import pytest
import torch

from isolib import _design, activations, meanfield, spectra
from isolib.activations import Activation
from isolib.spectra import compare, design


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "hard_tanh", "gelu", "elu"])
def test_the_variance_is_the_target_on_the_critical_line(name):
    d = design(name, 20, variance=0.5)
    assert np.isclose(d.law.variance, 0.5, rtol=1e-6) and np.isclose(d.law.mean, 1, rtol=1e-9)
    assert np.allclose(meanfield.critical_point(name, d.q), (d.sigma_w2, d.sigma_b2))
    assert d.weights == "orthogonal" and 1 < d.s_max < 2.5


def test_q_is_the_largest_that_will_do():
    d = design("tanh", 100)
    w = meanfield.critical_point("tanh", 1.001 * d.q)[0]
    assert spectra.feedforward("tanh", 100, w, 1.001 * d.q).variance > 0.25
    assert np.isclose(d.q, np.sqrt(0.25 / 800), rtol=0.15)  # σ₀² ≈ 8 L q², to leading order


def test_an_atom_on_top_counts_as_the_largest_singular_value():
    d = design("hard_tanh", 50)
    (place, weight) = d.law.atoms()[-1]
    assert weight > 0.5 and np.isclose(d.s_max, np.sqrt(place))
    assert np.isclose(d.s_max**2, d.sigma_w2**50)


def test_linear_is_isometric_at_the_cap():
    d = design("linear", 500)
    assert (d.q, d.sigma_w2, d.sigma_b2, d.s_max, d.warnings) == (1.0, 1.0, 0.0, 1.0, [])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("relu", "the slope of relu jumps at 0, and a layer keeps a relative variance of 1 "),
        ("leaky_relu", "jumps at 0"),
        ("selu", "jumps at 0, and a layer keeps a relative variance of 0.224"),
        ("sigmoid", r"no critical point at small q, because phi\(0\) = 0.5"),
    ],
)
def test_where_isometry_is_out_of_reach_it_says_why(name, words):
    d = design(name, 20)
    assert d.law.variance > 2
    with pytest.raises(AssertionError, match=words):  # match is a search
        raise AssertionError(d.warnings[0])


def test_no_critical_point_at_all_is_an_error():
    with pytest.raises(ValueError, match="softplus has no critical point at any q"):
        design("softplus", 20)


def test_a_slope_near_one_helps_the_leaky_relu():
    d = design(activations.get("leaky_relu", alpha=0.95), 20)
    assert not any("cannot" in text for text in d.warnings) and d.law.variance < 0.06


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tahn", 10), "Did you mean 'tanh'"),
        (("tanh", 0), "depth must be"),
        (("tanh", 2.5), "depth must be"),
        (("tanh", 10, "transformer"), "architecture must be"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        design(*arguments)


@pytest.mark.parametrize("name", ["linear", "relu", "selu", "tanh", "sigmoid"])
def test_a_residual_network_has_the_law_it_was_designed_for(name):
    """N = 300, L = 50: 1/L from the limit; one singular value of ReLU stands apart."""
    depth, width, c = 50, 300, 0.2
    d, scope = design(name, depth, "residual", variance=2 * c), {}
    assert np.isclose(d.law.variance / d.law.mean**2, 2 * c) and np.isclose(d.law.mean, np.exp(c))
    assert np.isclose(meanfield.effective_cumulant(name, depth, d.sigma_w2, q1=d.q), c, rtol=1e-8)
    exec(d.code, scope)
    torch.manual_seed(0)
    net = scope["Stack"](width).double()
    x = torch.randn(width, dtype=torch.float64)
    x = (x - x.mean()) / x.std()
    s = torch.linalg.svdvals(torch.autograd.functional.jacobian(net, x)).numpy()
    assert compare(d.law.singular_values(), s).ks < (2 + np.log(width)) / width + 1 / depth
    leaves = [text for text in d.warnings if "leaves the law" in text]
    assert bool(leaves) == (name == "relu") == (s[0] > 1.3 * d.s_max)
    assert s[1] < 1.1 * d.s_max


def test_a_residual_cumulant_out_of_reach():
    flat = Activation("flat", lambda h: 0 * h, lambda h: 0 * h)
    with pytest.raises(ValueError, match="is not reached"):
        design(flat, 10, "residual")


@pytest.mark.parametrize("variance", [0, -1, np.nan, np.inf, "a lot"])
def test_bad_variance(variance):
    with pytest.raises(ValueError, match="variance"):
        design("tanh", 10, variance=variance)


OWN = Activation("own", lambda x: x / (1 + x**2) ** 0.5, lambda x: (1 + x**2) ** -1.5)


@pytest.mark.parametrize("activation", ["tanh", "hard_tanh", "gelu", "leaky_relu", "elu", OWN])
def test_the_printed_code_runs_and_has_the_predicted_spectrum(activation):
    depth, width = 12, 200
    d = design(activation, depth)
    scope = {}
    exec(d.code, scope)
    torch.manual_seed(0)
    phi = {"phi": OWN.phi} if activation is OWN else {}
    assert (d.warnings != [] and "hand it to Stack" in d.warnings[-1]) == bool(phi)
    net = scope["Stack"](width, **phi).double()
    assert len(net.layers) == depth
    x = torch.randn(width, dtype=torch.float64)
    x *= ((d.q - d.sigma_b2) / d.sigma_w2 / x.square().mean()).sqrt()
    j = torch.autograd.functional.jacobian(net, x)
    s2 = torch.linalg.svdvals(j).numpy() ** 2
    found = compare(d.law, s2, atom_tol=1e-4)  # float32
    # the mean square of the N slopes of a layer fluctuates, in L layers by √(L v/N) in all
    spread = np.sqrt(d.law.variance / width)
    assert abs(np.log(s2.mean())) < 4 * spread
    assert found.ks < (2 + np.log(width)) / width + 3 * spread


@pytest.mark.parametrize("name", activations.NAMES)
def test_the_printed_code_knows_every_name(name):
    act, x = activations.get(name), torch.linspace(-5, 5, 101, dtype=torch.float64)
    try:
        found = eval(_design._phi(act), {"torch": torch, "nn": torch.nn})(x)
    except (AttributeError, TypeError) as error:
        pytest.fail(f"{error}: say in _TORCH of {_design.__file__} how torch writes {name}")
    assert torch.allclose(found, act.phi(x), atol=1e-12)


def test_the_least_variance_of_a_sigmoid_is_where_its_critical_line_begins():
    d = design("sigmoid", 20)
    assert 0 <= d.sigma_b2 < 1e-6 * d.q  # a shorter length would need a negative one
    with pytest.raises(ValueError, match="sigma_b2 would be"):
        meanfield.critical_point("sigmoid", 0.999 * d.q)
    assert spectra.layer_variance("sigmoid", d.q) < spectra.layer_variance("sigmoid", 1.01 * d.q)
