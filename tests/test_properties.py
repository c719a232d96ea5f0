"""Properties: what must hold whatever the arguments, on arguments that hypothesis draws.

The right-hand sides are formulas of free probability and of calculus, worked out here without the
library: noncrossing partitions one by one, Gaussian moments, singular values.
"""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isolib import meanfield, orthogonality, residual, soft, spectra, stiefel
from isolib.gaussian import gaussian_mean, pair_mean
from isolib.laws import Atoms, Bernoulli, Law, MarchenkoPastur, MultiplicativeBrownian, Semicircle

FEW = settings(max_examples=8, deadline=None, derandomize=True, database=None)
SOME = settings(max_examples=25, deadline=None, derandomize=True, database=None)

LEVELS = np.array([0.004, 0.03, 0.17, 0.34, 0.5, 0.66, 0.83, 0.97, 0.996])


# ---- laws -----------------------------------------------------------------------------------
@st.composite
def atoms(draw):
    """Two or three atoms on (0, 3], a fifth apart at least, none lighter than a tenth."""
    places = draw(st.lists(st.integers(1, 15), min_size=2, max_size=3, unique=True))
    weights = np.array(draw(st.lists(st.integers(2, 10), min_size=3, max_size=3)))[: len(places)]
    return Atoms(np.array(places) / 5, weights / weights.sum())


positive = st.one_of(
    atoms(),
    st.builds(MarchenkoPastur, st.sampled_from([0.2, 0.7, 1.0, 2.5]), st.floats(0.3, 2)),
    st.builds(Bernoulli, st.sampled_from([0.25, 0.4, 0.8])),
    st.builds(MultiplicativeBrownian, st.floats(0.1, 0.8)),
)
real = st.one_of(positive, st.builds(Semicircle, st.floats(0.3, 2)))


def noncrossing(n):
    """The partitions of 1 … n without a crossing a < b < c < d, a and c in one block, b and d in
    another: blocks as sorted tuples."""

    def partitions(rest):
        if not rest:
            yield []
            return
        first, others = rest[0], rest[1:]
        for size in range(len(others) + 1):
            for mates in combinations(others, size):
                left = [k for k in others if k not in mates]
                for more in partitions(left):
                    yield [(first, *mates), *more]

    def crosses(p, q):
        return any(a < b < c < d for a, c in combinations(p, 2) for b, d in combinations(q, 2))

    for blocks in partitions(list(range(1, n + 1))):
        if not any(crosses(p, q) for p in blocks for q in blocks if p != q):
            yield blocks


def kreweras(blocks, n):
    """The complement: the coarsest partition of points 1' … n' after 1 … n that crosses none."""
    best = None
    for other in noncrossing(n):
        both = [tuple(2 * k for k in b) for b in blocks] + [
            tuple(2 * k + 1 for k in b) for b in other
        ]
        bad = any(
            a < b < c < d
            for p in both for q in both if p != q
            for a, c in combinations(p, 2) for b, d in combinations(q, 2)
        )  # fmt: skip
        if not bad and (best is None or len(other) < len(best)):
            best = other
    return best


NC = {n: [(p, kreweras(p, n)) for p in noncrossing(n)] for n in range(1, 5)}


def product_over(blocks, values):
    return math.prod(values[len(b) - 1] for b in blocks)


def cumulants(m):
    """Free cumulants from m_n = Σ over noncrossing partitions of Π κ_|block| (Speicher)."""
    kappa = []
    for n in range(1, len(m) + 1):
        kappa.append(m[n - 1] - sum(product_over(p, kappa) for p, _ in NC[n] if len(p) > 1))
    return kappa


def by_quadrature(law, k=4):
    """Moments from the density and the atoms, past whatever closed form a law has for them."""
    return Law.moments(law, k)


def test_there_are_catalan_many_noncrossing_partitions():
    assert [len(NC[n]) for n in range(1, 5)] == [1, 2, 5, 14]


@given(real, real)
@FEW
def test_free_cumulants_of_a_sum_add(a, b):
    both = a + b
    wanted = np.add(cumulants(by_quadrature(a)), cumulants(by_quadrature(b)))
    m = [sum(product_over(p, wanted) for p, _ in NC[n]) for n in range(1, 5)]
    np.testing.assert_allclose(both.moments(4), m, rtol=1e-8)
    np.testing.assert_allclose(by_quadrature(both), m, rtol=1e-6)


@given(positive, positive)
@FEW
def test_moments_of_a_product_are_sums_over_kreweras_pairs(a, b):
    # m_n(ab) = Σ_π κ_π(a) m_K(π)(b): Nica and Speicher 2006, theorem 14.4
    both, kappa, m = a @ b, cumulants(by_quadrature(a)), by_quadrature(b)
    wanted = [sum(product_over(p, kappa) * product_over(k, m) for p, k in NC[n]) for n in NC]
    np.testing.assert_allclose(both.moments(4), wanted, rtol=1e-7)
    np.testing.assert_allclose(by_quadrature(both), wanted, rtol=1e-5)


@given(positive, positive, st.sampled_from(["+", "@"]))
@FEW
def test_supports_and_distributions_of_sums_and_products(a, b, sign):
    both = a + b if sign == "+" else a @ b
    (a0, a1), (b0, b1) = a._range(), b._range()
    low, high = (a0 + b0, a1 + b1) if sign == "+" else (a0 * b0, a1 * b1)
    lo, hi = both._range()
    assert low - 1e-9 <= lo <= hi <= high * (1 + 1e-9)  # of sums and products of matrices
    check_distribution(both)


ROOT = MultiplicativeBrownian(0.4).singular_values()


@pytest.mark.parametrize(
    "law", [Semicircle(0.7), MarchenkoPastur(0.3).scaled(-2.0), ROOT], ids=repr
)
def test_distributions_of_single_laws(law):
    check_distribution(law)


def check_distribution(law):
    """Mass 1; F and its quantiles; the middle quantiles of n as samples are 1/2n away."""
    lo, hi = law._range()
    assert law.cdf(hi) == pytest.approx(1, abs=1e-6) and law.cdf(lo - 1e-6 * (hi - lo)) == 0
    heavy = sum(w for _, w in law.atoms())
    assert heavy + law._quadrature[1].sum() == pytest.approx(1, abs=1e-6)
    x = law.quantile(LEVELS)
    assert (np.diff(x) >= 0).all() and lo <= x[0] and x[-1] <= hi
    step = 1e-7 * (hi - lo)
    assert (law.cdf(x + step) >= LEVELS - 1e-6).all()
    assert (law.cdf(x - step) <= LEVELS + 1e-6).all()
    n = 400
    samples = law.quantile((np.arange(n) + 0.5) / n)
    found = spectra.compare(law, samples)
    assert found.ks < 0.5 / n + 1e-5 and found.n == n
    assert abs(found.moment_errors[0]) < 0.02 and (abs(found.atom_errors) <= 1 / n).all()


@given(real, st.floats(0.2, 3), st.sampled_from([-1, 1]))
@FEW
def test_scaling(law, k, sign):
    k = k * sign
    other = law.scaled(k)
    np.testing.assert_allclose(other.moments(4), law.moments(4) * k ** np.arange(1, 5), rtol=1e-8)
    z = np.array([0.3 + 1j, -2 - 0.5j])
    np.testing.assert_allclose(other.cauchy(z), law.cauchy(z / k) / k, rtol=1e-7)
    np.testing.assert_allclose(other.r_transform(0.02j), k * law.r_transform(0.02j * k), rtol=1e-7)
    away = law.quantile(LEVELS) + 0.0123 * (law._range()[1] - law._range()[0])  # from atoms
    below = other.cdf(k * away)
    np.testing.assert_allclose(below if k > 0 else 1 - below, law.cdf(away), atol=1e-6)
    assert sum(w for _, w in other.atoms()) == pytest.approx(sum(w for _, w in law.atoms()))


@given(positive, positive)
@FEW
def test_transforms_add_and_multiply(a, b):
    # R and S from each law's own Green's function; the equations they solve are those of the sum
    g = np.array([0.02, -0.03j, 0.02 + 0.02j])
    r = a.r_transform(g) + b.r_transform(g)
    np.testing.assert_allclose((a + b).cauchy(r + 1 / g), g, rtol=1e-6)
    z = np.array([0.02j, -0.03 + 0.01j])
    lam = (1 + z) / (z * a.s_transform(z) * b.s_transform(z))
    np.testing.assert_allclose(lam * (a @ b).cauchy(lam) - 1, z, rtol=1e-5)


# ---- Gaussian integrals ---------------------------------------------------------------------
lengths = st.floats(0.01, 30)


@given(lengths, st.floats(-3, 3), st.floats(-2, 2), st.floats(-1, 1))
@SOME
def test_gaussian_mean_is_linear_and_knows_the_moments(q, a, b, kink):
    def f(u):
        return a * u**2 + b * np.maximum(u - kink, 0)

    ramp = gaussian_mean(lambda u: np.maximum(u - kink, 0), q, [kink])
    assert gaussian_mean(f, q, [kink]) == pytest.approx(a * q + b * ramp, abs=1e-11 * (1 + q * 5))
    t = kink / math.sqrt(q)  # E (u − k)₊ = √q (φ(t) − t (1 − Φ(t)))
    tail = math.erfc(t / math.sqrt(2)) / 2
    exact = math.sqrt(q) * (math.exp(-t * t / 2) / math.sqrt(2 * math.pi) - t * tail)
    assert ramp == pytest.approx(exact, rel=1e-9, abs=1e-12)
    assert gaussian_mean(lambda u: u**4, q) == pytest.approx(3 * q * q, rel=1e-11)
    assert gaussian_mean(np.cos, q) == pytest.approx(math.exp(-q / 2), abs=1e-12)


@given(st.floats(0.05, 8), st.floats(-1, 1))
@FEW
def test_pair_means_of_polynomials_and_of_signs(q, c):
    assert pair_mean(lambda u: u + 1, q, c) == pytest.approx(q * c + 1, rel=1e-9, abs=1e-9)
    # E u₁²u₂² = q²(1 + 2c²) by Wick; E sign sign = (2/π) arcsin c by Sheppard
    assert pair_mean(lambda u: u**2, q, c) == pytest.approx(q * q * (1 + 2 * c * c), rel=1e-9)
    assert pair_mean(np.sign, q, c, [0.0]) == pytest.approx(2 / np.pi * np.arcsin(c), abs=1e-7)


# ---- mean-field theory ----------------------------------------------------------------------
bounded = st.sampled_from(["tanh", "erf", "hard_tanh"])


@given(bounded, st.floats(1.1, 4), st.floats(0, 1))
@FEW
def test_a_fixed_point_is_one_and_lengths_go_there(name, w, b):
    q = meanfield.fixed_point(name, w, b)
    assert meanfield.length_map(name, w, b, q) == pytest.approx(q, rel=1e-11)
    below, above = meanfield.length_map(name, w, b, [q / 2, 2 * q])
    assert q / 2 < below < q < above < 2 * q
    assert meanfield.correlation_map(name, w, b, 1.0, q) == pytest.approx(1, abs=1e-9)
    # φ odd: E φ(u₁)φ(u₂) is odd in c, and at c = 0 there is σ_b² alone
    c = meanfield.correlation_map(name, w, b, [0.0, 0.4, -0.4], q)
    assert c[0] == pytest.approx(b / q, abs=1e-9)
    assert c[1] + c[2] == pytest.approx(2 * b / q, abs=1e-8)


@given(bounded, st.floats(0.01, 5))
@FEW
def test_a_critical_point_is_one(name, q):
    w, b = meanfield.critical_point(name, q)
    assert meanfield.chi(name, w, q) == pytest.approx(1, abs=1e-11)
    assert meanfield.length_map(name, w, b, q) == pytest.approx(q, rel=1e-11)
    assert w >= 1 and b >= 0  # φ' ≤ φ'(0) = 1, or 4/π for erf
    if name != "erf":
        assert meanfield.critical_q(name, w) == pytest.approx(q, rel=1e-6)


@given(st.floats(0.1, 5), st.floats(0, 2), st.floats(0.01, 20), st.floats(0, math.pi))
@SOME
def test_relu_maps_in_closed_form(w, b, q, angle):
    assert meanfield.length_map("relu", w, b, q) == pytest.approx(w * q / 2 + b, rel=1e-11)
    assert meanfield.chi("relu", w, q) == pytest.approx(w / 2, rel=1e-11)
    # the arc-cosine kernel of degree 1 (Cho and Saul 2009)
    kernel = (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)
    found = meanfield.correlation_map("relu", w, b, math.cos(angle), q)
    assert found == pytest.approx(w * kernel + b / q, rel=1e-7, abs=1e-8)


# ---- residual networks ----------------------------------------------------------------------
@given(st.integers(1, 30), st.floats(0.1, 2), st.floats(0.1, 3), st.floats(0.5, 1.5))
@SOME
def test_lengths_and_c_in_closed_form(depth, w, q1, a):
    # a linear branch multiplies ⟨x²⟩ by a² + σ_w²/L, whatever a; ReLU's slope² has mean ½
    q = residual.residual_lengths("linear", depth, w, 0.0, q1, a)
    np.testing.assert_allclose(q, q1 * (a * a + w / depth) ** np.arange(depth), rtol=1e-10)
    assert residual.effective_cumulant("relu", depth, w, 0.0, q1, a) == pytest.approx(w / 2)
    assert residual.effective_cumulant("linear", depth, w, 0.0, q1, a) == pytest.approx(w)


@given(st.integers(2, 12), st.floats(0.2, 2), st.floats(0.1, 2), st.floats(1.05, 3))
@FEW
def test_c_of_tanh_falls_as_lengths_grow(depth, w, q1, factor):
    # E tanh'² falls with q, and all q^l grow with q^1 and l: so c falls, and lies between two chi
    q = residual.residual_lengths("tanh", depth, w, 0.0, q1)
    c = residual.effective_cumulant("tanh", depth, w, 0.0, q1)
    assert (np.diff(q) > 0).all() and q[-1] < q1 + w  # tanh² < 1, so a layer adds at most w/L
    assert meanfield.chi("tanh", w, q[-1]) < c < meanfield.chi("tanh", w, q1)
    assert residual.effective_cumulant("tanh", depth, w, 0.0, q1 * factor) < c
    assert residual.effective_cumulant("tanh", depth, w * factor, 0.0, q1) < factor * c
    again = residual.cumulant_sigma_w2("tanh", depth, c, q1=q1)
    assert residual.effective_cumulant("tanh", depth, again, q1=q1) == pytest.approx(c, rel=1e-8)


@given(st.floats(0.05, 1), st.floats(0.6, 1.4), st.integers(1, 6))
@FEW
def test_residual_laws_have_the_mean_and_variance_of_their_layers(v, a, depth):
    # E (a + X)(a + X)ᵀ = a² + v; for means multiply, and variance/mean² add, in a free product
    for weights, spread in (("gaussian", v * v + 2 * a * a * v), ("orthogonal", 2 * a * a * v)):
        law = residual.residual_layer(v, a, weights) ** depth
        mean = (a * a + v) ** depth
        assert law.mean == pytest.approx(mean, rel=1e-8)
        ratio = depth * spread / (a * a + v) ** 2
        assert law.variance == pytest.approx(ratio * mean**2, rel=1e-6)
    law = residual.residual(v, a, depth)
    assert law.mean == pytest.approx(a ** (2 * depth) * math.exp(v / a**2), rel=1e-8)
    assert law.variance == pytest.approx(2 * v / a**2 * law.mean**2, rel=1e-7)


# ---- matrices -------------------------------------------------------------------------------
@st.composite
def tall(draw, square=True):
    """A random matrix (n, k) with k ≤ n, float64."""
    k = draw(st.integers(1, 4))
    n = draw(st.integers(k if square else k + 1, 6))
    g = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    return torch.randn(n, k, generator=g, dtype=torch.float64)


def off(X):
    return float((X.mT @ X - torch.eye(X.shape[-1], dtype=X.dtype)).abs().max())


@given(tall(), st.integers(0, 99))
@SOME
def test_retractions_land_on_the_manifold_and_leave_it_alone(M, seed):
    k = M.shape[1]
    g = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(k, k, dtype=M.dtype, generator=g))[0]
    for retract in (stiefel.qr_retraction, stiefel.polar_retraction):
        X = retract(M)
        assert off(X) < 1e-13 and torch.allclose(retract(X), X, atol=1e-12)
        assert torch.allclose(X @ (X.mT @ M), M, atol=1e-12)  # the same span
    assert (torch.diagonal(stiefel.qr_retraction(M).mT @ M) > 0).all()
    polar = stiefel.polar_retraction(M)
    assert torch.linalg.eigvalsh(polar.mT @ M).min() > 0  # M = X · a positive matrix
    assert torch.allclose(stiefel.polar_retraction(M @ turn), polar @ turn, atol=1e-11)


@given(tall(), st.integers(0, 99), st.floats(0.01, 1))
@SOME
def test_steps_stay_on_the_manifold_and_start_down_the_gradient(M, seed, lr):
    X = stiefel.polar_retraction(M)
    G = torch.randn(M.shape, dtype=M.dtype, generator=torch.Generator().manual_seed(seed))
    xi = stiefel.tangent(X, G)
    assert torch.allclose(X.mT @ xi, -(xi.mT @ X), atol=1e-12)
    assert torch.allclose(stiefel.tangent(X, xi), xi, atol=1e-12)  # a projection
    for end in (stiefel.cayley_step(X, G, lr), stiefel.exponential(X, lr * G),
                stiefel.exponential(X, lr * G, "canonical")):  # fmt: skip
        assert off(end) < 1e-12
    for metric in ("euclidean", "canonical"):
        small = stiefel.exponential(X, 1e-5 * xi, metric)
        assert torch.allclose((small - X) / 1e-5, xi, atol=1e-3)
    change = ((stiefel.cayley_step(X, G, 1e-6) - X) * G).sum()
    assert change <= 1e-9  # ⟨G, step⟩ = −lr(‖G‖² − ⟨XGᵀX, G⟩) ≤ 0 by Cauchy and Schwarz
    Y = X
    for _ in range(5):
        Y = stiefel.landing_step(Y, G, lr)
        assert (Y.mT @ Y - torch.eye(M.shape[1])).norm() <= 0.5 * (1 + 1e-9)


@given(tall())
@SOME
def test_penalties_are_functions_of_the_singular_values(W):
    s, (n, k) = torch.linalg.svdvals(W), W.shape
    e = s**2 - 1
    assert float(orthogonality.so(W)) == pytest.approx(float((e**2).sum()), rel=1e-10)
    assert float(orthogonality.dso(W)) == pytest.approx(float(2 * (e**2).sum()) + n - k, rel=1e-10)
    g = 1.3
    assert float(orthogonality.gain_adjusted(W, g)) == pytest.approx(
        float((((s / g) ** 2 - 1) ** 2).sum()) + n - k, rel=1e-10
    )
    norm = float(e.abs().max())
    assert orthogonality.srip(W, 200, seed=0) == pytest.approx(norm, rel=0.05)
    assert orthogonality.srip(W, 1, seed=0) <= norm * (1 + 1e-12)
    assert orthogonality.mutual_coherence(W) <= norm * (1 + 1e-12)
    X = stiefel.polar_retraction(W)
    for value in (orthogonality.so(X), orthogonality.dso(X) - (n - k),
                  orthogonality.mutual_coherence(X), orthogonality.srip(X, seed=0)):  # fmt: skip
        assert abs(float(value)) < 1e-12


@given(tall(square=False))
@FEW
def test_gradients_are_those_of_finite_differences(W):
    W.requires_grad_()
    G = torch.linspace(-1, 1, W.numel(), dtype=W.dtype).reshape(W.shape)
    for f in (
        orthogonality.so, orthogonality.dso, lambda w: orthogonality.gain_adjusted(w, 1.4),
        lambda w: orthogonality.srip(w, 3, seed=1), orthogonality.newton_schulz,
        stiefel.polar_retraction, stiefel.qr_retraction, lambda w: stiefel.tangent(w, G),
        lambda w: stiefel.cayley_step(stiefel.polar_retraction(w), G, 0.3),
        lambda w: stiefel.exponential(stiefel.polar_retraction(w), G),
    ):  # fmt: skip
        assert torch.autograd.gradcheck(f, W, atol=1e-5, rtol=1e-4)
    orthogonality.so(W).backward()
    W = W.detach().requires_grad_()
    (grad,) = torch.autograd.grad(orthogonality.so(W), W)
    assert torch.allclose(grad, 4 * W @ (W.mT @ W - torch.eye(W.shape[1])), atol=1e-9)


@given(st.floats(0, 3), st.floats(0.001, 0.5), st.floats(0.1, 2))
@SOME
def test_the_flow_of_so_solves_its_equation(s, t, strength):
    at = soft.so_flow(s, [t - 1e-5, t, t + 1e-5], strength)
    slope = (at[2] - at[0]) / 2e-5
    assert slope == pytest.approx(
        -4 * strength * at[1] * (at[1] ** 2 - 1), abs=1e-4 * (1 + s) ** 4
    )
    assert soft.so_flow(soft.so_flow(s, t, strength), t, strength) == pytest.approx(
        float(soft.so_flow(s, 2 * t, strength)), rel=1e-10
    )
    assert soft.so_flow(s, 0.0, strength) == pytest.approx(s)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
@FEW
def test_a_convolution_is_its_matrix(c_out, c_in, k, seed):
    kernel = torch.randn(c_out, c_in, k, k, dtype=torch.float64,
                         generator=torch.Generator().manual_seed(seed))  # fmt: skip
    n = 2 * k - 1 + seed % 2
    eye = torch.eye(c_in * n * n, dtype=torch.float64).reshape(-1, c_in, n, n)
    wrapped = torch.nn.functional.pad(eye, (0, k - 1, 0, k - 1), mode="circular")
    A = torch.nn.functional.conv2d(wrapped, kernel).flatten(1).T
    s = soft.conv_singular_values(kernel, n)
    assert torch.allclose(s, torch.linalg.svdvals(A)[: len(s)], atol=1e-10)
    square = float((A.T @ A - torch.eye(A.shape[1])).square().sum()) / n**2
    assert float(soft.conv_so(kernel)) == pytest.approx(square, rel=1e-9)
