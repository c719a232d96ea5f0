"""From an activation and a depth to an initialisation: `spectra.design`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from isolib import activations
from isolib._check import one_of, positive, positive_int
from isolib.gaussian import gaussian_mean
from isolib.meanfield import critical_point
from isolib.residual import cumulant_sigma_w2, residual, residual_outlier

if TYPE_CHECKING:
    from isolib.laws import Law

#: what code calls an activation, where it is not nn.functional.NAME
_TORCH = {
    "linear": "lambda h: h", "relu": "torch.relu", "hard_tanh": "nn.functional.hardtanh",
    "tanh": "torch.tanh", "erf": "torch.erf", "sigmoid": "torch.sigmoid", "sin": "torch.sin",
}  # fmt: skip

_CODE = """\
import torch
from torch import nn


class Stack(nn.Module):
    def __init__(self, width, depth={depth}, phi={phi}):
        super().__init__()
        self.phi = phi
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight, gain={gain:.9g})
            nn.init.normal_(layer.bias, std={std:.9g})

    def forward(self, x):  # mean square {x2:.6g} an entry keeps q = {q:.4g}
        for layer in self.layers:
            x = self.phi(layer(x))
        return x
"""


_RESIDUAL = """\
import torch
from torch import nn


class Stack(nn.Module):
    def __init__(self, width, depth={depth}, phi={phi}):
        super().__init__()
        self.phi = phi
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight, gain={gain:.9g})

    def forward(self, x):  # mean square 1 an entry
        for layer in self.layers:
            x = x + self.phi(layer(x))
        return x
"""


@dataclass(frozen=True)
class Design:
    """What `design` returns: an initialisation and what it promises.

    sigma_w2, sigma_b2: σ_w² and σ_b²; in a residual network WᵀW = (σ_w²/L) 1. weights:
    "orthogonal". q: the length of the pre-activations, in a residual network of the first ones.
    law: the predicted law of J Jᵀ; s_max: the largest singular value of it, atoms included.
    warnings: sentences, empty where there is nothing to warn of. code: a module in plain PyTorch.
    """

    sigma_w2: float
    sigma_b2: float
    weights: str
    q: float
    law: Law = field(repr=False)
    s_max: float
    warnings: list[str]
    code: str = field(repr=False)


def layer_variance(activation, q: float) -> float:
    """β = μ₂/μ₁² − 1, μ_k = E φ'(√q z)^{2k}: the variance an orthogonal layer adds.

    Example:
        >>> round(layer_variance("relu", 1.0), 12)
        1.0
    """
    act = activations.get(activation)
    mean = gaussian_mean(lambda h: act.slope(h) ** 2, q, act.kinks)
    return gaussian_mean(lambda h: (act.slope(h) ** 2 / mean) ** 2, q, act.kinks) - 1


def design(
    activation, depth: int, architecture: str = "feedforward", *, variance: float = 0.25
) -> Design:
    """The initialisation of a deep network whose Jacobian is as isometric as asked for.

    Feedforward: orthogonal weights on the critical line (χ = 1), with the largest length q ≤ 1 at
    which the predicted variance of J Jᵀ, L(μ₂/μ₁² − 1), is at most `variance`. Where no q does
    that, the point of the critical line with the least variance is returned, with a warning that
    says why. The prediction is for a width N ≫ depth. q is the largest one of a grid of lengths,
    refined by bisection towards the next, which is exact if the variance grows with q in between;
    s_max leaves out what has a mass too small for the law's grid.

    Residual, x + φ(Wx) with inputs of mean 0 and mean square 1: the σ_w² whose effective cumulant
    is c = `variance`/2, for the law then has variance/mean² = 2c. Its mean is e^c. Where a
    singular value is predicted to leave the law, a warning says so; s_max is the law's.

    Args:
        activation: a name or an `Activation`.
        depth: L, the number of hidden layers of equal width.
        architecture: "feedforward" or "residual".
        variance: the largest variance of the law of J Jᵀ over its mean squared, positive.

    Raises:
        ValueError: an argument out of range; an activation without any critical point, or (in a
            residual network) one that no σ_w² gives the wanted c.

    Source: Pennington, Schoenholz and Ganguli 2017, eqs. 6 and 22; 2018. Tarnowski et al. 2019.

    Example:
        >>> d = design("tanh", 100)
        >>> round(d.q, 4), round(d.sigma_w2, 4), round(d.law.variance, 3), round(d.s_max, 2)
        (0.0193, 1.0376, 0.25, 1.5)
    """
    act, depth = activations.get(activation), positive_int("depth", depth)
    variance = positive("variance", variance)
    if one_of("architecture", architecture, ("feedforward", "residual")) == "residual":
        return _residual(act, depth, variance)

    def costs(q, most=np.inf):
        """L v on the critical line, ∞ off it (which is not asked where L v is too large)."""
        try:
            cost = depth * layer_variance(act, q)
            if cost <= most:
                critical_point(act, q)
            return cost
        except ValueError:
            return np.inf

    q, cost = _largest(costs, variance)
    if not np.isfinite(cost):
        raise ValueError(
            f"{act.name} has no critical point at any q from 1e-10 to 1000: chi = 1 would need a "
            "negative sigma_b2; try an activation with phi(0) = 0"
        )
    w, b = critical_point(act, q)
    from isolib.spectra import feedforward

    law = feedforward(act, depth, w, q)
    s = law.singular_values()
    top = float(max([*s.edges(), *(x for x, _ in s.atoms())]))
    code = _CODE.format(
        depth=depth, phi=_phi(act), gain=np.sqrt(w), std=np.sqrt(b), x2=(q - b) / w, q=q
    )
    return Design(w, b, "orthogonal", q, law, top, _warnings(act, variance, q, cost, law), code)


def _residual(act, depth, variance):
    c = variance / 2
    w = cumulant_sigma_w2(act, depth, c)
    law = residual(c)
    top = float(law.singular_values().edges()[-1])
    t, beta = residual_outlier(act, depth, w, q1=w / depth)
    said, rate = [], float(t @ beta)  # ln s₁ ≈ rate + O(1)
    if rate > 0.3 * np.log(top):  # from here on it is seen outside at N = 300
        said.append(
            f"One singular value leaves the law: it grows like e^{rate:.3g} in s, and s_max, "
            f"{top:.3g}, leaves it out. Taking the mean over neurons off the branch cures it: "
            "y - y.mean(-1, keepdim=True)."
        )
    said += _unknown(act)
    code = _RESIDUAL.format(depth=depth, phi=_phi(act), gain=np.sqrt(w / depth))
    return Design(w, 0.0, "orthogonal", w / depth, law, top, said, code)


def _largest(costs, target):
    """(q, cost): the largest q ≤ 1 with costs(q) ≤ target; else the q of least cost."""
    grid = np.geomspace(1, 1e-10, 61)
    before = None
    for q in grid:
        if costs(q, target) <= target:
            for _ in range(32 if before else 0):
                middle = np.sqrt(q * before)
                good = costs(middle, target) <= target
                q, before = (middle, before) if good else (q, middle)
            return float(q), costs(q)
        before = q
    grid = np.concatenate([np.geomspace(1e3, 1.2, 40), grid])
    values = np.array([costs(q) for q in grid])
    near = np.flatnonzero(values <= values.min() * (1 + 1e-9))
    best = near[abs(np.log(grid[near])).argmin()]  # where every q is as good, the one next to 1
    q, before = grid[best], grid[min(best + 1, len(grid) - 1)]
    for _ in range(0 if np.isfinite(costs(before)) else 40):  # where the critical line begins
        middle = np.sqrt(q * before)
        q, before = (middle, before) if np.isfinite(costs(middle)) else (q, middle)
    return float(q), costs(q)


def _phi(act):
    """φ in plain torch; for an activation of the reader's own, an argument without default."""
    if act.name in ("leaky_relu", "elu"):
        alpha = act.slope(-1.0) if act.name == "leaky_relu" else -float(act.phi(-1e3))
        if act in (activations.get(act.name), activations.get(act.name, alpha=alpha)):
            return f"lambda h: nn.functional.{act.name}(h, {alpha:g})"
    if act.name not in activations.NAMES or act is not activations.get(act.name):
        return "None"
    return _TORCH.get(act.name, f"nn.functional.{act.name}")


def _warnings(act, target, q, cost, law):
    said = []
    if cost > target * (1 + 1e-9):
        tiny = layer_variance(act, 1e-9)
        why = f"{act.name} has no critical point at small q, because phi(0) = {act.phi(0.0):.3g}"
        if act.phi(0.0) == 0:
            why = f"the slope of {act.name} jumps at 0, and a layer keeps a relative variance of "
            why += f"{tiny:.3g} however small q is"
        said.append(
            f"The variance of J Jᵀ cannot be brought to {target:g}: the least on the critical "
            f"line is {cost:.3g}. The reason: {why}."
        )
    low = float(law.cdf(0.01))
    if low > 0.01:
        said.append(f"{low:.0%} of the singular values are predicted to lie below 0.1.")
    return said + _unknown(act)


def _unknown(act):
    known = _phi(act) != "None"
    return [] if known else [f"The code does not know {act.name}: hand it to Stack as phi."]
