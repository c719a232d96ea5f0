"""The law of J Jᵀ of feedforward networks: two moments, mass, edges, and networks of width 200.

The moments are those of chapter 6, χ^L and χ^{2L} L(μ₂/μ₁² − 1 − s₁), with μ_k computed by
Gaussian quadrature: another route than the law's own.
"""

import numpy as np
import pytest
import torch

from isolib import activations, meanfield, spectra
from isolib.gaussian import gaussian_mean
from isolib.networks import MLP

DEPTHS = (1, 2, 10, 50, 200)
LENGTHS = (0.05, 1.0)


def slope_moments(name, q):
    """μ₁ and μ₂ of φ'², by quadrature."""
    act = activations.get(name)
    return [gaussian_mean(lambda u, k=k: act.slope(u) ** k, q, act.kinks) for k in (2, 4)]


def mass(law, depth):
    """Atoms and continuous part together; the law of one layer knows its own distribution."""
    if depth == 1:
        return float(law.cdf(law._range()[1]))
    continuous = law._quadrature[1].sum() if law.support() else 0.0
    return continuous + sum(weight for _, weight in law.atoms())


@pytest.mark.parametrize("q", LENGTHS)
@pytest.mark.parametrize("weights", ["orthogonal", "gaussian"])
@pytest.mark.parametrize("name", activations.NAMES)
def test_mean_variance_and_mass(name, weights, q):
    mu1, mu2 = slope_moments(name, q)
    chi = 1.02  # off criticality, so that powers of χ show; at L = 200, χ^L = 52
    for depth in DEPTHS:
        law = spectra.feedforward(name, depth, chi / mu1, q, weights)
        relative = depth * (mu2 / mu1**2 - 1 + (weights == "gaussian"))
        assert law.mean == pytest.approx(chi**depth, rel=1e-10)
        assert law.variance == pytest.approx(
            chi ** (2 * depth) * relative, rel=1e-8, abs=1e-10 * chi ** (2 * depth)
        )
        assert mass(law, depth) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("p", [0.5, 0.9, 0.99])
def test_edges_of_networks_with_on_off_slopes(p, depth):
    """Orthogonal: an atom at σ_w^{2L} while L(1−p) < 1, then only the edge; Gaussian: the edge."""
    from scipy.special import erfinv

    q = 1 / (2 * erfinv(p) ** 2)  # hard tanh: p = erf(1/√(2q))
    law = spectra.feedforward("hard_tanh", depth, 1 / p, q)
    if depth > 1:
        edge = (1 - p) / p * depth * (depth / (depth - 1)) ** (depth - 1)
        assert law.edges()[-1] == pytest.approx(edge, rel=1e-8)
    top = [(x, w) for x, w in law.atoms() if x > 0]
    if depth * (1 - p) < 1 - 1e-9:
        assert top == [pytest.approx((p**-depth, 1 - depth * (1 - p)), rel=1e-8)]
    elif depth * (1 - p) > 1 + 1e-9:
        assert not top
    z = (1 - depth + np.sqrt((depth - 1) ** 2 + 4 * depth * p)) / (2 * depth)
    edge = (1 + z) / z * (1 + z / p) ** depth
    law = spectra.feedforward("hard_tanh", depth, 1 / p, q, "gaussian")
    assert law.edges()[-1] == pytest.approx(edge, rel=1e-8)


@pytest.mark.parametrize(
    "name, weights, depth, q, tolerance",
    [
        ("linear", "gaussian", 10, 1.0, 0.04),  # (2 + ln N)/N = 0.036: nothing fluctuates but W
        # the share of zeros is that of the worst of the masks, each of deviation √(1/4N) = 0.035
        ("relu", "orthogonal", 10, 1.0, 0.14),
        ("relu", "gaussian", 10, 1.0, 0.14),
        # L masks of deviation √(p(1 − p)/N) = 0.011 add up in the atom at σ_w^{2L}
        ("hard_tanh", "orthogonal", 4, 0.2, 4 * 0.011 * 2),
        ("tanh", "orthogonal", 10, 0.05, 0.12),  # the length, and with it the scale, fluctuates
        ("tanh", "gaussian", 10, 0.05, 0.08),
        ("erf", "orthogonal", 10, 0.05, 0.12),
        ("selu", "orthogonal", 10, 0.2, 0.08),
    ],
)
def test_networks_of_width_200(name, weights, depth, q, tolerance):
    w2, b2 = meanfield.critical_point(name, q)
    net = MLP(depth=depth, width=200, activation=name, sigma_w2=w2, sigma_b2=b2, weights=weights,
              seed=3, dtype=torch.float64)  # fmt: skip
    x = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    x *= np.sqrt((q - b2) / w2) / x.square().mean().sqrt()
    e = spectra.singular_values(net, x)[0].numpy() ** 2
    e[e < 1e-24 * e[0]] = 0  # a zero is computed as 1e-16 s_max; what is small is not a zero
    law = spectra.feedforward(name, depth, w2, q, weights)
    atoms = [place for place, _ in law.atoms() if place > 0]
    for place in atoms:
        e[abs(e / place - 1) < 1e-9] = place
    found = spectra.compare(law, e, atom_tol=1e-15)
    assert found.ks < tolerance, str(found)
    # s_max of one matrix of size 200 against its edge
    assert abs(np.sqrt(e[0] / max([law.edges()[-1], *atoms])) - 1) < 0.3, str(found)
