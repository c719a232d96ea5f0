"""The four optimisers of a sweep, on a stack of parameters at once."""

from __future__ import annotations


def _momentum(g, s, t):
    s["v"] = g.clone() if t == 1 else s["v"].mul_(0.9).add_(g)
    return s["v"].clone()


def _rmsprop(g, s, t):
    s["a"] = (0 * g if t == 1 else s["a"].mul_(0.99)).addcmul_(g, g, value=0.01)
    return g / (s["a"].sqrt() + 1e-8)


def _adam(g, s, t):
    s["m"] = (0 * g if t == 1 else s["m"]).lerp_(g, 0.1)
    s["a"] = (0 * g if t == 1 else s["a"].mul_(0.999)).addcmul_(g, g, value=0.001)
    return s["m"] / (1 - 0.9**t) / ((s["a"] / (1 - 0.999**t)).sqrt() + 1e-8)


#: direction(gradient, state, step from 1): what the rate multiplies, with torch's defaults
RULES = {"sgd": lambda g, s, t: g, "momentum": _momentum, "rmsprop": _rmsprop, "adam": _adam}
