"""The recurrent network: stacks, its Jacobian, penalties in a sweep, and what bad input gets."""

import math

import numpy as np
import pytest
import torch

from isolib import networks, training
from isolib.networks import RNN, initial_weights
from isolib.orthogonality import SpectralMargin, gain_adjusted, so
from isolib.pages.recurrent_networks import critical_gain, lengths_in_time

DOUBLE = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def net(**changes):
    given = dict(width=6, inputs=3, gain=1.2, sigma_b2=0.1, outputs=4, seed=0, dtype=DOUBLE)
    return RNN(**given | changes)


def stack(nets):
    names = [k for k, _ in nets[0].named_parameters()]
    return {k: torch.stack([n.get_parameter(k) for n in nets]) for k in names}


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("outputs", [None, 4])
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sin"])
def test_a_stack_computes_what_its_networks_compute(activation, hard, outputs, every_step):
    nets = [net(seed=s, activation=activation, hard=hard, outputs=outputs, every_step=every_step)
            for s in range(3)]  # fmt: skip
    for i, n in enumerate(nets):
        if hard:
            n.skew.data = draw(6, 6, seed=i)
    x = draw(3, 2, 5, 3)
    together = nets[0].stacked(stack(nets), x)
    assert together.shape == (3, 2, *[5] * every_step, outputs or 6)
    for i, n in enumerate(nets):
        assert torch.allclose(together[i], n(x[i]), atol=1e-13)
        h = n.hidden(x[i])[:, 1:]
        out = h if outputs is None else h @ n.weight_out.T + n.bias_out
        assert torch.allclose(together[i], out if every_step else out[:, -1], atol=1e-13)


@pytest.mark.parametrize("weights", ["orthogonal", "gaussian", "glorot"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
def test_the_jacobian_is_that_of_autograd_at_every_step(activation, weights):
    n = net(activation=activation, weights=weights)
    x, h0 = draw(2, 4, 3), draw(2, 6, seed=1)
    j = n.jacobian(x, h0, every_step=True)
    assert j.shape == (2, 4, 6, 6)
    for i in range(2):
        for t in range(4):
            exact = torch.func.jacrev(lambda h, i=i, t=t: n.hidden(x[i : i + 1], h)[0, t + 1])
            assert torch.allclose(j[i, t], exact(h0[i : i + 1])[:, 0].detach(), atol=1e-13)
    assert torch.equal(n.jacobian(x, h0), j[:, -1])
    # no h0 is h0 = 0, and one for all is one for each
    assert torch.allclose(n.jacobian(x), n.jacobian(x, torch.zeros(6)))
    assert torch.allclose(n.hidden(x), n.hidden(x, torch.zeros(6)))
    assert n.hidden(x, h0).shape == (2, 5, 6) and torch.equal(n.hidden(x, h0)[:, 0], h0)


def test_the_order_of_the_factors_and_fresh_matrices():
    n, x = net(), draw(1, 3, 3)
    fresh = initial_weights("gaussian", 3, 6, seed=5, dtype=DOUBLE)
    d = n.activation.slope(n.preactivations(x, recurrent=fresh))[0].detach()
    wanted = (
        torch.diag(d[2]) @ fresh[2] @ torch.diag(d[1]) @ fresh[1] @ torch.diag(d[0]) @ fresh[0]
    )
    assert torch.allclose(n.jacobian(x, recurrent=fresh)[0], wanted, atol=1e-14)
    same = n.weight.detach().expand(3, 6, 6)
    assert torch.allclose(n.jacobian(x, recurrent=same), n.jacobian(x), atol=1e-14)


def test_the_start():
    for kind in ("orthogonal", "gaussian", "glorot"):
        n = RNN(width=300, inputs=200, gain=1.3, sigma_u2=0.5, sigma_b2=0.2, weights=kind, seed=1)
        s = torch.linalg.svdvals(n.weight.detach())
        assert abs(s.square().mean() - 1.69) < 0.03  # 300² entries
        assert abs(n.weight_in.var() - 0.5 / 200) < 1e-4 and abs(n.bias.var() - 0.2) < 0.05
        if kind == "orthogonal":
            assert torch.allclose(s, torch.full_like(s, 1.3), atol=1e-5)
        if kind == "glorot":
            assert n.weight.abs().max() <= math.sqrt(3 * 1.69 / 300)
    assert RNN(width=4, inputs=2).gain == 1.0 and networks.RNN is RNN
    assert RNN(width=4, inputs=2, sigma_w2=1.44).gain == pytest.approx(1.2)
    one, two = net(hard=True), net()
    assert torch.equal(one.weight, two.weight) and torch.equal(one(draw(1, 2, 3)),
                                                               two(draw(1, 2, 3)))  # fmt: skip


def test_a_hard_constraint_holds_the_gain_and_moves():
    n, x = net(hard=True), draw(8, 5, 3)
    start, update = n.weight.detach().clone(), torch.optim.Adam(n.parameters(), lr=0.1)
    for _ in range(30):
        update.zero_grad()
        (n(x) - 1).square().mean().backward()
        update.step()
    w = n.recurrent().detach()
    assert torch.allclose(w.T @ w, 1.44 * torch.eye(6, dtype=DOUBLE), atol=1e-12)
    assert torch.equal(n.weight, start) and (w - start).norm() > 0.1


def test_parametrisations_of_torch_and_ours():
    for register in (
        lambda n: torch.nn.utils.parametrizations.orthogonal(n, "weight"),
        lambda n: torch.nn.utils.parametrize.register_parametrization(
            n, "weight", SpectralMargin(0.1)
        ),
    ):
        n, x = net(gain=1.0), draw(2, 5, 3)
        before = n(x)
        register(n)
        assert torch.allclose(n(x), before, atol=1e-2)
        s = torch.linalg.svdvals(n.recurrent())
        assert s.max() < 1.1 and s.min() > 0.9 and n.jacobian(x).shape == (2, 6, 6)


def penalty(p, runs):
    strength, target = torch.tensor([[r["strength"], r["target"]] for r in runs], dtype=DOUBLE).T
    return strength * so(p["weight"] / target[:, None, None])


def build(strength=0.0, target=1.0, **run):
    return net(**run)


def test_a_sweep_with_penalties_is_each_run_alone():
    x, y = draw(64, 4, 3), torch.randint(4, (64,), generator=torch.Generator().manual_seed(2))
    runs = [dict(seed=s, lr=0.01, strength=a, target=b)
            for s in (0, 1) for a, b in ((0.0, 1.0), (0.5, 1.0), (2.0, 1.2))]  # fmt: skip
    seen = {}

    def watch(step, p, group):
        assert not p["weight"].requires_grad and group == runs
        seen[step] = p["weight"].clone()

    found = training.Sweep(build, runs, x, y, steps=5, batch_size=16, optimiser="adam",
                           shape=["width"], penalty=penalty, watch=watch).run()  # fmt: skip
    assert sorted(seen) == list(found[0].step)
    for i, run in enumerate(runs):
        n = build(**{k: v for k, v in run.items() if k != "lr"})
        update = torch.optim.Adam(n.parameters(), lr=run["lr"])
        g = torch.Generator().manual_seed(run["seed"])
        torch.randperm(64, generator=g)  # the probe
        batches = training.minibatches(64, 16, g)
        for step in range(5):
            assert torch.allclose(n.weight, seen[step][i], atol=1e-9) if step in seen else True
            k = next(batches)
            value = torch.nn.functional.cross_entropy(n(x[k]), y[k])
            target = run["target"]
            value = value + run["strength"] * gain_adjusted(n.weight, target)
            update.zero_grad()
            value.backward()
            update.step()
        assert torch.allclose(n.weight, seen[5][i], atol=1e-9)
        # what is reported is the loss without the penalty
        wanted = torch.nn.functional.cross_entropy(n(x), y).item()
        assert found[i].loss[-1] == pytest.approx(wanted, abs=1e-9)
    plain = training.Sweep(build, runs[:1], x, y, steps=5, batch_size=16, optimiser="adam",
                           shape=["width"]).run()  # fmt: skip
    assert plain[0].loss[-1] == pytest.approx(found[0].loss[-1], abs=1e-12)


def test_a_stored_sweep_of_another_penalty_is_refused(tmp_path):
    x, y = draw(32, 4, 3), torch.zeros(32).long()
    runs = [dict(seed=0, lr=0.01, strength=0.5, target=1.0)]
    options = dict(steps=2, batch_size=8, shape=["width"])
    path = tmp_path / "sweep.jsonl"
    training.Sweep(build, runs, x, y, penalty=penalty, **options).run(path)
    with pytest.raises(ValueError, match="another sweep"):
        training.Sweep(build, runs, x, y, **options).run(path)


def test_the_penalties_have_the_gradients_of_the_text():
    w = draw(7, 7).requires_grad_()
    for g in (1.0, 1.025, 1.25):
        found = torch.autograd.grad(gain_adjusted(w, g), w)[0]
        m, one = w.detach(), torch.eye(7, dtype=DOUBLE)
        assert (found - 4 / g**2 * (m @ m.T / g**2 - one) @ m).abs().max() < 1e-10
        assert torch.allclose(gain_adjusted(w, g), so(w / g))  # a square W: either Gram matrix
    q = initial_weights("orthogonal", 1, 7, seed=0, dtype=DOUBLE)[0]
    assert gain_adjusted(1.25 * q, 1.25) < 1e-25


def test_lengths_in_time_and_the_critical_gain():
    from isolib import meanfield

    q, chi = lengths_in_time([0.3, 0.0, 0.1], 1.2, q0=0.2)
    wanted = meanfield.length_map("tanh", 1.44, 0.3, 0.2)
    assert q[0] == pytest.approx(wanted, rel=1e-8)
    assert chi[0] == pytest.approx(meanfield.chi("tanh", 1.44, wanted), rel=1e-8)
    assert lengths_in_time([0.0], 1.2)[1] == pytest.approx(1.44)  # h = 0 everywhere
    assert lengths_in_time(np.zeros((2, 5)), 1.0)[0].shape == (2, 5)
    # a long constant drive: the critical line, up to the first steps, when q is smaller
    sigma_w2, v = meanfield.critical_point("tanh", 0.5)
    assert critical_gain(np.full(20_000, v)) ** 2 == pytest.approx(sigma_w2, rel=1e-3)


BAD = [
    (dict(gain=0.0), "gain must be positive"),
    (dict(gain=-1.0), "gain must be positive"),
    (dict(gain=math.nan), "gain must be a real number, got nan"),
    (dict(sigma_w2=1.0), "gain or sigma_w2, not both"),
    (dict(gain=None, sigma_w2=0.0), "sigma_w2 must be positive"),
    (dict(width=0), "width"),
    (dict(inputs=0), "inputs"),
    (dict(outputs=0), "outputs"),
    (dict(sigma_b2=-1.0), "sigma_b2"),
    (dict(sigma_u2=0.0), "sigma_u2 must be positive"),
    (dict(weights="orthogonl"), "Did you mean 'orthogonal'"),
    (dict(activation="tahn"), "Did you mean 'tanh'"),
    (dict(hard=True, weights="gaussian"), "hard needs weights='orthogonal'"),
    (dict(dtype=torch.int64), "dtype must be a floating-point"),
    (dict(seed="one"), "seed"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        net(**changes)


@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 5, 4), (2, 0, 3), (1, 2, 5, 3)])
def test_sequences_of_the_wrong_shape(shape):
    n = net()
    for call in (n, n.hidden, n.jacobian):
        with pytest.raises(ValueError, match=r"x must have shape \(batch, time, 3\)"):
            call(torch.zeros(shape))
    if len(shape) != 4:
        with pytest.raises(ValueError, match=r"x must have shape \(count, batch, time, 3\)"):
            n.stacked(stack([n]), torch.zeros(shape))


def test_matrices_that_are_no_recurrent_matrices():
    x = draw(2, 5, 3)
    for name in ("nan", "inf"):
        n = net()
        n.weight.data[0, 0] = float(name)
        for call in (n.jacobian, n.hidden, n.preactivations):
            with pytest.raises(ValueError, match="weight must be finite"):
                call(x)
    for shape in ((6, 4), (4, 6)):  # tall, wide
        n = net()
        n.weight = torch.nn.Parameter(torch.zeros(shape, dtype=DOUBLE))
        with pytest.raises(ValueError, match=r"weight must be square, \(N, N\), got \("):
            n.jacobian(x)
        with pytest.raises(ValueError, match=r"recurrent must have shape \(time, N, N\)"):
            net().jacobian(x, recurrent=torch.zeros(5, *shape))
    with pytest.raises(ValueError, match=r"h0 must be finite, of shape \(6,\) or \(2, 6\)"):
        net().jacobian(x, torch.zeros(2, 5))
    with pytest.raises(ValueError, match="gain must be positive"):
        gain_adjusted(torch.eye(3), 0.0)
    with pytest.raises(ValueError, match="finite"):
        so(torch.full((3, 3), math.nan))


def test_drives_and_inputs_that_are_not_finite():
    with pytest.raises(ValueError, match="x must be finite"):
        net().jacobian(torch.full((1, 2, 3), math.nan))
    for bad in ([-0.1], [], 0.3):
        with pytest.raises(ValueError, match="drive must hold"):
            lengths_in_time(bad, 1.0)
    with pytest.raises(ValueError, match="drive must be finite"):
        lengths_in_time([math.nan], 1.0)
    with pytest.raises(ValueError, match="gain must be positive"):
        lengths_in_time([0.1], 0.0)


def test_printing():
    assert "gain=1.2" in repr(net()) and "hard=True" in repr(net(hard=True))
