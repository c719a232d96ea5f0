"""Moments, free cumulants and S by power series, and a cosine series.

The power series are exact recursions, without quadrature.

Each is an instance of Lagrange inversion. With M(x) = 1 + Σ m_n xⁿ and C(x) = 1 + Σ κ_n xⁿ the
moment–cumulant formula says C(xM(x)) = M(x), hence (Nica and Speicher 2006, lecture 11)
m_n = [xⁿ] C(x)ⁿ⁺¹/(n+1) and κ_n = −[xⁿ] M(x)¹⁻ⁿ/(n−1). With ψ(κ) = Σ m_n κⁿ the inverse series
is χ(z) = zS(z)/(1+z), hence m_n = [zⁿ⁻¹] exp(n(log(1+z) − log S(z)))/n.
"""

from __future__ import annotations

import numpy as np

from isolib._check import finite


def exp_series(a: np.ndarray) -> np.ndarray:
    """Coefficients of exp(Σ a_j xʲ), as many as there are in a."""
    with np.errstate(over="ignore"):  # a mean beyond 1e308 is inf, as it should be
        e = np.array([np.exp(a[0]), *np.zeros(len(a) - 1)])
    for n in range(1, len(a)):
        e[n] = (np.arange(1, n + 1) * a[1 : n + 1] * e[n - 1 :: -1]).sum() / n
    return e


def log_series(b: np.ndarray) -> np.ndarray:
    """Coefficients of log(Σ b_j xʲ), b_0 > 0."""
    a = np.array([np.log(b[0]), *np.zeros(len(b) - 1)])
    for n in range(1, len(b)):
        k = np.arange(1, n)
        a[n] = (b[n] - (k * a[1:n] * b[n - 1 : 0 : -1]).sum() / n) / b[0]
    return a


def log_s_from_moments(m: np.ndarray) -> np.ndarray:
    """Coefficients of log S(z) at z = 0, as many as moments are given; m_1 > 0."""
    k = len(m)
    log_b = log_series(m / m[0] ** np.arange(1, k + 1))  # of ψ(κ)/κ for the law of X/m₁
    chi = [exp_series(-j * log_b)[j - 1] / j for j in range(1, k + 1)]
    log_s = log_series(np.array(chi) + np.array([0.0, *chi[:-1]]))
    return log_s - np.log(m[0]) * (np.arange(k) == 0)


def moments_from_log_s(a: np.ndarray) -> np.ndarray:
    """The first len(a) moments of the law whose log S has coefficients a."""
    k = len(a)
    j = np.arange(1, k)
    exponent = -a.astype(float)
    exponent[1:] -= (-1.0) ** j / j
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array([exp_series(n * exponent[:n])[n - 1] / n for n in range(1, k + 1)])


def free_cumulants(moments) -> np.ndarray:
    """The free cumulants κ_1 … κ_k of a law with moments m_1 … m_k, as a float array.

    Source: Speicher (1994). Raises `ValueError` for anything but a list of finite real numbers.

    >>> free_cumulants([0, 1, 0, 2]).tolist()  # the semicircle: one cumulant
    [0.0, 1.0, 0.0, 0.0]
    """
    log_m = log_series(np.concatenate([[1.0], _flat("moments", moments)]))
    rest = [-exp_series((1 - n) * log_m)[n] / (n - 1) for n in range(2, len(log_m))]
    return np.array([log_m[1], *rest]) + 0.0


def moments_from_cumulants(cumulants) -> np.ndarray:
    """The moments m_1 … m_k of a law with free cumulants κ_1 … κ_k, as a float array.

    The inverse of `free_cumulants`, with the same source and errors.

    >>> moments_from_cumulants([1, 1, 1, 1]).tolist()  # Marchenko–Pastur: all cumulants 1
    [1.0, 2.0, 5.0, 14.0]
    """
    log_c = log_series(np.concatenate([[1.0], _flat("cumulants", cumulants)]))
    return np.array([exp_series((n + 1) * log_c)[n] / (n + 1) for n in range(1, len(log_c))])


def _flat(name: str, values) -> np.ndarray:
    a = finite(name, values)
    if a.ndim != 1 or a.size == 0:
        raise ValueError(f"{name} must be a list of at least one number, got shape {a.shape}")
    return a


def cosines(values: np.ndarray) -> np.ndarray:
    """Coefficients a with f(θ) = Σ aₖ cos kθ, from values of f at the midpoints of [0, π]."""
    n = len(values)
    wave = np.fft.fft(np.concatenate([values, values[::-1]]))[:n]
    a = (wave * np.exp(-0.5j * np.pi * np.arange(n) / n)).real / n
    a[0] /= 2
    return a


def bisect(f, lo: np.ndarray, hi: np.ndarray, steps: int = 60) -> np.ndarray:
    """Where a condition f, false at lo, becomes true on the way to hi; for arrays of places."""
    for _ in range(steps):
        middle = (lo + hi) / 2
        yes = f(middle)
        lo, hi = np.where(yes, lo, middle), np.where(yes, middle, hi)
    return hi


def upper_log(x: np.ndarray) -> np.ndarray:
    """log x for arg x ∈ [0, π], where rounding may have put x just below the negative axis."""
    value = np.log(x)
    return np.where(value.imag < -1, value + 2j * np.pi, value)
