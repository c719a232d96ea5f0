"""Penalties against autograd and closed forms; retractions against geodesics; margins held."""

import numpy as np
import pytest
import torch
from torch import nn

from isolib import orthogonality as o
from isolib import stiefel
from isolib.networks import initial_weights

DOUBLE = torch.float64


def draw(*shape, seed=0, dtype=DOUBLE):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def frame(n, k, seed=0, dtype=DOUBLE):
    return o.qr_retraction(draw(n, k, seed=seed, dtype=dtype))


def off(X):
    gram = X.mT @ X
    return (gram - torch.eye(gram.shape[-1], dtype=gram.dtype)).abs().max().item()


def one(a):
    return a - torch.eye(len(a), dtype=a.dtype)


def gradient(f, W):
    W = W.clone().requires_grad_()
    return torch.autograd.grad(f(W).sum(), W)[0]


GRADIENTS = {
    "so": (o.so, lambda W: 4 * W @ one(W.mT @ W)),
    "dso": (o.dso, lambda W: 4 * W @ one(W.mT @ W) + 4 * one(W @ W.mT) @ W),
    "gain": (
        lambda W: o.gain_adjusted(W, 1.3),
        lambda W: 4 / 1.69 * one(W @ W.mT / 1.69) @ W,
    ),
}


# ---- penalties ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("shape", [(5, 5), (7, 4), (4, 7), (1, 1)], ids=str)
def test_gradients_are_the_closed_forms(name, shape):
    penalty, formula = GRADIENTS[name]
    W = draw(*shape)
    assert torch.allclose(gradient(penalty, W), formula(W), rtol=0, atol=1e-10)


def test_the_gradient_of_so_from_either_side():
    W = draw(7, 4)
    assert torch.allclose(W @ one(W.mT @ W), one(W @ W.mT) @ W, atol=1e-12)
    with pytest.raises(RuntimeError):
        W @ one(W @ W.mT)  # the slides' form: the shapes do not fit
    W = draw(4, 4)
    assert (W @ one(W @ W.mT) - one(W @ W.mT) @ W).norm() > 1  # nor is it right for square W


PENALTIES = {
    "so": o.so,
    "dso": o.dso,
    "mc": o.mutual_coherence,
    "srip": lambda W: o.srip(W, steps=3, seed=0),
    "gain": lambda W: o.gain_adjusted(W, 1.3),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_against_finite_differences(name):
    assert torch.autograd.gradcheck(PENALTIES[name], draw(5, 3).requires_grad_())


@pytest.mark.parametrize("name", sorted(PENALTIES))
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE], ids=str)
def test_a_stack_gives_one_number_a_matrix(name, dtype):
    W = draw(3, 6, 4, dtype=dtype)
    stacked = PENALTIES[name](W)
    assert stacked.shape == (3,) and stacked.dtype == dtype
    assert PENALTIES[name](W[0]).shape == ()
    if name != "srip":  # every matrix of a stack has its own start there
        assert torch.allclose(stacked, torch.stack([PENALTIES[name](w) for w in W]))


def test_values_on_known_singular_values():
    s = torch.tensor([1.5, 1.0, 0.5], dtype=DOUBLE)
    W = frame(6, 3) * s @ frame(3, 3, 1).mT
    assert o.so(W).item() == pytest.approx(((s**2 - 1) ** 2).sum().item())
    assert o.dso(W).item() == pytest.approx(2 * o.so(W).item() + 3)
    assert o.srip(W, steps=200, seed=1).item() == pytest.approx(1.25)
    assert o.mutual_coherence(torch.diag(s)).item() == pytest.approx(1.25)
    for g in (0.5, 1.0, 2.0):
        assert o.gain_adjusted(g * frame(5, 5), g).item() == pytest.approx(0, abs=1e-25)
    wide = frame(6, 4).mT
    assert o.so(wide).item() == pytest.approx(2)  # k − n
    assert o.srip(frame(6, 4), steps=2, seed=0).item() == pytest.approx(0, abs=1e-12)


def test_srip_is_a_lower_bound_that_two_steps_leave_short():
    W = draw(200, 64, 64) / 8
    exact = torch.linalg.matrix_norm(W.mT @ W - torch.eye(64, dtype=DOUBLE), ord=2)
    short = {k: (1 - o.srip(W, steps=k, seed=5) / exact).numpy() for k in (1, 2, 200)}
    assert all(s.min() > -1e-12 for s in short.values())  # from below, always
    assert np.mean(short[2] > 0.05) > 0.9  # "almost always more than 5 %"
    assert np.median(short[1]) > 0.2
    assert short[200].max() < 0.05
    assert np.median(short[1]) > np.median(short[2]) > np.median(short[200])


def test_at_the_optimum_no_gradient_is_nan():
    for penalty in PENALTIES.values():
        assert torch.isfinite(gradient(penalty, torch.eye(4, dtype=DOUBLE))).all()


# ---- the manifold ---------------------------------------------------------------------------
SHAPES = [(6, 6), (9, 4), (12, 3), (5, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_tangent_projection(shape):
    X, Z = frame(*shape), draw(*shape, seed=1)
    xi = stiefel.tangent(X, Z)
    assert off(X) < 1e-14 and (X.mT @ xi + xi.mT @ X).abs().max() < 1e-14
    assert torch.allclose(stiefel.tangent(X, xi), xi, atol=1e-14)
    other = stiefel.tangent(X, draw(*shape, seed=2))
    assert abs(((Z - xi) * other).sum().item()) < 1e-12  # the rest is normal


@pytest.mark.parametrize("metric", ["euclidean", "canonical"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_geodesics_stay_and_solve_their_equation(metric, shape):
    X = frame(*shape)
    xi = stiefel.tangent(X, draw(*shape, seed=1)) / 2
    h = 1e-3
    a, b, c = (stiefel.exponential(X, t * xi, metric) for t in (-h, 0.0, h))
    assert off(stiefel.exponential(X, 3 * xi, metric)) < 1e-12
    assert torch.allclose((c - a) / (2 * h), xi, atol=1e-5)
    acceleration = (a - 2 * b + c) / h**2
    inner = X.mT @ xi
    right = -X @ (xi.mT @ xi)
    if metric == "canonical":
        right = -xi @ (xi.mT @ X) - X @ (inner @ inner + xi.mT @ xi)
    assert torch.allclose(acceleration, right, atol=1e-4)


def cayley(X, xi):
    return o.cayley_step(X, X @ (X.mT @ xi) / 2 - xi, 1.0)


RETRACTIONS = {
    "qr": lambda X, xi: o.qr_retraction(X + xi),
    "polar": lambda X, xi: o.polar_retraction(X + xi),
    "cayley": cayley,
}


def slope(name, metric, shape):
    X = frame(*shape)
    xi = stiefel.tangent(X, draw(*shape, seed=1))
    xi = xi / xi.norm()
    t = np.array([0.02, 0.04, 0.08])
    error = [
        (RETRACTIONS[name](X, s * xi) - stiefel.exponential(X, s * xi, metric)).norm().item()
        for s in t
    ]
    return np.polyfit(np.log(t), np.log(error), 1)[0]


# (retraction, metric): order of the error for n > k > 1; 3 is "second order"
ORDERS = {
    ("qr", "euclidean"): 2,
    ("qr", "canonical"): 2,
    ("polar", "euclidean"): 3,
    ("polar", "canonical"): 2,
    ("cayley", "euclidean"): 2,
    ("cayley", "canonical"): 3,
}


@pytest.mark.parametrize(("name", "metric"), ORDERS)
def test_orders_of_the_retractions(name, metric):
    assert slope(name, metric, (9, 4)) == pytest.approx(ORDERS[name, metric], abs=0.1)
    if name != "qr":  # for square matrices the two metrics have the same geodesics
        assert slope(name, metric, (6, 6)) == pytest.approx(3, abs=0.1)
    assert slope(name, metric, (5, 1)) == pytest.approx(3, abs=0.1)  # the sphere


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_low_rank_cayley_step_is_the_full_one(shape):
    X, G = frame(*shape), draw(*shape, seed=1)
    A = G @ X.mT - X @ G.mT
    eye = torch.eye(shape[0], dtype=DOUBLE)
    full = torch.linalg.solve(eye + 0.15 * A, (eye - 0.15 * A) @ X)
    assert torch.allclose(o.cayley_step(X, G, 0.3), full, atol=1e-12)


@pytest.mark.parametrize("kind", ["qr", "polar", "cayley"])
@pytest.mark.parametrize("shape", [(24, 24), (40, 8)], ids=str)
@pytest.mark.parametrize(("dtype", "most"), [(DOUBLE, 1e-12), (torch.float32, 1e-5)], ids=str)
def test_a_thousand_steps_stay_on_the_manifold(kind, shape, dtype, most):
    X, target = frame(*shape, dtype=dtype), draw(*shape, seed=3, dtype=dtype)
    for _ in range(1000):
        G = X - target
        if kind == "cayley":
            X = o.cayley_step(X, G, 0.1)
        else:
            X = getattr(o, f"{kind}_retraction")(X - 0.1 * stiefel.tangent(X, G))
    assert off(X) < most


@pytest.mark.parametrize("function", [o.qr_retraction, o.polar_retraction])
def test_retractions_are_differentiable_even_at_a_frame(function):
    for M in (draw(6, 3), frame(6, 3), torch.eye(4, dtype=DOUBLE), draw(2, 5, 3)):
        assert torch.autograd.gradcheck(function, M.clone().requires_grad_())


def test_steps_are_batched_and_differentiable():
    X = o.qr_retraction(draw(3, 7, 2))
    G = draw(3, 7, 2, seed=1)
    for step in (o.cayley_step, o.landing_step):
        out = step(X, G, 0.1)
        assert torch.allclose(
            out, torch.stack([step(x, g, 0.1) for x, g in zip(X, G, strict=True)])
        )
        assert torch.autograd.gradcheck(
            lambda a, b, f=step: f(a, b, 0.1), (X[0].clone().requires_grad_(), G[0])
        )
    for metric in ("euclidean", "canonical"):
        assert stiefel.exponential(X, G, metric).shape == X.shape


def test_polar_is_the_nearest_frame_and_qr_is_sign_fixed():
    M = draw(8, 3)
    nearest = o.polar_retraction(M)
    others = [frame(8, 3, s) for s in range(50)] + [o.qr_retraction(M)]
    assert all((M - nearest).norm() < (M - q).norm() for q in others)
    assert (torch.diagonal(o.qr_retraction(M).mT @ M) > 0).all()
    assert torch.allclose(o.qr_retraction(nearest), nearest, atol=1e-14)


# ---- landing --------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(8, 8), (12, 4)], ids=str)
def test_landing_lands_at_a_critical_point_and_never_leaves(shape):
    target = draw(*shape, seed=3)
    X = frame(*shape) * 1.02
    for _ in range(3000):
        X = o.landing_step(X, X - target, 0.05)  # f = ‖X − T‖²/2
        assert (X.mT @ X - torch.eye(shape[1], dtype=DOUBLE)).norm() <= 0.5
    assert off(X) < 1e-10
    assert stiefel.tangent(X, X - target).norm() < 1e-8
    if shape[0] > shape[1]:  # connected: the minimum is the polar factor of the target
        assert torch.allclose(X, o.polar_retraction(target), atol=1e-8)


def test_landing_caps_a_reckless_step():
    for seed in range(20):
        X, G = frame(6, 4, seed), 100 * draw(6, 4, seed=seed + 50)
        for _ in range(5):
            X = o.landing_step(X, G, 1e3, attraction=2.0, radius=0.3)
            assert (X.mT @ X - torch.eye(4, dtype=DOUBLE)).norm() <= 0.3 * (1 + 1e-9)


# ---- margins --------------------------------------------------------------------------------
@pytest.mark.parametrize("m", [0.0, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (9, 5)], ids=str)
def test_singular_values_stay_in_the_margin_while_training(m, shape):
    torch.manual_seed(0)
    layer = nn.Linear(shape[1], shape[0], bias=False).double()
    nn.utils.parametrize.register_parametrization(layer, "weight", o.SpectralMargin(m))
    update = torch.optim.Adam(layer.parameters(), lr=0.1)
    x, losses = draw(64, shape[1]), []
    y = 3 * x @ draw(*shape, seed=1).mT
    for _ in range(100):
        update.zero_grad()
        loss = ((layer(x) - y) ** 2).mean()
        loss.backward()
        update.step()
        losses.append(loss.item())
        s = torch.linalg.svdvals(layer.weight.detach())
        assert 1 - m - 1e-12 <= s.min() and s.max() <= 1 + m + 1e-12
    assert losses[-1] < losses[0]
    assert m == 0 or s.max() > 1 + m / 2  # the data want more: the margin is used


def test_large_steps_do_not_change_the_determinant():
    layer = nn.Linear(6, 6, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.eye(6))
    nn.utils.parametrize.register_parametrization(layer, "weight", o.SpectralMargin(0.0))
    update = torch.optim.Adam(layer.parameters(), lr=0.3)
    for _ in range(200):
        update.zero_grad()
        ((layer.weight - draw(6, 6, seed=4)) ** 2).sum().backward()
        update.step()
        assert torch.linalg.det(layer.weight).item() == pytest.approx(1)


def test_a_margin_survives_saving_and_loading():
    def layer():
        out = nn.Linear(5, 7).double()
        nn.utils.parametrize.register_parametrization(out, "weight", o.SpectralMargin(0.2))
        return out

    one, two = layer(), layer()
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.weight, two.weight)


def test_the_margin_keeps_an_orthogonal_start():
    W = initial_weights("orthogonal", 1, 6, seed=0, dtype=DOUBLE)[0]
    layer = nn.Linear(6, 6).double()
    with torch.no_grad():
        layer.weight.copy_(W)
    nn.utils.parametrize.register_parametrization(layer, "weight", o.SpectralMargin(0.1))
    assert torch.allclose(layer.weight, W, atol=1e-12)


# ---- bad input ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: o.qr_retraction(draw(3, 5)), r"M must be tall.*WᵀW = 1.*\(3, 5\).*transpose"),
        (lambda: o.polar_retraction(draw(2, 3, 5)), r"M must be tall.*\(2, 3, 5\)"),
        (lambda: o.cayley_step(draw(3, 5), draw(3, 5), 0.1), "X must be tall"),
        (
            lambda: o.cayley_step(frame(5, 3), draw(5, 2), 0.1),
            r"gradient must have shape \(5, 3\)",
        ),
        (lambda: o.cayley_step(2 * frame(5, 3), draw(5, 3), 0.1), "X must be a frame.* 3 off"),
        (lambda: o.cayley_step(frame(5, 3), draw(5, 3), 0.0), "lr must be positive"),
        (lambda: o.landing_step(2 * frame(5, 3), draw(5, 3), 0.1), "= 5.2: retract it first"),
        (lambda: o.landing_step(frame(5, 3), draw(5, 3), 0.1, radius=1.0), r"radius must lie in"),
        (
            lambda: o.landing_step(frame(5, 3), draw(5, 3), 0.1, -1.0),
            "attraction must lie in",
        ),
        (lambda: o.qr_retraction(torch.zeros(4, 2)), "its rank is smaller"),
        (lambda: o.polar_retraction(torch.ones(4, 2)), "its rank is smaller"),
        (lambda: o.so(torch.zeros(0, 3)), r"none of them empty, got shape \(0, 3\)"),
        (lambda: o.so(torch.ones(3)), r"W must be a matrix.*\(3,\)"),
        (lambda: o.so(torch.ones(8, 3, 3, 3)), r"W must be a matrix.*\(8, 3, 3, 3\)"),
        *(
            (lambda f=f: f(torch.full((2, 2), torch.nan)), "W must be finite")
            for f in PENALTIES.values()
        ),
        (lambda: o.qr_retraction(torch.full((2, 2), torch.nan)), "M must be finite"),
        (lambda: o.cayley_step(frame(5, 3), 0 * draw(5, 3) / 0, 0.1), "gradient must be finite"),
        (
            lambda: o.SpectralMargin(0.1).right_inverse(torch.full((2, 2), torch.nan)),
            "W must be fi",
        ),
        *(
            (
                lambda s=s, e=e: o.cayley_step(frame(*s), 10**e * draw(*s), 1.0),
                "lr must be smaller",
            )
            for s in [(5, 3), (5, 5), (9, 2)]
            for e in (160.0, 300.0)
        ),
        (lambda: o.mutual_coherence(np.eye(2)), "float32 or float64 tensor, got float64"),
        (lambda: o.so(torch.eye(2, dtype=torch.float16)), "got torch.float16"),
        (lambda: o.srip(torch.eye(2), steps=0), "steps must be a whole number"),
        (lambda: o.gain_adjusted(torch.eye(2), 0.0), "gain must be positive"),
        (lambda: o.SpectralMargin(1.0), r"m must lie in \[0, 1\), got 1.0"),
        (lambda: o.SpectralMargin(-0.1), r"m must lie in \[0, 1\)"),
        (lambda: o.SpectralMargin(float("nan")), "m must be a real number, got nan"),
        (lambda: stiefel.exponential(frame(4, 2), draw(4, 2), "round"), "metric must be one of"),
    ],
)
def test_bad_input_names_the_argument(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ---- Newton and Schulz's iteration ------------------------------------------------------------
@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9), (3, 7, 5)])
@pytest.mark.parametrize("rule", [o.QUINTIC, o.CUBIC])
def test_newton_schulz_moves_singular_values_alone(shape, rule):
    M = draw(*shape)
    u, s, vt = torch.linalg.svd(M / M.norm(dim=(-2, -1), keepdim=True), full_matrices=False)
    for _ in range(5):
        s = rule[0] * s + rule[1] * s**3 + rule[2] * s**5
    expected = u * s.unsqueeze(-2) @ vt
    assert torch.allclose(o.newton_schulz(M, 5, rule), expected, atol=1e-12)


def test_the_quintic_lands_in_its_interval_and_the_cubic_at_the_polar_factor():
    s = torch.linspace(0.01, 1, 5001, dtype=torch.float64)
    for _ in range(5):
        s = o.QUINTIC[0] * s + o.QUINTIC[1] * s**3 + o.QUINTIC[2] * s**5
    assert 0.681 < s.min() and s.max() < 1.135
    M = draw(8, 5)
    assert torch.allclose(o.newton_schulz(M, 60, o.CUBIC), o.polar_retraction(M), atol=1e-12)
    assert not o.newton_schulz(torch.zeros(3, 2)).any()
    with pytest.raises(ValueError, match="M must be finite"):
        o.newton_schulz(torch.full((2, 2), torch.nan))


def test_the_polar_factor_survives_a_failing_svd(monkeypatch):
    """LAPACK can fail on a large frame, all of whose singular values agree."""
    M, wanted, svd = draw(6, 4), o.polar_retraction(draw(6, 4)), torch.linalg.svd

    def fail_once(*args, **kwargs):
        monkeypatch.setattr(torch.linalg, "svd", svd)
        raise torch.linalg.LinAlgError("did not converge")

    monkeypatch.setattr(torch.linalg, "svd", fail_once)
    assert torch.allclose(o.polar_retraction(M), wanted, atol=1e-12)
