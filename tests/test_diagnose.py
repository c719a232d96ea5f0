"""`spectra.diagnose`: known spectra, the right stage and words, and a model left as it was."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from isolib import _stages, spectra
from isolib._findings import free_spread
from isolib.networks import MLP, ConvNet, ResidualMLP
from isolib.spectra import diagnose

WIDTH = 24


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def linear_with(values):
    """A linear layer with these singular values."""
    layer = nn.Linear(len(values), len(values), bias=False).double()
    with torch.no_grad():
        q = [torch.linalg.qr(draw(len(values), len(values), seed=s).double())[0] for s in (1, 2)]
        layer.weight.copy_(q[0] @ torch.diag(torch.tensor(values).double()) @ q[1])
    return layer


def orthogonal(depth, gain=1.0, phi=None, width=WIDTH):
    torch.manual_seed(0)
    layers = [nn.Linear(width, width, bias=False) for _ in range(depth)]
    for layer in layers:
        nn.init.orthogonal_(layer.weight, gain)
    return nn.Sequential(*[nn.Sequential(m, phi) if phi else m for m in layers])


class Residual(nn.Module):
    def __init__(self, alpha, width=WIDTH, bias=False):
        super().__init__()
        self.w, self.alpha = nn.Linear(width, width, bias=bias), alpha

    def forward(self, x):
        return x + self.alpha * torch.relu(self.w(x))


def said(d, words):
    return any(words in text for text in d.findings)


# ---- known spectra ----------------------------------------------------------------------------
def test_the_spectrum_of_a_linear_layer():
    values = [3.0, 2.0, 1.0, 0.5, 1e-5]
    d = diagnose(linear_with(values), draw(3, 5).double())
    assert torch.allclose(
        d.singular_values, torch.tensor(values).double().expand(3, 5), atol=1e-12
    )
    squares = np.array(values) ** 2
    assert np.isclose(d.whole.mean, squares.mean())
    assert np.isclose(d.whole.spread, squares.var() / squares.mean() ** 2)
    assert np.isclose(d.whole.condition, 3e5) and np.isclose(d.whole.dead, 0.2)
    assert d.whole.s_max == pytest.approx(3) and d.trunk is None


@pytest.mark.parametrize("kind", [MLP, ResidualMLP])
def test_the_books_networks_agree_with_singular_values(kind):
    net = kind(depth=6, width=20, activation="tanh", inputs=7, outputs=3, seed=0)
    x = draw(4, 7)
    d = diagnose(net, x)
    assert torch.allclose(d.singular_values, spectra.singular_values(net, x), atol=1e-5)
    assert [s.name for s in d.stages] == ["input"] + [f"layer {k}" for k in range(1, 7)]


def test_a_convolution_agrees_with_singular_values():
    net = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.Flatten())
    x = draw(2, 2, 7, 7)
    d = diagnose(net, x)
    assert d.whole.shape == (16, 98)  # not square
    assert torch.allclose(d.singular_values, spectra.singular_values(net, x), atol=1e-5)
    ours = ConvNet(depth=3, channels=3, seed=0)
    x = draw(2, 3, 4, 4)
    assert torch.allclose(
        diagnose(ours, x).singular_values, spectra.singular_values(ours, x), atol=1e-5
    )


@pytest.mark.parametrize("first", [True, False])
def test_a_transformer_of_torch(first):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=first)
    model = nn.TransformerEncoder(layer, 5, enable_nested_tensor=False)
    x = draw(3, 4, 8)
    d = diagnose(model, x)
    assert d.whole.shape == (32, 32) and len(d.stages) == 6 and d.trunk is None
    assert torch.allclose(d.singular_values, spectra.singular_values(model, x), atol=1e-4)


# ---- stages -----------------------------------------------------------------------------------
def test_means_multiply_and_the_worst_stage_is_named():
    model = orthogonal(8)
    with torch.no_grad():
        model[5].weight.normal_(0, 3 / WIDTH**0.5)
    d = diagnose(model, draw(4, WIDTH), directions=16)
    assert d.worst == "5" and len(d.stages) == 9
    assert np.isclose(np.prod([s.mean for s in d.stages]), d.whole.mean, rtol=0.15)
    others = [s for s in d.stages[1:] if s.name != "5"]
    assert all(abs(s.mean - 1) < 1e-5 and s.spread < 1e-5 for s in others)
    assert np.isclose(d.stages[6].spread, 1, atol=0.3)  # Gaussian, n = 24
    assert said(d, "most of it in '5'")
    # the gradient does not change before the bad stage, nor after
    g = np.array([s.gradient for s in d.stages])
    assert np.allclose(g[:6], g[0], rtol=1e-5) and np.allclose(g[6:], g[6], rtol=1e-5)
    assert np.isclose(d.gradient_growth, g[0] / g[-1])


def test_skips_inside_a_block_are_stages_and_skips_around_one_are_not():
    class Outside(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(5))

        def forward(self, x):
            for layer in self.layers:
                x = x + torch.tanh(layer(x))
            return x

    inside = diagnose(nn.Sequential(*[Residual(0.2) for _ in range(5)]), draw(4, WIDTH))
    assert len(inside.stages) == 6 and all(s.skip > 0.8 for s in inside.stages[1:])
    outside = diagnose(Outside(), draw(4, WIDTH))
    assert [s.name for s in outside.stages] == ["input", "output"]
    assert said(outside, "No submodule carries the whole signal")


def test_stages_by_name_and_the_trunk():
    net = nn.Sequential(nn.Linear(5, WIDTH), orthogonal(6), nn.Linear(WIDTH, 3))
    d = diagnose(net, draw(2, 5))
    assert d.trunk.name == "0 → 1.5" and d.trunk.shape == (WIDTH, WIDTH)
    assert torch.allclose(d.trunk.values, torch.ones(2, WIDTH), atol=1e-5)
    d = diagnose(net, draw(2, 5), stages=["0", "1.2", "1.5"])
    assert [s.name for s in d.stages] == ["input", "0", "1.2", "1.5", "output"]


def test_an_activation_called_often_and_one_in_place():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.phi = nn.Linear(6, 6), nn.Linear(6, 6), nn.ReLU(inplace=True)

        def forward(self, x):
            return self.phi(self.b(self.phi(self.a(x))))

    model, x = Shared(), draw(2, 6)
    d = diagnose(model, x)
    assert torch.allclose(d.singular_values, spectra.singular_values(model, x), atol=1e-6)
    assert [s.name for s in d.stages] == ["input", "phi", "phi (2)"]


def test_random_directions_estimate_mean_and_spread():
    """E‖Jᵀu‖² and E‖JJᵀu‖² are exact in the mean: the error is that of 400 directions."""
    model = nn.Sequential(linear_with(list(np.linspace(0.1, 2, 12))), nn.Linear(12, 7).double())
    x = draw(1, 12).double()
    exact = diagnose(model, x).whole
    probed = diagnose(model, x, max_bytes=8, directions=400).whole
    assert probed.values is None and np.isnan(probed.condition)
    assert np.isclose(probed.mean, exact.mean, rtol=4 * (2 * exact.spread / 9 / 400) ** 0.5)
    assert np.isclose(probed.spread, exact.spread, rtol=0.2)
    assert np.isclose(probed.s_max, exact.s_max, rtol=1e-3) and probed.s_max < exact.s_max * 1.0001
    assert "random directions only" in str(probed)


# ---- findings ---------------------------------------------------------------------------------
def test_nothing_to_mend():
    d = diagnose(orthogonal(20), draw(3, WIDTH))
    assert len(d.findings) == 1 and d.findings[0].startswith("Nothing to mend")
    assert "stage" in repr(d) and "→ Nothing to mend" in repr(d) and "more" in repr(d)


@pytest.mark.parametrize(
    ("gain", "verb", "factor"), [(0.5, "vanishes", "2"), (2.0, "explodes", "0.5")]
)
def test_the_gain_that_mends_a_homogeneous_network(gain, verb, factor):
    d = diagnose(orthogonal(10, gain), draw(2, WIDTH))
    assert said(d, f"The gradient {verb}") and said(d, f"by about {factor} ")


def test_unscaled_branches():
    torch.manual_seed(0)
    blocks = nn.Sequential(*[Residual(2.4) for _ in range(20)])
    d = diagnose(blocks, draw(2, WIDTH))
    assert said(d, "explodes") and said(d, "weaken the residual branches")


def test_a_shared_direction_is_told_from_spread():
    """ReLU branches push the mean over neurons in every layer; their spreads do not add up."""
    torch.manual_seed(0)
    blocks = [Residual(0.25, width=100) for _ in range(60)]
    for block in blocks:
        nn.init.normal_(block.w.weight, std=0.1)
    d = diagnose(nn.Sequential(*blocks), draw(2, 100))
    assert said(d, "not free of each other") and said(d, "times the next")
    gaussian = [nn.Linear(200, 200, bias=False) for _ in range(10)]
    for layer in gaussian:
        nn.init.normal_(layer.weight, std=200**-0.5)
    d = diagnose(nn.Sequential(*gaussian), draw(2, 200))
    assert not said(d, "not free") and said(d, "squared. Change: orthogonal")


def test_a_chain_of_linear_layers_and_activations_is_counted_by_its_matrices():
    """20 ReLU layers that keep 0.288 each, spelt flat: 40 stages, 20 factors, an exact cure."""
    torch.manual_seed(0)
    flat = [f for _ in range(20) for f in (nn.Linear(50, 50, bias=False), nn.ReLU())]
    for layer in flat[::2]:
        nn.init.normal_(layer.weight, std=(2 * 0.288 / 50) ** 0.5)
    x, flat = draw(2, 50), nn.Sequential(*flat)
    d = diagnose(flat, x)
    assert len(d.stages) == 41 and said(d, "for each of 20 weight matrices")
    factor = float(re.search(r"by about ([\d.]+) \(exact", " ".join(d.findings))[1])
    with torch.no_grad():
        for p in flat.parameters():
            p *= factor
    assert diagnose(flat, x).whole.mean == pytest.approx(1, rel=0.2)  # 1.87 has three digits
    smooth = diagnose(nn.Sequential(orthogonal(8, 0.5), nn.GELU(), orthogonal(8, 0.5)), x[:, :24])
    assert said(smooth, "for each of 16 weight matrices") and said(smooth, "a first guess")


def test_the_spread_of_free_rectangular_factors():
    """Orthogonal 100 → 30 → 100: stages without spread, and a whole of spread 100/30 − 1."""
    torch.manual_seed(0)
    narrow = nn.Sequential(nn.Linear(100, 30), nn.Linear(30, 100))
    gaussian = diagnose(narrow, draw(2, 100), directions=64)
    predicted = free_spread([100, 30, 100], [s.spread for s in gaussian.stages[1:]])
    assert gaussian.whole.spread == pytest.approx(predicted, rel=0.1)  # one draw, k = 30
    for layer in narrow:
        nn.init.orthogonal_(layer.weight)
    d = diagnose(narrow, draw(2, 100))
    assert d.whole.spread == pytest.approx(100 / 30 - 1, rel=1e-4)
    assert d.whole.condition == np.inf and "below rounding" in str(d.whole)
    for found in (gaussian, d):
        assert said(found, "the sizes alone make 2.3") and said(found, "'0' has only 30 numbers")
        assert not said(found, "not free") and not said(found, "branches")


def test_widths_that_alternate_without_skips():
    torch.manual_seed(0)
    parts = [(nn.Linear(a, b), nn.ReLU()) for _ in range(6) for a, b in ((64, 256), (256, 64))]
    for layer, _ in parts:
        nn.init.kaiming_normal_(layer.weight)
    d = diagnose(nn.Sequential(*[f for pair in parts for f in pair]), draw(3, 64))
    assert said(d, "are spread") and not said(d, "branches") and not said(d, "not free")
    sizes, spreads = [s.size for s in d.stages], [s.spread for s in d.stages[1:]]
    # 24 factors at n = 64, one draw
    assert d.whole.spread == pytest.approx(free_spread(sizes, spreads), rel=0.4)


@pytest.mark.parametrize("tied", [True, False])
def test_tied_weights_are_not_free_and_no_mean_is_blamed_for_it(tied):
    class Tied(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return x + 0.2 * torch.tanh(self.layer(x))

    torch.manual_seed(0)
    layers = [nn.Linear(64, 64, bias=False) for _ in range(20)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=1 / 8)
    blocks = nn.Sequential(*[Tied(layers[0] if tied else layer) for layer in layers])
    d = diagnose(blocks, 0.1 * draw(2, 64))
    assert said(d, "not free of each other") == said(d, "or shared weights") == tied


def test_a_recurrent_layer_gets_no_factor():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.out = nn.LSTM(32, 64, 2, batch_first=True), nn.Linear(64, 10)

        def forward(self, x):
            return self.out(self.rnn(x)[0][:, -1])

    d = diagnose(Last(), draw(3, 8, 32))
    assert d.whole.mean < 0.1 and said(d, "The mean of s² is")
    assert not any(said(d, words) for words in ("multiply", "branches", "orthogonal", "vanishes"))


def test_what_a_layer_norm_takes_is_not_a_finding():
    torch.manual_seed(0)
    model = nn.Sequential(*[Residual(0.2) for _ in range(5)], nn.LayerNorm(WIDTH))
    d = diagnose(model, draw(3, WIDTH))
    assert d.whole.dead == pytest.approx(2 / WIDTH) and d.whole.condition == np.inf
    assert not said(d, "do not pass") and not said(d, "orthogonal")
    one = diagnose(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)), draw(1, WIDTH))
    assert one.whole.condition == np.inf and "–" in repr(one) and "nan" not in repr(one)


def test_dead_directions_and_inputs_alike():
    narrow = nn.Sequential(nn.Linear(20, 5), nn.Linear(5, 20))
    assert np.isclose(diagnose(narrow, draw(1, 20)).whole.dead, 0.75)
    torch.manual_seed(0)
    ordered = nn.Sequential(*[nn.Sequential(nn.Linear(50, 50), nn.Tanh()) for _ in range(20)])
    assert said(diagnose(ordered, draw(4, 50)), "The inputs have become alike")


def test_batch_normalisation_before_its_first_batch():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    assert said(diagnose(model, draw(2, 8)), "has seen no batch")
    model(draw(16, 8))
    assert not said(diagnose(model, draw(2, 8)), "has seen no batch")


def test_a_jacobian_that_is_zero():
    class Zero(nn.Module):
        def forward(self, x):
            return 0 * x

    assert said(diagnose(Zero(), draw(2, 3)), "The Jacobian is zero")


# ---- the model is left alone ------------------------------------------------------------------
def test_everything_is_put_back_and_the_answer_repeats():
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(32, 4),
    )  # fmt: skip
    model(draw(8, 1, 4, 4)).sum().backward()
    model.train()
    model[1].eval()  # a mixture of modes
    model[0].weight.requires_grad_(False)
    calls = []
    model[2].register_forward_hook(lambda *a: calls.append(1))
    before = copy.deepcopy(model.state_dict())
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    modes = [m.training for m in model.modules()]
    hooks = [len(m._forward_hooks) for m in model.modules()]
    state, x = torch.get_rng_state(), draw(3, 1, 4, 4)
    kept = x.clone()
    with torch.no_grad():
        one, two = diagnose(model, x), diagnose(model, x)
    assert repr(one) == repr(two) and torch.equal(one.singular_values, two.singular_values)
    assert torch.equal(state, torch.get_rng_state()) and torch.equal(x, kept)
    assert not x.requires_grad and x.grad is None
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes
    assert [len(m._forward_hooks) for m in model.modules()] == hooks and calls
    assert [p.requires_grad for p in model.parameters()] == [False] + [True] * 5
    for p, g in zip(model.parameters(), grads, strict=True):
        assert (p.grad is None) == (g is None) and (g is None or torch.equal(p.grad, g))


def test_the_model_is_put_back_after_an_error():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    model.train()
    with pytest.raises(ValueError, match="could not be applied"):
        diagnose(model, draw(2, 5))
    assert model.training and not model[0]._forward_hooks


def test_noise_in_the_forward_pass_does_not_move_the_global_generator():
    class Noisy(nn.Module):
        def forward(self, x):
            return x * (1 + torch.rand(1))

    state = torch.get_rng_state()
    assert diagnose(Noisy(), draw(2, 3)).whole.mean == diagnose(Noisy(), draw(2, 3)).whole.mean
    assert torch.equal(state, torch.get_rng_state())


# ---- bad input --------------------------------------------------------------------------------
class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Detached(nn.Module):
    def forward(self, x):
        return x.detach() * torch.ones(1, requires_grad=True)


class Root(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.log = nn.Linear(3, 3), nn.Identity()

    def forward(self, x):
        return self.log(torch.log(-self.layer(x).abs()))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean()


def poisoned():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight.data[0, 1] = torch.nan
    return model


@pytest.mark.parametrize(
    ("model", "x", "words"),
    [
        (nn.Embedding(10, 4), torch.tensor([[1, 2]]), "token ids, pass their embeddings"),
        (nn.Linear(3, 3), torch.zeros(2, 5), r"could not be applied to x of shape \(2, 5\)"),
        (nn.Linear(3, 3), torch.full((2, 3), torch.nan), "x must be finite"),
        (nn.Linear(3, 3), torch.zeros(0, 3), "batch > 0"),
        (poisoned(), torch.zeros(2, 3), "'1.weight' of the model must be finite"),
        (Root(), torch.ones(2, 3), "the output of 'log' is not finite"),
        (Pair(), torch.ones(2, 3), "must return one tensor, got tuple"),
        (Mean(), torch.ones(2, 3), "must map a batch to a batch"),
        (Detached(), torch.ones(2, 3), "does not depend on x"),
        (nn.Linear(3, 3), None, "x must be a tensor or an array"),
        (torch.tanh, torch.ones(2, 3), "model must be a torch.nn.Module, got builtin"),
    ],
)
def test_bad_input(model, x, words):
    with pytest.raises(ValueError, match=words):
        diagnose(model, x)


def test_bad_options():
    with pytest.raises(ValueError, match="stages must name submodules of the model, got 7"):
        diagnose(nn.Sequential(nn.Tanh()), draw(2, 3), stages=["7"])
    with pytest.raises(ValueError, match="directions must be"):
        diagnose(nn.Tanh(), draw(2, 3), directions=0)


def test_inference_mode_recurrent_layers_and_half_precision():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.out = nn.LSTM(5, 7, batch_first=True), nn.Linear(7, 3)

        def forward(self, x):
            return self.out(self.rnn(x)[0][:, -1])

    model, x = Last(), draw(2, 6, 5)
    with torch.inference_mode():
        d = diagnose(model, draw(2, 6, 5))
    assert [s.name for s in d.stages] == ["input", "rnn", "out"]
    j = torch.autograd.functional.jacobian(lambda u: model(u[None])[0], x[1]).reshape(3, 30)
    assert torch.allclose(d.singular_values[1], torch.linalg.svdvals(j), atol=1e-6)
    assert diagnose(orthogonal(3).bfloat16(), draw(2, WIDTH)).whole.mean == pytest.approx(
        1, abs=0.02
    )


def test_a_module_without_parameters():
    d = diagnose(nn.Tanh(), draw(2, 3))
    exact = (1 - torch.tanh(draw(2, 3)) ** 2).sort(1, descending=True).values
    assert torch.allclose(d.singular_values, exact, atol=1e-6)


def test_the_largest_submodule_is_opened():
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = orthogonal(6), nn.Linear(WIDTH, 2)

    assert _stages.submodules(Head()) == [f"body.{i}" for i in range(6)] + ["head"]


# ---- the page and the stored run speak of the same models -------------------------------------
@pytest.mark.parametrize("name", ["PlainCNN", "ResNet", "Encoder"])
def test_the_page_has_the_models_of_the_experiment(name):
    from experiments import in_practice

    page = Path(__file__).parent.parent / "book" / "training" / "in-practice.md"
    code = r"^```\{code-cell\} ipython3\n(class (?:PlainCNN|Block|ResNet|Layer|Encoder)\(.*?)^```"
    scope = {"nn": nn, "torch": torch}
    for cell in re.findall(code, page.read_text(encoding="utf-8"), re.M | re.S):
        exec(cell, scope)
    outputs = []
    for made in (scope[name], getattr(in_practice, name)):
        torch.manual_seed(0)
        x = draw(2, 8, 8) if name == "Encoder" else draw(2, 1, 8, 8)
        outputs.append(made(3)(x))
    assert torch.equal(*outputs)
