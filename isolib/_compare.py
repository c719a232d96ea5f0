"""Theory against simulation: the one yardstick that every chapter asserts with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isolib._check import MOST, finite, nonnegative, positive_int
from isolib.laws import Law


@dataclass(frozen=True)
class Comparison:
    """How far samples are from a law.

    ks: Kolmogorov–Smirnov distance sup|F_samples − F_law|. moment_errors: for k = 1, 2, …,
    (m̂_k − m_k)/m₂^{k/2}, so that they have no unit. edge_errors: (smallest sample − lower end,
    largest sample − upper end) of the law, atoms included, over the law's width (or its largest
    point if it has no width). atom_errors: for each atom, the share of samples there minus its
    weight. n: number of samples.
    """

    ks: float
    moment_errors: np.ndarray
    edge_errors: np.ndarray
    atom_errors: np.ndarray
    n: int

    def __str__(self):
        moments = ", ".join(f"{e:+.1e}" for e in self.moment_errors)
        lower, upper = self.edge_errors
        text = f"KS {self.ks:.1e} | moments {moments} | edges {lower:+.1e}, {upper:+.1e}"
        if self.atom_errors.size:
            text += " | atoms " + ", ".join(f"{e:+.1e}" for e in self.atom_errors)
        return f"{text} | n = {self.n}"


def compare(law: Law, samples, *, moments: int = 4, atom_tol: float = 1e-8) -> Comparison:
    """Compare samples (any shape, real) with a law.

    A sample within `atom_tol` (times the law's largest point) of an atom counts as being there:
    a computed zero eigenvalue is 1e-17, not 0. Raises `ValueError` for an empty or non-finite
    array.

    >>> from isolib import ensembles, laws
    >>> eigenvalues = np.linalg.eigvalsh(ensembles.goe(300, seed=0))
    >>> compare(laws.Semicircle(), eigenvalues).ks < 0.01
    True
    """
    if not isinstance(law, Law):
        raise ValueError(f"law must be a Law, got {law!r}")
    x, atom_tol = np.sort(finite("samples", samples).ravel()), nonnegative("atom_tol", atom_tol)
    if x.size == 0:
        raise ValueError("samples must hold at least one number, got none")
    lo, hi = law._range()
    size = max(abs(lo), abs(hi))
    at_atoms = []
    for place, _weight in law.atoms():
        near = abs(x - place) <= atom_tol * size
        x = np.sort(np.where(near, place, x))
        at_atoms.append(near.mean())
    places = np.unique(np.concatenate([x, [place for place, _ in law.atoms()]]))
    jumps = np.zeros(places.shape)
    for place, weight in law.atoms():
        jumps[places == place] = weight
    cdf = law.cdf(places)
    right = np.searchsorted(x, places, side="right") / x.size
    left = np.searchsorted(x, places, side="left") / x.size
    ks = max(abs(right - cdf).max(), abs(left - (cdf - jumps)).max())

    k = np.arange(1, positive_int("moments", moments, MOST) + 1)
    exact = law.moments(max(moments, 2))
    empirical = (x[:, None] ** k).mean(0)
    unit = np.sqrt(exact[1]) ** k if exact[1] > 0 else np.ones(k.shape)
    width = (hi - lo) or size or 1.0
    return Comparison(
        ks=float(ks),
        moment_errors=(empirical - exact[:moments]) / unit,
        edge_errors=np.array([x[0] - lo, x[-1] - hi]) / width,
        atom_errors=np.array([a - w for a, (_, w) in zip(at_atoms, law.atoms(), strict=True)]),
        n=x.size,
    )
