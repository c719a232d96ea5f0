"""Probability laws that know their transforms.

A `Law` is an absolutely continuous part with a density, plus finitely many atoms. Conventions
are the book's: the Green's function G(z) = ∫ρ(t)dt/(z−t), the R-transform with G(R(g)+1/g) = g,
and S(z) = (1+z)/(z M⁻¹(z)) with M(z) = zG(z) − 1.

>>> from isolib.laws import MarchenkoPastur
>>> law = MarchenkoPastur(ratio=0.25)
>>> law.edges().tolist(), law.mean, law.variance
([0.25, 2.25], 1.0, 0.25)
"""

from isolib.laws._base import Law
from isolib.laws._classical import Atoms, Bernoulli, MarchenkoPastur, PointMass, Semicircle
from isolib.laws._free import FreeProduct, FreeSum
from isolib.laws._named import FromS, MultiplicativeBrownian
from isolib.laws._series import free_cumulants, moments_from_cumulants
from isolib.laws._slope import SquaredSlope

__all__ = [
    "Atoms",
    "Bernoulli",
    "FreeProduct",
    "FreeSum",
    "FromS",
    "Law",
    "MarchenkoPastur",
    "MultiplicativeBrownian",
    "PointMass",
    "Semicircle",
    "SquaredSlope",
    "free_cumulants",
    "moments_from_cumulants",
]
