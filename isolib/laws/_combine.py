"""What +, @ and ** do: equal laws are counted, point masses become one number."""

from __future__ import annotations

import math

from isolib.laws._base import Law
from isolib.laws._classical import Atoms, PointMass
from isolib.laws._derived import Scaled
from isolib.laws._free import FreeProduct, FreeSum, _exp


def _collect(factors, product):
    """Simple laws and how often each occurs; point masses apart, as one number."""
    for law, _ in factors:
        if not isinstance(law, Law):
            sign = "@" if product else "+"
            raise ValueError(f"{sign} needs a law on both sides, got {law!r}")
    counts, number = {}, 0.0
    for law, n in factors:
        for part, m in law._parts(product):
            if isinstance(part, PointMass):
                number += n * m * (math.log(part.x[0]) if product else part.x[0])
            else:
                counts[part] = counts.get(part, 0) + n * m
    return counts, number


def free_sum(factors) -> Law:
    """The free sum of [(law, n), ...]."""
    counts, shift = _collect(factors, False)
    if not counts:
        return PointMass(shift)
    if list(counts.values()) == [1]:
        (law,) = counts
        if isinstance(law, Atoms):
            return Atoms(law.x + shift, law.w)
        return law if shift == 0 else Scaled(law, 1.0, shift)
    return FreeSum(counts, shift)


def free_product(factors) -> Law:
    """The free product of [(law, n), ...], laws on [0, ∞)."""
    for law, _ in factors:
        if isinstance(law, FreeProduct) or not isinstance(law, Law):
            continue  # the one is on [0, ∞) by construction, the other is reported by _collect
        lo, hi = law._range()
        if lo < 0:
            raise ValueError(f"@ and ** need laws on [0, inf); {law!r} reaches {lo:g}")
        if hi == 0:
            return PointMass(0.0)
    counts, size = _collect(factors, True)
    if not counts:
        return PointMass(_exp(size))
    (law, n), *more = sorted(factors, key=lambda factor: isinstance(factor[0], PointMass))
    if n == 1 and all(isinstance(point, PointMass) for point, _ in more):
        scale = _exp(_collect(more, True)[1])
        return law if scale == 1 else law.scaled(scale)
    return FreeProduct(counts, size)
