"""Chapter 18: orthogonalised updates beside momentum and Adam, from two starts.

A deep tanh network on MNIST. Only the rule for the hidden weights differs; the other parameters
are trained by Adam at one rate everywhere. Every rule has its own grid of rates, from which one
seed chooses for each start; fresh seeds are then trained at that rate.
"""

import torch

from isolib import activations, data, meanfield, scale
from isolib.networks import MLP
from isolib.orthogonality import newton_schulz
from isolib.training import minibatches

STARTS = ("orthogonal", "gaussian")
Q, OTHERS = 0.025, 1e-3  # where tanh is critical, and the rate of what is not hidden
SEARCH = 100  # the seed on which the rates are chosen; it is not among the others


def momentum(g, s, t):
    s["v"] = s["v"].mul_(0.9).add_(g) if t > 1 else g.clone()
    return s["v"]


def adam(g, s, t):
    s["m"] = s["m"].lerp_(g, 0.1) if t > 1 else 0.1 * g
    s["a"] = s["a"].mul_(0.999).addcmul_(g, g, value=1e-3) if t > 1 else 1e-3 * g * g
    return s["m"] / (1 - 0.9**t) / ((s["a"] / (1 - 0.999**t)).sqrt() + 1e-8)


def quintic(g, s, t):
    v = momentum(g, s, t)
    return newton_schulz(v.flatten(0, 1)).view_as(v)


RULES = {
    "momentum": (momentum, (0.001, 0.003, 0.01, 0.03)),
    "Adam": (adam, (3e-5, 1e-4, 3e-4, 1e-3)),
    "quintic": (quintic, (3e-4, 1e-3, 3e-3, 1e-2)),
}


def spectrum(net, stack, i, x):
    """The singular values of J of network i, averaged over x after sorting."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(stack[name][i])
        return torch.linalg.svdvals(net.jacobian(x)).mean(0)


def train(rule, runs, shape, images, steps, log):
    """Loss, accuracy (runs, times) and spectra before and after, for each (start, lr, seed)."""
    nets = [MLP(weights=start, seed=seed, **shape) for start, _, seed in runs]
    stack = {k: torch.stack([dict(n.named_parameters())[k].detach() for n in nets])
             for k, _ in nets[0].named_parameters()}  # fmt: skip
    rates = torch.tensor([lr for _, lr, _ in runs]).view(-1, 1, 1, 1)
    x, y, xt, yt = images
    draws = [minibatches(len(x), 64, torch.Generator().manual_seed(s)) for *_, s in runs]
    state = {k: {} for k in stack}
    before = [spectrum(nets[0], stack, i, xt[:8]).tolist() for i in range(len(runs))]
    loss, accuracy, mean = [], [], None
    for step in range(steps + 1):
        if step in log:
            with torch.no_grad():
                out = nets[0].stacked(stack, xt.expand(len(runs), *xt.shape))
            accuracy.append((out.argmax(-1) == yt).float().mean(1).tolist())
        for p in stack.values():
            p.requires_grad_()
        i = torch.stack([next(d) for d in draws])
        out = nets[0].stacked(stack, x[i])
        now = torch.nn.functional.cross_entropy(
            out.flatten(0, 1), y[i].flatten(), reduction="none"
        ).view(len(runs), -1).mean(1)  # fmt: skip
        grads = torch.autograd.grad(now.sum(), list(stack.values()))
        seen = now.detach()
        mean = seen if mean is None else 0.98 * mean + 0.02 * seen  # over about 50 batches
        if step in log:
            loss.append(mean.tolist())
        for (k, p), g in zip(stack.items(), grads, strict=True):
            g = g.nan_to_num(0.0, 0.0, 0.0).clamp(-1e3, 1e3)  # a network that diverged stays away
            p = p.detach()
            if k == "weight":
                p.sub_(rates * rule(g, state[k], step + 1))
            else:
                p.sub_(OTHERS * adam(g, state[k], step + 1))
            stack[k] = p
    after = [spectrum(nets[0], stack, i, xt[:8]).tolist() for i in range(len(runs))]
    return {"loss": torch.tensor(loss).T.tolist(), "accuracy": torch.tensor(accuracy).T.tolist(),
            "before": before, "after": after}  # fmt: skip


def run():
    depth, width = scale.pick(test=(5, 16), laptop=(30, 64), paper=(100, 200))
    steps = scale.pick(test=20, laptop=200, paper=3000)
    seeds = list(range(scale.pick(test=2, laptop=5, paper=10)))
    log = sorted({round(steps * k / 10) for k in range(11)})
    found = data.images("mnist")
    keep = scale.pick(test=200, laptop=1000, paper=10_000)
    images = [torch.as_tensor(a) for a in (found.x_train, found.y_train)]
    images += [torch.as_tensor(a[:keep]) for a in (found.x_test, found.y_test)]
    sigma_w2, sigma_b2 = meanfield.critical_point(activations.get("tanh"), Q)
    shape = {"depth": depth, "width": width, "activation": "tanh", "sigma_w2": sigma_w2,
             "sigma_b2": sigma_b2, "inputs": images[0].shape[1], "outputs": 10}  # fmt: skip
    out = {"data": found.name, "depth": depth, "width": width, "steps": log, "batch": 64,
           "images": keep, "sigma_w2": sigma_w2, "starts": STARTS, "rules": {}}  # fmt: skip
    for name, (rule, rates) in RULES.items():
        search = [(start, lr, SEARCH) for start in STARTS for lr in rates]
        tried = train(rule, search, shape, images, steps, {steps})["loss"]
        tried = torch.tensor(tried).view(len(STARTS), len(rates)).nan_to_num(9.9)
        best = [rates[i] for i in tried.argmin(1)]
        print(f"  {name}: rates {best}, tried {tried.tolist()}", flush=True)
        runs = [(start, lr, s) for start, lr in zip(STARTS, best, strict=True) for s in seeds]
        got = train(rule, runs, shape, images, steps, set(log))
        out["rules"][name] = {"rates": rates, "tried": tried.tolist(), "best": best} | {
            k: torch.tensor(v).view(len(STARTS), len(seeds), -1).tolist() for k, v in got.items()
        }
    return out, [SEARCH, *seeds]
