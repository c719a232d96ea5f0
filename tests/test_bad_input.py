"""Bad input to every public function: a ValueError of isolib's own that names the argument.

Each row is a call that works, one of its arguments, and values that this argument must refuse.
What must never come out is an error from inside NumPy, SciPy or torch, a nan, or a hang.
"""

import math
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch

import isolib
from isolib import (
    activations,
    data,
    ensembles,
    exercises,
    gaussian,
    laws,
    meanfield,
    networks,
    orthogonality,
    plots,
    products,
    residual,
    results,
    soft,
    spectra,
    stiefel,
    training,
)  # fmt: skip

HOME = str(Path(isolib.__file__).parent)

TEXT, DATE, GRAD = "3", np.datetime64("2020-01-01"), torch.ones(3, requires_grad=True)
#: no number
NONE = [None, True, TEXT, "", b"3", 1j, [], {}, object(), np.ones((2, 3)), GRAD, DATE, math.nan]
#: no positive number
POSITIVE = [*NONE, 0, -1, math.inf, 10**400, 1e308]
#: no number that is 0 or more
NONNEGATIVE = [*NONE, -1, math.inf, 10**400, 1e308]
#: no whole number from 1 on
COUNT = [*NONE, 0, -1, 2.5, math.inf, 10**30, 10**400]
#: no array of numbers, real or complex
ARRAY = [None, True, TEXT, "abc", {}, object(), [[1], [2, 3]], math.nan, [math.inf], 10**400,
         GRAD, DATE, np.array(["1"])]  # fmt: skip
#: no array of real numbers
REAL = [*ARRAY, 1j, np.ones(2) + 1j, torch.ones(2, dtype=torch.complex64)]
#: nothing that can be called
FUNCTION = [None, True, 3, "tanh", [], np.ones(2), torch.ones(2), int]
#: no seed
SEED = [-1, 2.5, "abc", 1j, math.nan, object()]
#: nothing to be made a tensor
TENSOR = [None, "abc", {}, object(), [[1], [2, 3]], np.array(["1"])]
#: no matrix
MATRIX = [None, 3, "abc", [[1.0]], np.eye(2), torch.ones(3), torch.ones(2, 2).half(),
          torch.ones(2, 2, dtype=torch.int64), torch.empty(0, 2),
          torch.full((4, 3), math.nan)]  # fmt: skip

MP, ROOT = laws.MarchenkoPastur(0.5), laws.MarchenkoPastur().singular_values()
FREE, THREE = MP @ laws.Bernoulli(0.5), laws.Atoms([1, 2, 3], [0.3, 0.3, 0.4])
ONE = residual.residual_layer(0.3, 1.0, "orthogonal")
NET, LINEAR = networks.MLP(depth=1, width=4, outputs=2, seed=0), torch.nn.Linear(4, 2)
X = torch.ones(6, 4)
W = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
Q = torch.linalg.qr(W)[0]
K = torch.ones(2, 2, 3, 3)


def fit(**changes):
    keywords = dict(x=X, y=torch.ones(6).long(), lr=0.1, steps=1) | changes
    return training.fit(
        keywords.pop("model", NET), keywords.pop("x"), keywords.pop("y"), **keywords
    )


def row(function, valid, **bad):
    """A row for each argument in bad."""
    return [(function, valid, argument, values) for argument, values in bad.items()]


TABLE = [
    # laws
    *[r for law in (MP, ROOT, FREE, THREE, ONE) for r in (
        *row(law.density, {}, x=REAL), *row(law.cdf, {}, x=REAL),
        *row(law.quantile, {}, u=[*REAL, -0.1, 1.1]), *row(law.moments, {}, k=COUNT),
        *row(law.cauchy, {}, z=ARRAY), *row(law.scaled, {}, k=[*NONE, 0, math.inf, 1e308]),
    )],
    *[r for law in (MP, FREE, THREE) for r in (
        *row(law.r_transform, {}, g=ARRAY), *row(law.s_transform, {}, z=ARRAY))],
    *row(THREE.cauchy, {}, z=[1.0, [0.5, 2.0]]), *row(MP.r_transform, {}, g=[2.0]),
    *row(laws.Bernoulli(0.5).cauchy, {}, z=[0.0]),
    *row(laws.MultiplicativeBrownian(0.3).r_transform, {}, g=[0.5, 2.5, 1e7]),
    *row(laws.Semicircle, {}, variance=POSITIVE),
    *row(laws.MarchenkoPastur, {}, ratio=POSITIVE, variance=POSITIVE),
    *row(laws.PointMass, {}, x=[*NONE, math.inf]),
    *row(laws.Bernoulli, {}, p=[*NONE, -0.1, 1.1]),
    *row(laws.Atoms, dict(points=[1, 2], weights=[0.5, 0.5]), points=[*REAL, [1], [[1, 2]]],
         weights=[*REAL, [1], [0, 1], [0.5, 0.6]]),
    *row(laws.MultiplicativeBrownian, {}, c=NONNEGATIVE),
    *row(laws.SquaredSlope, dict(activation="tanh", q=1.0), q=POSITIVE, activation=[None, "tan"]),
    *row(laws.SquaredSlope, dict(activation="gelu"), q=[3e3, 1e4]),
    *row(laws.FromS, dict(log_s=lambda z: -2 * np.log(1 + z)), log_s=FUNCTION,
         at_zero=[*NONE, 1.0]),
    *row(laws.free_cumulants, {}, moments=[*REAL, 1.0, [[1.0]]]),
    *row(laws.moments_from_cumulants, {}, cumulants=[*REAL, 1.0, [[1.0]]]),
    # random matrices
    *[r for f in (ensembles.ginibre, ensembles.goe, ensembles.wishart) for r in row(
        f, dict(n=3), n=COUNT, variance=NONNEGATIVE, entries=[None, "x", np.ones(2)], seed=SEED,
        batch=[0, 1.5, [[1], [2, 3]], "2", None], rng=[3])],
    *row(ensembles.wishart, dict(n=4), ratio=POSITIVE),
    *row(ensembles.haar_orthogonal, dict(n=3), n=COUNT, seed=SEED),
    # activations and integrals
    *row(activations.Activation, dict(name="own", phi=np.tanh), phi=FUNCTION, slope=FUNCTION[1:],
         kinks=[None, "abc", 1j, [[1], [2, 3]], math.nan]),
    *row(activations.get, dict(activation="elu"), activation=[None, 3, []], alpha=POSITIVE),
    *[r for f in ("tanh", "relu") for r in row(
        activations.get(f), {}, x=[None, TEXT, 1j, {}, object(), np.array(["1"]), DATE])],
    *row(gaussian.gaussian_mean, dict(f=np.abs), f=FUNCTION, q=POSITIVE,
         kinks=["abc", 1j, [None]]),
    *row(gaussian.pair_mean, dict(f=np.tanh, q=1.0, c=0.5), f=FUNCTION, q=POSITIVE,
         c=[*NONE, 1.1], kinks=["abc", 1j]),
    # mean-field theory
    *row(meanfield.length_map, dict(activation="tanh", sigma_w2=1.0, sigma_b2=0.1, q=1.0),
         activation=[None, "tan"], sigma_w2=POSITIVE, sigma_b2=NONNEGATIVE, q=[*REAL, -1]),
    *row(meanfield.chi, dict(activation="tanh", sigma_w2=1.0, q=1.0), sigma_w2=POSITIVE,
         q=POSITIVE),
    *row(meanfield.fixed_point, dict(activation="tanh", sigma_w2=2.0, sigma_b2=0.1),
         sigma_w2=POSITIVE, sigma_b2=NONNEGATIVE, start=[*POSITIVE, 1e30]),
    *row(meanfield.critical_point, dict(activation="tanh"), q=POSITIVE),
    *row(meanfield.critical_q, dict(activation="tanh"), sigma_w2=POSITIVE),
    *row(meanfield.correlation_map,
         dict(activation="relu", sigma_w2=2.0, sigma_b2=0.0, c=0.5, q=1.0), sigma_w2=POSITIVE,
         sigma_b2=NONNEGATIVE, c=[*REAL, 1.1], q=POSITIVE[1:]),
    *row(meanfield.depth_scales, dict(activation="tanh", sigma_w2=2.0, sigma_b2=0.1),
         sigma_w2=POSITIVE, sigma_b2=NONNEGATIVE),
    # residual networks
    *[r for f in (residual.residual_lengths, residual.effective_cumulant) for r in row(
        f, dict(activation="tanh", depth=3, sigma_w2=1.0), depth=[*COUNT, 10**7],
        sigma_w2=POSITIVE, sigma_b2=NONNEGATIVE, q1=POSITIVE, a=[*NONE, 0, 1e308, 1e-320],
        mean=[*NONE, 1e308])],
    *row(residual.cumulant_sigma_w2, dict(activation="tanh", depth=3, c=0.3), c=POSITIVE,
         depth=[*COUNT, 10**7], mean_square=POSITIVE, q1=POSITIVE[1:]),
    *row(residual.residual, dict(c=0.3), c=NONNEGATIVE, a=[*NONE, 0], depth=COUNT[1:]),
    *row(residual.residual_layer, dict(v=0.3), v=POSITIVE, a=NONE, weights=[None, "haar"]),
    # spectra
    *row(spectra.feedforward, dict(activation="tanh", depth=3, sigma_w2=1.0, q=0.5), depth=COUNT,
         sigma_w2=POSITIVE, q=POSITIVE, weights=[None, 3]),
    *[r for f in (spectra.jacobian, spectra.singular_values) for m in (NET, LINEAR) for r in row(
        f, dict(model=m, x=X), model=[None, 3, "net", torch.tanh],
        x=[*TENSOR, X.long(), X[:0], X * math.nan, torch.ones(2, 3)], max_bytes=POSITIVE)],
    *row(spectra.compare, dict(law=MP, samples=[0.5]), law=[None, 3, "mp"], samples=[*REAL, []],
         moments=COUNT),
    *row(spectra.design, dict(activation="tanh", depth=3), activation=[None, "tan"], depth=COUNT,
         architecture=[None, "x"], variance=POSITIVE),
    *row(spectra.diagnose, dict(model=LINEAR, x=X), model=[None, 3],
         x=[*TENSOR, X.long(), torch.ones(2, 3)], stages=[["x"]],
         directions=[*COUNT, 10**7], max_bytes=POSITIVE),
    *row(products.log_singular_values, {}, factors=[[], ["a"], [np.ones((2, 3))],
         [np.full((2, 2), math.nan)], [np.zeros((2, 2))]]),
    # networks and training
    *row(networks.MLP, dict(depth=1, width=2), depth=COUNT, width=COUNT, sigma_w2=POSITIVE,
         sigma_b2=NONNEGATIVE, weights=[None], inputs=COUNT[1:], outputs=COUNT[1:],
         seed=SEED[1:], dtype=[None, 3, torch.int64]),
    *row(networks.initial_weights, dict(kind="gaussian", count=1, n=2), kind=[None], count=COUNT,
         n=COUNT, variance=POSITIVE),
    *[r for f in (NET.forward, NET.hidden, NET.jacobian)
      for r in row(f, {}, x=[*TENSOR, X[:, :2]])],
    *row(fit, {}, model=[None, 3], x=[*TENSOR, X * math.nan, X[:2]], y=[*TENSOR, torch.ones(6)],
         lr=POSITIVE, steps=COUNT, batch_size=COUNT, optimiser=[None, "x"], loss=[None, "x"],
         evaluate=[3, "ab", (1,), torch.ones(3)], log_points=COUNT, seed=SEED[1:]),
    *row(training.log_steps, {}, steps=COUNT),
    # matrices
    *[r for f in (orthogonality.so, orthogonality.dso, orthogonality.mutual_coherence,
                  orthogonality.srip) for r in row(f, {}, W=MATRIX)],
    *row(orthogonality.srip, dict(W=W), steps=COUNT, seed=SEED[1:]),
    *row(orthogonality.gain_adjusted, dict(W=W, gain=1.0), W=MATRIX, gain=POSITIVE),
    *row(orthogonality.newton_schulz, dict(M=W), M=MATRIX, steps=COUNT,
         coefficients=[*REAL, 3, [1, 2]]),
    *[r for f in (stiefel.qr_retraction, stiefel.polar_retraction) for r in row(
        f, {}, M=[*MATRIX, torch.ones(2, 3), torch.zeros(3, 2)])],
    *row(stiefel.tangent, dict(X=Q, Z=W), X=MATRIX, Z=MATRIX),
    *row(stiefel.exponential, dict(X=Q, xi=W), X=MATRIX, xi=MATRIX, metric=[None, "x"]),
    *row(stiefel.cayley_step, dict(X=Q, gradient=W, lr=0.1), X=[*MATRIX, 2 * Q], gradient=MATRIX,
         lr=POSITIVE),
    *row(stiefel.landing_step, dict(X=Q, gradient=W, lr=0.1), X=[*MATRIX, 2 * Q], gradient=MATRIX,
         lr=POSITIVE, attraction=[*POSITIVE, 1e30], radius=[*NONE, 0, 1]),
    *row(stiefel.SpectralMargin, {}, m=[*NONE, -0.1, 1]),
    *row(soft.so_flow, dict(s=[0.5], time=0.5), s=[*REAL, -1, 1e308], time=[*REAL, -1, 1e308],
         strength=NONNEGATIVE),
    *row(soft.decayed, dict(strength=0.1, step=3, steps=10), strength=POSITIVE, step=NONNEGATIVE,
         steps=COUNT),
    *[r for f in (soft.conv_blocks, soft.conv_singular_values) for r in row(
        f, dict(kernel=K, n=4), kernel=[*TENSOR, 3, K[0], K[..., :2], K * math.nan],
        n=[*COUNT, 2, 10**7])],
    *row(soft.conv_so, {}, kernel=[*TENSOR, 3, K[0], K[..., :0], K * math.nan]),
    # the rest
    *row(data.images, {}, prefer=[None, "x"]),
    *row(data.adding_task, dict(count=1, steps=4), count=COUNT, steps=[*COUNT, 1], seed=SEED),
    *row(data.copy_task, dict(count=1, blanks=4), count=COUNT, blanks=COUNT, seed=SEED),
    *row(exercises.check, {}, key=[None, 3, [], "why-isometry/x"]),
    *row(results.load, {}, name=[None, 3, "x", "../x", "x" * 300]),
    *row(plots.axes, {}, columns=COUNT, title=[None, 3, ["a", "b"]]),
    *row(plots.spectrum, {}, samples=[*REAL[1:], []], law=["semicircle", laws.Semicircle, 3]),
]  # fmt: skip


def shown(value):
    return "a" if isinstance(value, type) else getattr(value, "__qualname__", repr(value))


@pytest.mark.parametrize(
    ("function", "valid", "argument", "values"),
    TABLE,
    ids=[f"{shown(f)[:40]}-{argument}" for f, _, argument, _ in TABLE],
)
def test_bad_input_is_refused_by_name(function, valid, argument, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"\b{argument}\b") as caught:
            print(f"accepted: {argument} = {value!r} gave", function(**valid | {argument: value}))
        last = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert last.filename.startswith(HOME), f"{argument} = {value!r}: {last.filename}"


@pytest.mark.parametrize("other", [None, 3, "law", np.ones(2), torch.ones(2)])
def test_sums_and_products_need_two_laws(other):
    for sign in ("__add__", "__matmul__"):
        with pytest.raises(ValueError, match="needs a law on both sides, got"):
            getattr(MP, sign)(other)


def test_each_call_of_the_table_works():
    done = {}
    for function, valid, argument, _ in TABLE:
        if valid and function not in done and not {argument} - valid.keys():
            done[function] = function(**valid)
    assert len(done) > 25
    assert not any(isinstance(v, float) and math.isnan(v) for v in done.values())


# ---- transforms where their general solution has no digits left ------------------------------
@pytest.mark.parametrize(
    "law", [THREE, FREE, ROOT, MP.scaled(-1.5) + laws.PointMass(-3.0)], ids=repr
)
def test_transforms_next_to_zero(law):
    # R(g) = κ₁ + κ₂ g + …, S(z) = 1/m₁ − κ₂ z/m₁³ + …
    small = np.array([0.0, 1e-320, 1e-12, 1e-9, 1e-7, 1e-6])
    m, v = law.mean, law.variance
    np.testing.assert_allclose(law.r_transform(small), m + v * small, rtol=1e-9)
    np.testing.assert_allclose(law.s_transform(small), 1 / m - v * small / m**3, rtol=1e-9)


def test_far_points():
    for law in (laws.Semicircle(), MP, THREE, laws.MultiplicativeBrownian(0.3)):
        assert law.cauchy(1e200) == pytest.approx(1e-200)
    assert MP.singular_values().cdf(1e308) == 1 and ONE.cdf(1e308) == 1


# ---- wrong numbers that once came without a word ----------------------------------------------
@pytest.mark.parametrize(
    "call, named",
    [
        (lambda: gaussian.gaussian_mean(np.exp, 50.0), "more slowly"),
        (lambda: gaussian.gaussian_mean(lambda x: np.exp(x**2 / 2)), "more slowly"),
        (lambda: gaussian.pair_mean(np.exp, 20.0, 0.99), "more slowly"),
        (lambda: stiefel.exponential(2 * torch.eye(2)[:, :1], torch.ones(2, 1)), "X must be"),
        (lambda: stiefel.exponential(torch.eye(2), 1e9 * torch.tensor([[0.0, 1], [-1, 0]])), "xi"),
        (lambda: stiefel.tangent(torch.eye(2), torch.eye(2).double()), "Z must be torch.float32"),
        (lambda: networks.initial_weights("orthogonal", 2, 3, dtype=torch.int64), "dtype"),
        (lambda: spectra.compare(laws.Bernoulli(0.5), [0, 1], atom_tol=-1), "atom_tol"),
        (lambda: laws.MultiplicativeBrownian(0), "c must be positive"),
    ],
)
def test_what_would_be_wrong_is_refused(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_a_nan_is_not_hidden_by_a_slope():
    for name in activations.NAMES:
        act = activations.get(name)
        if name != "linear":  # whose slope is 1 whatever comes
            assert np.isnan(act.slope(np.array([np.nan])))
            assert torch.isnan(act.slope(torch.tensor([np.nan])))
    net = networks.MLP(depth=30, width=64, activation="relu", sigma_w2=8, seed=0)
    with pytest.raises(ValueError, match="not finite"):  # it was 0: h overflows, then is nan
        spectra.singular_values(net, 1e30 * torch.ones(1, 64))


def test_extreme_sizes_are_right():
    assert soft.so_flow([0.0, 1e-200, 1e-10], 1e3).tolist() == [0.0, 1.0, 1.0]
    for scale in (1e-30, 1e30):
        one = orthogonality.newton_schulz(scale * torch.eye(2), 40, (1.5, -0.5, 0.0))
        assert torch.allclose(one, torch.eye(2), atol=1e-5)
    assert 0 < laws.SquaredSlope("tanh", 1e-8).variance < 1e-15
    assert laws.MarchenkoPastur(1e-20).variance == pytest.approx(1e-20, rel=1e-5)
    assert (laws.Semicircle(1e-20) + laws.PointMass(1)).variance == pytest.approx(1e-20)
    logs = products.log_singular_values([np.diag([1e3, 1e-3])] * 200) / np.log(10)
    assert logs == pytest.approx([600, -600])
    assert residual.residual(0.0, 1.1, 3).atoms() == [(pytest.approx(1.1**6), 1.0)]
    six = activations.Activation("six", lambda x: 6 * x, lambda x: 6 + 0 * x)
    assert residual.cumulant_sigma_w2(six, 10, 0.5) == pytest.approx(0.5 / 36)


def test_a_block_of_a_convolution_has_the_sign_of_the_book():
    kernel = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    block = soft.conv_blocks(kernel, 5)[1, 2, 0, 0]
    wave = np.exp(2j * np.pi * (np.arange(3)[:, None] + 2 * np.arange(3)) / 5)
    assert abs(block.item() - (kernel[0, 0].numpy() * wave).sum()) < 1e-5
