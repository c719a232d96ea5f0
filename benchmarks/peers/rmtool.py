"""rmtool, the Python port of RMTool: the polynomial of the Stieltjes transform, by elimination.

Up to degree 3 `Lmz2pdf` returns the density. Above, it returns every root and says that the right
one must be isolated by hand; `best_density()` is the heuristic that its manual names. We measure
that, and beside it whether the right root is among those returned at all.
"""

import rmtool as rm
from sympy.core.cache import clear_cache

packages = ["rmtool", "sympy"]


def settings(task):
    if task["kind"] == "tanh":
        raise NotImplementedError("the law of φ′² has no polynomial equation for tanh")
    degree = task["depth"] + 1 if "depth" in task else 3
    return ["best_density()"] + (["every root"] if degree > 3 else [])


def reset():
    clear_cache()  # SymPy would remember the polynomial from the run before


def polynomial(task):
    kind = task["kind"]
    if kind == "marchenko-pastur":
        return rm.wishartpol(task["ratio"])
    if kind == "sum":
        return rm.AplusB(rm.wignerpol(), rm.atomLmz([-1, 1], [0.5, 0.5]))
    if kind == "marchenko-pastur product":
        a, b = task["ratios"]
        return rm.AtimesWish(rm.wishartpol(a), b)
    if kind == "relu":
        layer = rm.atomLmz([0, 2], [0.5, 0.5])
        out = layer
        for _ in range(task["depth"] - 1):
            out = rm.AtimesB(out, layer)
        return out
    out = rm.wishartpol(1)
    for _ in range(task["depth"] - 1):
        out = rm.AtimesWish(out, 1)
    return out


def solve(task, x, label):
    info = rm.Lmz2pdf(polynomial(task), x)
    return info.density.T if label == "every root" else info.best_density()
