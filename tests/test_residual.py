"""Residual networks: lengths, c, the layer's law, and the network they speak of."""

import math

import numpy as np
import pytest
import torch

from isolib import activations, ensembles, laws, meanfield, networks, spectra
from isolib.residual import residual_outlier

NAMES = ["linear", "leaky_relu", "relu", "selu", "tanh", "hard_tanh", "sigmoid"]


def test_lengths_in_closed_form():
    """Linear: a factor a² + σ_w²/L a layer. ReLU: E φ = √(q/2π), E φ² = q/2."""
    q = meanfield.residual_lengths("linear", 30, 2.0, q1=0.7, a=0.9)
    assert q == pytest.approx(0.7 * (0.81 + 2 / 30) ** np.arange(30), rel=1e-12)
    lengths, w, m, q = [], 0.5 / 20, 0.3, 1.0
    for _ in range(20):
        lengths.append(q)
        first = math.sqrt(q / (2 * math.pi))
        q, m = q + w * (q / 2 + 2 * m * first), m + first
    got = meanfield.residual_lengths("relu", 20, 0.5, q1=1.0, mean=0.3)
    assert got == pytest.approx(lengths, rel=1e-11)


def test_the_published_form_of_the_cross_term():
    """2 (σ_w²/L) Σ_k a^k E φ(h^{l−k}) E φ(h^l), k = 1 … l − 1, for an input of mean zero."""
    a, w, b, depth = 0.95, 0.8, 0.1, 12
    q = meanfield.residual_lengths("selu", depth, w, b, 1.3, a)
    act = meanfield.activations.get("selu")
    mean = [meanfield.gaussian_mean(act.phi, v, act.kinks) for v in q]
    for i in range(depth - 1):  # i = l − 1
        square = meanfield.gaussian_mean(lambda h: act.phi(h) ** 2, q[i], act.kinks)
        cross = 2 * sum(a**k * mean[i - k] * mean[i] for k in range(1, i + 1))
        want = a**2 * q[i] - (a**2 - 1) * b + w / depth * (square + cross)
        assert q[i + 1] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_lengths_and_c_of_a_network(name):
    """N = 1000, L = 20, 6 seeds: one length scatters by about √(2/N) = 4.5 %, more with depth."""
    depth, n, w = 20, 1000, 0.5
    q = meanfield.residual_lengths(name, depth, w, q1=1.0, mean=1.0)
    c = meanfield.effective_cumulant(name, depth, w, q1=1.0, mean=1.0)
    seen, slopes = [], []
    for seed in range(6):
        net = networks.ResidualMLP(depth=depth, width=n, activation=name, sigma_w2=w, seed=seed,
                                   weights="gaussian", dtype=torch.float64)  # fmt: skip
        x = torch.randn(n, generator=torch.Generator().manual_seed(99 + seed), dtype=torch.float64)
        x = 1 + (x - x.mean()) * ((depth / w - 1) / x.var(correction=0)) ** 0.5
        h = torch.stack(net.preactivations(x)).detach()
        seen.append((h**2).mean(1).numpy())
        slopes.append(w * float((net.activation.slope(h) ** 2).mean()))
    error = np.std(seen, axis=0) / math.sqrt(5)
    assert (abs(np.mean(seen, axis=0) - q) < 5 * error + 0.01 * q).all()
    assert np.mean(slopes) == pytest.approx(c, rel=0.03)


@pytest.mark.parametrize("branch", ["plain", "centred", "signed", "mixed"])
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_the_jacobian_is_that_of_autograd(branch, weights):
    net = networks.ResidualMLP(depth=5, width=7, activation="selu", sigma_w2=3.0, sigma_b2=0.2,
                               weights=weights, a=0.8, branch=branch, inputs=4, outputs=3,
                               seed=1, dtype=torch.float64)  # fmt: skip
    x = torch.randn(2, 4, dtype=torch.float64)
    j = net.jacobian(x)
    for i in range(2):
        x0 = net.hidden(x[i])[0]

        def block(x):
            return list(net._layers(x))[-1][1]

        assert torch.allclose(j[i], torch.autograd.functional.jacobian(block, x0), atol=1e-12)
    out = net.hidden(x)[-1]
    assert torch.allclose(net(x), out @ net.weight_out.T + net.bias_out)


def test_weights_are_those_of_an_mlp_over_the_root_of_the_depth():
    shape = dict(depth=9, width=6, sigma_w2=2.0, weights="orthogonal", seed=3)
    plain, res = networks.MLP(**shape), networks.ResidualMLP(**shape)
    assert torch.allclose(plain.weight, 3 * res.weight)


@pytest.mark.parametrize("a", [1.0, 0.8, -1.2])  # 0.8² is just above, at and below the v
@pytest.mark.parametrize("v", [0.01, 0.5, 0.64, 0.66, 4.0])
def test_one_layer(a, v):
    """KS of one 600 × 600 matrix: (2 + ln N)/N; moments by the free cumulants of a 1 + X."""
    n, rng = 600, np.random.default_rng(0)
    y = a * np.eye(n) + math.sqrt(v / n) * rng.standard_normal((n, n))
    law = spectra.residual_layer(v, a)
    seen = np.linalg.svd(y, compute_uv=False) ** 2
    assert spectra.compare(law, seen).ks < (2 + math.log(n)) / n
    assert law.mean == pytest.approx(a**2 + v, rel=1e-12)
    assert law.variance == pytest.approx(2 * a**2 * v + v**2, rel=1e-10)
    assert law.cdf(law.edges()[-1] * 2) == pytest.approx(1, abs=1e-7)


def test_the_limit_and_how_fast_it_is_reached():
    """Edges of the finite law come to those of the limit like 1/L."""
    limit = spectra.residual(0.5).edges()[-1]
    gap = [limit - (spectra.residual_layer(0.5 / n) ** n).edges()[-1] for n in (50, 100, 200, 400)]
    assert all(1.9 < a / b < 2.1 for a, b in zip(gap, gap[1:], strict=False))
    for a in (0.9, 1.1):
        finite = spectra.residual_layer(0.5 / 2000, a) ** 2000
        # c/(L a²) each: the first order in 1/L of c is what differs
        want = spectra.residual(0.5, a, depth=2000)
        assert finite.edges() == pytest.approx(want.edges(), rel=2e-3)


@pytest.mark.parametrize("weights", ["delta_orthogonal", "gaussian"])
def test_the_convolutional_jacobian_is_that_of_autograd(weights):
    net = networks.ResidualConvNet(depth=4, channels=3, activation="selu", sigma_w2=3.0, a=0.8,
                                   sigma_b2=0.2, weights=weights, inputs=(2, 6, 6), stride=2,
                                   outputs=5, seed=1, dtype=torch.float64)  # fmt: skip
    x = torch.randn(2, 2, 6, 6, dtype=torch.float64)
    block = networks.ResidualConvNet(depth=4, channels=3, activation="selu", a=0.8)
    block = block.double()
    block.load_state_dict({"weight": net.weight, "bias": net.bias})
    for x0, j in zip(net.hidden(x)[0], net.jacobian(x, chunk=10), strict=True):
        exact = torch.autograd.functional.jacobian(lambda y: block(y[None])[0], x0)
        assert torch.allclose(j, exact.reshape(27, 27), atol=1e-12)


@pytest.mark.parametrize("weights", ["delta_orthogonal", "gaussian"])
def test_the_law_of_a_residual_convolution(weights):
    """64 channels on 3 × 3 positions; 64 neurons are independent, hence (2 + ln 64)/64."""
    net = networks.ResidualConvNet(depth=50, channels=64, sigma_w2=0.5, weights=weights, seed=0)
    x = torch.randn(2, 64, 3, 3, generator=torch.Generator().manual_seed(1))
    c = meanfield.effective_cumulant("tanh", 50, 0.5, q1=0.5 / 50)
    seen = spectra.singular_values(net, x) ** 2
    assert spectra.compare(spectra.residual(c), seen.numpy()).ks < (2 + math.log(64)) / 64


@pytest.mark.parametrize("name", ["linear", "relu", "selu", "tanh", "sigmoid"])
def test_the_weights_that_give_a_wanted_c(name):
    for c, square in [(0.05, 1.0), (1.0, 0.3)]:
        w = meanfield.cumulant_sigma_w2(name, 20, c, mean_square=square)
        got = meanfield.effective_cumulant(name, 20, w, q1=w * square / 20)
        assert got == pytest.approx(c, rel=1e-8)
    flat = activations.Activation("flat", lambda h: 0 * h, lambda h: 0 * h)
    with pytest.raises(ValueError, match="not reached by"):
        meanfield.cumulant_sigma_w2(flat, 20, 0.5)


def test_bad_input():
    good = dict(activation="relu", depth=10, sigma_w2=0.5)
    for wrong, words in [
        (dict(depth=0), "depth"), (dict(sigma_w2=0.0), "sigma_w2"), (dict(q1=-1.0), "q1"),
        (dict(sigma_b2=-1.0), "sigma_b2"), (dict(a=0.0), "a must not be 0"),
        (dict(sigma_b2=2.0), "q1 must be at least sigma_b2"), (dict(mean=9.0), "mean"),
        (dict(mean=math.nan), "mean"), (dict(activation="relo"), "relu"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            meanfield.effective_cumulant(**{**good, **wrong})
    with pytest.raises(ValueError, match="overflow at layer"):
        meanfield.residual_lengths("linear", 1000, 1.0, a=3.0)
    with pytest.warns(UserWarning, match=r"c = 50.*L = 100"):
        assert meanfield.effective_cumulant("relu", 100, 100.0) == pytest.approx(50)
    for call, words in [
        (lambda: spectra.residual(-0.1), "c must be at least 0"),
        (lambda: spectra.residual(0.5, 0.9), "needs a depth"),
        (lambda: spectra.residual(0.5, 0.0), "a must not be 0"),
        (lambda: spectra.residual(0.5, 2.0, depth=10_000), "out of range"),
        (lambda: spectra.residual(0.5, depth=0), "depth"),
        (lambda: spectra.residual_layer(0.0), "v must be positive"),
        (lambda: networks.ResidualMLP(depth=2, width=3, branch="plan"), "plain"),
        (lambda: networks.ResidualMLP(depth=2, width=3, a=0), "a must not be 0"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize(("a", "c", "depth"), [(1, 0.5, 1), (0.9, 0.5, 3), (-1, 2, 8), (1, 1.9, 2),
                                               (1, 2, 2), (0.7, 9, 3)])  # fmt: skip
def test_orthogonal_layers(a, c, depth):
    """Against a matrix of 300: (2 + ln N)/N; also where v = a² and where v > a²."""
    n, j = 300, np.eye(300)
    for q in ensembles.haar_orthogonal(n, batch=depth, seed=1):
        j = a * j + math.sqrt(c / depth) * q @ j
    law = spectra.residual_layer(c / depth, a, weights="orthogonal") ** depth
    seen = np.linalg.svd(j, compute_uv=False) ** 2
    assert spectra.compare(law, seen).ks < (2 + math.log(n)) / n
    assert law.mean == pytest.approx((a**2 + c / depth) ** depth, rel=1e-12)
    assert law.cdf(law.edges()[-1] * 2) == pytest.approx(1, abs=1e-7)


def test_an_orthogonal_layer_is_two_coins_and_a_point():
    """The arcsine law is that of a free sum of two fair coins ±a√v; S by the generic route."""
    v, a = 0.3, 0.8
    layer = spectra.residual_layer(v, a, weights="orthogonal")
    coin = laws.Atoms([-a * math.sqrt(v), a * math.sqrt(v)], [0.5, 0.5])
    same = laws.PointMass(a**2 + v) + coin + coin
    assert layer.moments(6) == pytest.approx(same.moments(6), rel=1e-10)
    z = np.array([-0.7, -0.2, 0.3 - 0.2j])
    s = (2 + z) / (
        (a * a + v) * (1 + z) + np.sqrt((a * a - v) ** 2 + 4 * a * a * v * (1 + z) ** 2)
    )
    assert layer.s_transform(z) == pytest.approx(s, rel=1e-10)
    assert layer.quantile(0.5) == pytest.approx(a**2 + v)
    assert spectra.residual_layer(v, 0.0, weights="orthogonal").atoms() == [(v, 1.0)]
    with pytest.raises(ValueError, match="gaussian"):
        spectra.residual_layer(v, a, weights="haar")


def test_the_outlier_grows_as_its_exponent_says():
    """ReLU, input mean t₀: ½(1+t₀)e^{2σ√(L/2π)}, low by O(1/√L); none for odd φ."""
    depth, n = 100, 300
    x = torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x - x.mean()) / x.std(correction=0) * (depth / 0.5) ** 0.5
    net = networks.ResidualMLP(depth=depth, width=n, activation="relu", sigma_w2=0.5, seed=0,
                               weights="gaussian", dtype=torch.float64)  # fmt: skip
    s = spectra.singular_values(net, x)[0].numpy()
    want = 0.5 * math.exp(2 * math.sqrt(0.5 * depth / (2 * math.pi)))
    assert s[0] ** 2 == pytest.approx(want, rel=0.25)
    assert s[1] ** 2 < 1.05 * spectra.residual(0.25).edges()[-1]
    growth = [2 * np.dot(*residual_outlier("relu", k, 0.5)) for k in (400, 1600)]
    assert growth[1] - growth[0] == pytest.approx(
        2 * math.sqrt(0.5 / (2 * math.pi)) * 20, rel=0.01
    )
    t, beta = residual_outlier("tanh", 50, 0.5, mean=3.0)
    assert abs(beta).max() < 1e-12 and t[0] == pytest.approx(0.3)  # ⟨x⁰²⟩ = L/σ_w² = 100


@pytest.mark.parametrize("square", [0.25, 4.0])
def test_the_mean_is_at_most_the_root_mean_square(square):
    for mean in (math.sqrt(square), -0.95 * math.sqrt(square)):
        assert meanfield.residual_lengths("tanh", 2, 2.0, 0.0, square, mean=mean)[0] == square
    with pytest.raises(ValueError, match=rf"mean² ≤ ⟨x⁰²⟩ = {square:g}, got"):
        meanfield.residual_lengths("tanh", 2, 2.0, 0.0, square, mean=1.05 * math.sqrt(square))


def test_the_warning_is_about_c_over_a_squared(recwarn):
    # ReLU: c = σ_w²/2, and λ_max depends on c/a², which is 24, then 26
    assert meanfield.effective_cumulant("relu", 5, 192.0, a=2.0) == pytest.approx(96)
    assert not recwarn
    with pytest.warns(UserWarning, match=r"c = 104.*e\^26"):
        meanfield.effective_cumulant("relu", 5, 208.0, a=2.0)


def test_what_drives_the_outlier_of_relu():
    # E[z φ'] = 1/√(2π), and at the first layer an input of mean m has t = m/rms x
    t, beta = residual_outlier("relu", 8, 0.5, q1=0.25, mean=1.0)
    np.testing.assert_allclose(beta, math.sqrt(0.5 / 8 / (2 * math.pi)))
    assert t[0] == pytest.approx(0.5) and (np.diff(t) > 0).all() and t[-1] < 1  # rms x = 2
    assert residual_outlier("relu", 8, 0.5)[0][0] == 0
