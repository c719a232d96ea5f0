"""What every tool is asked for: a law, and its density at given points."""

from __future__ import annotations

#: tanh at criticality: σ_w² = 1.05 keeps mean squares of q
Q_TANH = 0.02592

TASKS = [
    {"name": "MP", "kind": "marchenko-pastur", "ratio": 0.5,
     "words": "Marchenko–Pastur, ratio ½"},
    *({"name": f"Gauss {n}", "kind": "gaussian product", "depth": n,
       "words": f"product of {n} square Gaussian layers"} for n in (8, 64, 1000)),
    {"name": "ReLU 4", "kind": "relu", "depth": 4,
     "words": "four orthogonal ReLU layers, σ_w² = 2"},
    {"name": "MP × MP", "kind": "marchenko-pastur product", "ratios": [0.5, 0.25],
     "words": "Marchenko–Pastur ⊠ Marchenko–Pastur, ratios ½ and ¼"},
    {"name": "SC + ±1", "kind": "sum",
     "words": "semicircle of variance 1 ⊞ ½(δ₋₁ + δ₁)"},
    # its support begins at 0, but below 0.15 the density is under 1e-4 and falls to nothing
    {"name": "tanh 50", "kind": "tanh", "depth": 50, "sigma_w2": 1.05, "q": Q_TANH, "from": 0.15,
     "words": "fifty orthogonal tanh layers, σ_w² = 1.05, above λ = 0.15"},
]  # fmt: skip

#: depths at which products of Gaussian layers are compared
DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100, 200, 500, 1000, 3000, 10_000, 100_000)


def by_depth() -> list[dict]:
    """The product of Gaussian layers at each of `DEPTHS`."""
    return [{"name": f"Gauss {n}", "kind": "gaussian product", "depth": n} for n in DEPTHS]
