"""The explorers and the checks of chapter 3, free-addition."""

from __future__ import annotations

import numpy as np

from isolib import ensembles, laws
from isolib.exercises import exercise, function_of, number
from isolib.explore import Curve, Explorer, Frame
from isolib.spectra import compare


def _signs() -> laws.Law:
    return laws.Atoms([-1, 1], [0.5, 0.5])


def _middle(law: laws.Law, n: int) -> np.ndarray:
    """n eigenvalues that follow a law as evenly as possible."""
    return law.quantile((np.arange(n) + 0.5) / n)


def _curve(law: laws.Law, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points dense at the edges, and at a cusp in the middle; zero between intervals."""
    pieces = []
    for lo, hi in law.support():
        middle = (lo + hi) / 2
        cusp = law.density(middle) < 1e-6
        pieces += [(lo, middle), (middle, hi)] if cusp else [(lo, hi)]
    per = max(12, count // len(pieces)) | 1  # odd, so that the middle is a point
    xs, ys = [], []
    for lo, hi in pieces:
        x = lo + (hi - lo) * np.sin(np.linspace(0, np.pi / 2, per)) ** 2
        xs.append(x)
        ys.append(np.concatenate([[0.0], law.density(x[1:-1]), [0.0]]))
    return np.concatenate(xs), np.concatenate(ys)


def free_sum() -> Explorer:
    """Chapter 3: the free sum of two laws, the second one scaled, beside one rotated pair."""
    n, sizes = 300, [0.2, 0.4, 0.7, 1.0, 1.4, 2.0]
    q = ensembles.haar_orthogonal(n, seed=1)
    skew = laws.Atoms([-2, 0, 1], [0.25, 0.35, 0.4])
    pairs = {
        "±1 and ±1": (_signs(), _signs()),
        "±1 and semicircle": (_signs(), laws.Semicircle()),
        "±1 and Marchenko–Pastur": (_signs(), laws.MarchenkoPastur(0.5)),
        "three atoms and semicircle": (skew, laws.Semicircle()),
        "three atoms and Marchenko–Pastur": (skew, laws.MarchenkoPastur(0.5)),
        "projections of trace 0.4 and 0.7": (laws.Bernoulli(0.4), laws.Bernoulli(0.7)),
    }

    def frame(pair, k):
        a, b = pairs[pair][0], pairs[pair][1].scaled(k)
        law = a + b
        eigenvalues = np.linalg.eigvalsh(np.diag(_middle(a, n)) + (q * _middle(b, n)) @ q.T)
        lo, hi = law._range()
        margin = 0.06 * (hi - lo)
        places, weights = zip(*law.atoms(), strict=True) if law.atoms() else ((), ())
        off = np.all([abs(eigenvalues - p) > 1e-6 for p in [*places, hi + 1]], axis=0)
        heights, ends = np.histogram(eigenvalues[off], bins=40, range=(lo - margin, hi + margin))
        heights = heights / n / np.diff(ends)
        x, y = _curve(law, 111)
        intervals = ", ".join(f"[{a:.3f}, {b:.3f}]" for a, b in law.support())
        atoms = "".join(f" Atom of weight {w:.2g} at {p:.3g}." for p, w in law.atoms())
        text = (
            f"{pair}, the second scaled by {k:g}: variance {law.variance:.3f}, continuous part on "
            f"{intervals}.{atoms} One pair of size {n}: KS {compare(law, eigenvalues).ks:.4f}."
        )
        curves = [
            Curve("A + QBQᵀ, one matrix", ends, heights, "steps"),
            Curve("free convolution", x, y, "theory"),
            Curve("atom, with its weight", places, weights, "atoms"),
        ]
        # densities may be infinite at an edge, and atoms tall: keep the middle readable
        top = 1.3 * min(np.quantile(y, 0.85), 3.0)
        return Frame(curves, text, xlim=(lo - margin, hi + margin), ylim=(0, float(top)))

    return Explorer(
        "free-sum",
        "Two spectra in general position, added",
        frame,
        {"pair": {name: name for name in pairs}, "k": sizes},
        {"pair": "laws of A and B", "k": "B scaled by"},
        xlabel="eigenvalue",
        ylabel="density",
        start={"pair": 1, "k": 3},
    )


def turning() -> Explorer:
    """Chapter 3: B turned from the shuffled position to a random one by Q = exp(tK).

    K is skew with independent Gaussian entries of variance 1/n, so its eigenvalues fill the
    segment from −2i to 2i; for large t their phases are spread over the whole circle.
    """
    n, times = 240, [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 6.4]
    spectra = {
        "signs ±1": _signs(),
        "three atoms": laws.Atoms([-1.5, 0, 1], [0.3, 0.2, 0.5]),
        "semicircle": laws.Semicircle(),
    }
    rng = np.random.default_rng(3)
    g = rng.standard_normal((n, n)) / np.sqrt(n)
    phases, vectors = np.linalg.eigh(1j * (g - g.T) / np.sqrt(2))
    order = rng.permutation(n)
    sums = {name: mu + mu for name, mu in spectra.items()}

    def frame(law, t):
        mu, free = spectra[law], sums[law]
        values = _middle(mu, n)
        a = values - values.mean()
        q = ((vectors * np.exp(-1j * t * phases)) @ vectors.conj().T).real
        x = (q * a[order]) @ q.T
        eigenvalues = np.linalg.eigvalsh(np.diag(a) + x)
        shift = 2 * mu.mean
        span = 2.2 * abs(a).max()
        heights, ends = np.histogram(eigenvalues, bins=48, range=(-span, span))
        heights = heights / n / np.diff(ends)
        grid, density = _curve(free, 111)
        ax = a[:, None] * x
        abab = np.sum(ax * ax.T) / n / np.mean(a * a) ** 2
        text = (
            f"{law}, t = {t:g}: τ(abab) = {abab:.3f} in units of τ(a²)τ(b²), where shuffled "
            f"matrices have 1 and free ones 0; distance (KS) of the eigenvalues from the free sum "
            f"{compare(free, eigenvalues + shift).ks:.3f}."
        )
        curves = [
            Curve("A + QBQᵀ, one matrix", ends, heights, "steps"),
            Curve("free convolution", grid - shift, density, "theory"),
        ]
        return Frame(curves, text, xlim=(-span, span), ylim=(0, 1.0))

    return Explorer(
        "turning",
        "From shuffled eigenvalues to rotated eigenvectors",
        frame,
        {"law": {name: name for name in spectra}, "t": times},
        {"law": "spectrum of A and B", "t": "turning time t"},
        xlabel="eigenvalue",
        ylabel="density",
        start={"law": 0, "t": 3},
    )


@exercise("free-addition/1")
def fourth_moment(answer):
    """Give one number: the fourth moment of a + b."""
    wrong = {
        4.5: "That is the sum of independent numbers: it counts τ(abab) as τ(a²)τ(b²) = 1/2. "
        "For free centred a and b, τ(abab) = 0.",
        1.5: "That is 1 + 1/2, the sum of the fourth moments (or the variance of the sum). "
        "Fourth moments do not add; fourth cumulants do.",
        5.5: "You have added κ₄ = +1. For signs κ₄ = m₄ − 2m₂² = 1 − 2 = −1.",
        6.75: "That is 3κ₂², a Gaussian: of the three pairings of four points one crosses, and "
        "κ₄ of the signs is missing.",
        5.75: "You used m₄ = κ₄ + 3κ₂². Of the three pairings one crosses: m₄ = κ₄ + 2κ₂².",
        4.75: "That is the classical κ₄ = m₄ − 3m₂² = −2 with m₄ = κ₄ + 3κ₂². Free cumulants "
        "have 2 in place of 3.",
        2.5: "You used κ₄ = m₄ − 3m₂² = −2, the classical cumulant. The free one is m₄ − 2m₂².",
    }
    return number(answer, 3.5, rtol=1e-6, wrong=wrong)


def _edge(v):
    y = (2 + v + np.sqrt(v * v + 8 * v)) / 2
    return np.sqrt(y) * (1 + v / (y - 1))


@exercise("free-addition/2")
def largest_eigenvalue(answer):
    """Give a function of the variance v > 0: the limit of the largest eigenvalue."""
    points = np.array([0.04, 0.25, 0.7, 1.0, 1.5, 3.0, 10.0])
    wrong = [
        (
            lambda v: 1 + 2 * np.sqrt(v),
            "That is the sum of the two largest eigenvalues. It is a bound, attained only if the "
            "top eigenvectors coincide; in general position they do not.",
        ),
        (
            lambda v: np.sqrt((2 + v + np.sqrt(v * v + 8 * v)) / 2),
            "That is ω at the edge. The eigenvalue is λ(ω) = ω + vω/(ω² − 1).",
        ),
        (
            lambda v: (2 + v + np.sqrt(v * v + 8 * v)) / 2,
            "That is ω² at the edge. Take the root, and then λ(ω) = ω + vω/(ω² − 1).",
        ),
        (
            lambda v: _edge(v * v),
            "Your function is right for a GOE of standard deviation v. Here v is the variance.",
        ),
        (
            lambda v: 2 * np.sqrt(1 + v),
            "That is the edge of a semicircle with the variance of the sum, 1 + v. The fourth "
            "cumulant of the signs makes the sum narrower than that.",
        ),
    ]
    return function_of(answer, points, _edge, rtol=1e-6, wrong=wrong)
