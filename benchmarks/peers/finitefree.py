"""finitefree: convolutions of polynomials of finite degree d, in exact rational arithmetic.

It has no limit laws. The roots of its polynomials are, to order 1/d, the quantiles of the limit,
and a density comes from how they lie. `to_scipy_dist()` takes the distribution function linear
between roots; a spline through the roots, which we add here, does better on every task. The roots
are asked for with exact=False, which is faster and as exact as a float64 can show.
"""

import finitefree as ff
import numpy as np
from finitefree.convolutions import multiplicative, symmetric_additive
from scipy.interpolate import CubicSpline
from scipy.stats import norm

packages = ["finitefree", "python-flint", "scipy"]
DEGREES = {"d = 100": 100, "d = 200": 200}


def settings(task):
    return ["d = 100"] if task.get("series") else list(DEGREES)


def polynomial(task, d):
    kind = task["kind"]
    if kind == "marchenko-pastur":
        return ff.wishart_expected_poly(d, round(d / task["ratio"]))
    if kind == "sum":
        atoms = ff.RealRootedPolynomial.from_roots([-1, 1] * (d // 2))
        return symmetric_additive(ff.gue_expected_poly(d), atoms, d)
    if kind == "marchenko-pastur product":
        a, b = (ff.wishart_expected_poly(d, round(d / r)) for r in task["ratios"])
        return multiplicative(a, b, d)
    if kind == "relu":
        layer = ff.RealRootedPolynomial.from_roots([0, 2] * (d // 2))
    elif kind == "tanh":
        u = (np.arange(d) + 0.5) / d  # quantiles of |z|, hence of φ'(√q z)²
        roots = task["sigma_w2"] * np.cosh(np.sqrt(task["q"]) * norm.ppf((1 + u) / 2)) ** -4
        layer = ff.RealRootedPolynomial.from_roots(np.round(roots * 2**20).astype(int).tolist())
        layer = layer.dilation(2.0**-20)
    else:
        layer = ff.wishart_expected_poly(d, d)
    out = layer
    for _ in range(task["depth"] - 1):
        out = multiplicative(out, layer, d)
    return out


def solve(task, x, label):
    d = DEGREES[label]
    roots = polynomial(task, d).evaluate_roots_float64(exact=False)
    mass = (np.arange(d) + 0.5) / d
    if x[0] < 0:
        return CubicSpline(roots, mass)(x, 1)
    # on the half line in log λ, for a deep product has roots over many decades; what is at 0 apart
    keep = np.diff(roots, prepend=0) > 1e-300
    return CubicSpline(np.log(roots[keep]), mass[keep])(np.log(x), 1) / x
