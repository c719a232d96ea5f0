"""The Stiefel manifold V_k(R^n) = {X of shape (n, k): XᵀX = 1}: geodesics, retractions, steps.

All functions take one matrix, shape (n, k) with n ≥ k, or a stack, shape (batch, n, k), float32
or float64, and are differentiable.
"""

from __future__ import annotations

import torch

from isolib._check import in_range, one_of, positive
from isolib._frames import _eye_like, _frame, _off, matrix

__all__ = [
    "tangent", "exponential", "qr_retraction", "polar_retraction", "cayley_step", "landing_step",
    "SpectralMargin",
]  # fmt: skip


def tangent(X, Z):
    """The orthogonal projection Z − X(XᵀZ + ZᵀX)/2 of Z onto the tangent space at X.

    X is meant to be a frame; one that is nearly so, as after a landing step, is let pass.

    Source: Edelman, Arias and Smith 1998.

    Example:
        >>> tangent(torch.eye(2), torch.ones(2, 2))
        tensor([[0., 0.],
                [0., 0.]])
    """
    X, Z = matrix("X", X, tall=True), matrix("Z", Z, X)
    inner = X.mT @ Z
    return Z - X @ (inner + inner.mT) / 2


def exponential(X, xi, metric="euclidean"):
    """The point that the geodesic from X with velocity xi reaches at time 1.

    Args:
        X: a frame, shape (n, k) or (batch, n, k).
        xi: a tangent vector at X (its normal part is removed).
        metric: "euclidean", the length of the space of matrices, or "canonical", that of O(n).

    Raises:
        ValueError: X is no frame, or xi so long that rounding leads off the manifold.

    Source: Edelman, Arias and Smith 1998, sections 2.2 and 2.4.

    Example:
        >>> end = exponential(torch.eye(2)[:, :1], torch.pi / 2 * torch.eye(2)[:, 1:])
        >>> torch.allclose(end, torch.eye(2)[:, 1:], atol=1e-6)
        True
    """
    one_of("metric", metric, ("euclidean", "canonical"))
    X, xi = _frame(matrix("X", X, tall=True)), tangent(X, matrix("xi", xi, X))
    inner, k = X.mT @ xi, X.shape[-1]
    if metric == "euclidean":
        top = torch.cat([inner, -xi.mT @ xi], -1)
        block = torch.cat([top, torch.cat([_eye_like(inner), inner], -1)], -2)
        moved = torch.cat([X, xi], -1) @ torch.linalg.matrix_exp(block)[..., :k]
        end = moved @ torch.linalg.matrix_exp(-inner)
    else:
        half = (xi - X @ inner / 2) @ X.mT
        end = torch.linalg.matrix_exp(half - half.mT) @ X
    if not _off(end).detach().abs().max() <= 1e-4:  # also where it is nan
        raise ValueError("xi must be shorter: rounding leads off the manifold")
    return end


def _q_factor(M):
    q, r = torch.linalg.qr(M)
    signs = torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(M.dtype)
    return q * signs.unsqueeze(-2), r


def _full_rank(sizes):
    """Raise unless the sizes that measure the rank are all well above 0."""
    least, most = sizes.detach().abs().amin(-1), sizes.detach().abs().amax(-1)
    if (least <= 4 * torch.finfo(sizes.dtype).eps * most).any():
        raise ValueError("M must have k independent columns; its rank is smaller")


def qr_retraction(M):
    """The orthonormal frame Q of M = QR with a positive diagonal of R.

    Args:
        M: shape (n, k), n ≥ k, of rank k, or (batch, n, k): X − step · direction.

    Raises:
        ValueError: M is wide, of lower rank, or not finite.

    Source: Absil, Mahony and Sepulchre 2008, section 4.1.

    Example:
        >>> M = torch.tensor([[3.0, 1.0], [0.0, -2.0], [0.0, 0.0]])
        >>> qr_retraction(M).abs()
        tensor([[1., 0.],
                [0., 1.],
                [0., 0.]])
    """
    q, r = _q_factor(matrix("M", M, tall=True))
    _full_rank(r.diagonal(dim1=-2, dim2=-1))
    return q


class _Polar(torch.autograd.Function):
    """UVᵀ of M = U diag(s) Vᵀ; its derivative stays finite where singular values coincide."""

    @staticmethod
    def forward(ctx, M):
        try:
            u, s, vt = torch.linalg.svd(M, full_matrices=False)
            good = _off(u @ vt).abs().max() < 1e-3
        except torch.linalg.LinAlgError:
            good = False
        if not good:  # single precision can fail, even silently, where many s agree: near a frame
            u, s, vt = (a.to(M.dtype) for a in torch.linalg.svd(M.double(), full_matrices=False))
        _full_rank(s)
        ctx.save_for_backward(u, s, vt)
        return u @ vt

    @staticmethod
    def backward(ctx, grad):
        u, s, vt = ctx.saved_tensors
        right = grad @ vt.mT
        inner = u.mT @ right
        turn = (inner - inner.mT) / (s.unsqueeze(-1) + s.unsqueeze(-2))
        return (u @ turn + (right - u @ inner) / s.unsqueeze(-2)) @ vt


def polar_retraction(M):
    """The frame nearest to M, M(MᵀM)^(−1/2). Argument and errors as `qr_retraction`.

    Source: Absil, Mahony and Sepulchre 2008, section 4.1.

    Example:
        >>> polar_retraction(torch.tensor([[0.0, -3.0], [2.0, 0.0]])).round(decimals=5)
        tensor([[ 0., -1.],
                [ 1.,  0.]])
    """
    return _Polar.apply(matrix("M", M, tall=True))


def cayley_step(X, gradient, lr):
    """(1 + (lr/2)A)⁻¹(1 − (lr/2)A)X with A = GXᵀ − XGᵀ skew: XᵀX is kept, whatever G.

    To first order a step of −lr(G − XGᵀX), down the gradient of the canonical metric. For 2k < n
    the same point comes from a 2k × 2k system. What rounding leaves of XᵀX − 1 is removed by one
    Newton step Y − Y(YᵀY − 1)/2, or it would add up over thousands of float32 steps. The
    retraction of a tangent vector ξ is `cayley_step(X, X @ X.mT @ xi / 2 - xi, 1.0)`.

    Args:
        X: a frame, shape (n, k), n ≥ k, or (batch, n, k).
        gradient: G, the plain gradient ∂f/∂X, shape of X.
        lr: step size, positive.

    Raises:
        ValueError: shapes that disagree, a wide X, an X that is no frame, nan, lr ≤ 0, a step so
            long that rounding makes the system singular (it never is in exact arithmetic).

    Source: Wen and Yin 2013, the update and its low-rank form.

    Example:
        >>> cayley_step(torch.eye(2), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), 1.0)
        tensor([[ 0., -1.],
                [ 1.,  0.]])
    """
    X, lr = matrix("X", X, tall=True), positive("lr", lr)
    # the normal part of G cancels in A; taken out first, it leaves no rounding errors behind
    G, (n, k) = tangent(X, matrix("gradient", gradient, X)), X.shape[-2:]
    _frame(X)
    left, right = torch.cat([G, X], -1), torch.cat([X, -G], -1)
    if 2 * k < n:
        core = right.mT @ left
        move = torch.linalg.solve_ex(_eye_like(core) + lr / 2 * core, right.mT @ X)[0]
        Y = X - lr * left @ move
    else:
        A = left @ right.mT
        Y = torch.linalg.solve_ex(_eye_like(A) + lr / 2 * A, X - lr / 2 * (A @ X))[0]
    off = _off(Y)
    if not (most := off.detach().abs().max()) <= 1e-2:  # also where it is nan
        raise ValueError(
            f"lr must be smaller for this gradient: the Cayley system is singular to rounding, "
            f"got lr = {lr:g} and an entry of YᵀY {most:.3g} off"
        )
    return Y - Y @ off / 2


def landing_step(X, gradient, lr, attraction=1.0, radius=0.5):
    """X − η(½(GXᵀ − XGᵀ)X + attraction · X(XᵀX − 1)): no retraction, matrix products only.

    η is lr, or less where ‖XᵀX − 1‖_F could otherwise leave [0, radius].

    Args:
        X: shape (n, k), n ≥ k, or (batch, n, k), with ‖XᵀX − 1‖_F ≤ radius.
        gradient: G, the plain gradient ∂f/∂X, shape of X.
        lr, attraction: positive.
        radius: in (0, 1).

    Raises:
        ValueError: also for an X outside the radius, whose distance the message gives.

    Source: Ablin and Peyré 2022; the bound on η is derived in the chapter stiefel.

    Example:
        >>> landing_step(1.1 * torch.eye(2), torch.zeros(2, 2), 0.25)[0, 0]
        tensor(1.0423)
    """
    X, lr = matrix("X", X, tall=True), min(positive("lr", lr), 1e30)
    G, pull = matrix("gradient", gradient, X), in_range("attraction", attraction, 0, 1e6, True)
    radius = in_range("radius", radius, 0, 1, open_lo=True, open_hi=True)
    off = _off(X)
    distance = off.detach().norm(dim=(-2, -1))
    if (distance > radius * (1 + 1e-6)).any():
        raise ValueError(
            f"X must lie within radius = {radius:g} of the manifold, "
            f"got ‖XᵀX − 1‖_F = {distance.max():.3g}: retract it first"
        )
    turn = (G + G @ off - X @ (G.mT @ X)) / 2
    speed = turn.detach().square().sum((-2, -1)) + (1 + radius) * (pull * distance) ** 2
    # d + η² speed − 2ηλ(1 − ε)d ≤ ε, solved for η
    linear = pull * (1 - radius) * distance
    root = (linear**2 + speed * (radius - distance).clamp_min(0)).sqrt()
    safe = (linear + root) / speed.clamp_min(torch.finfo(X.dtype).tiny)
    safe = safe.clamp_max(1 / (2 * pull * (1 + radius))).clamp_max(lr)[..., None, None]
    return X - safe * (turn + pull * (X @ off))


class SpectralMargin(torch.nn.Module):
    """A torch parametrisation that keeps all singular values of W within [1 − m, 1 + m].

    W = U diag(s) Vᵀ with s = 1 + 2m(σ(p) − ½), σ the logistic function. What is trained is p,
    shape (r,), r = min(n, k), and two square matrices a and b: U is U₀ turned by the Cayley
    transform of the skew part of a, V likewise. U₀ and V₀ are the singular vectors of W when the
    parametrisation is registered; singular values outside the margin are then moved inside.

    Args:
        m: the margin, in [0, 1). At m = 0, W is orthogonal (a frame, or its transpose).

    Source: Vorontsov, Trabelsi, Kadoury and Pal 2017, who move U and V by Cayley steps.

    Example:
        >>> layer = torch.nn.Linear(8, 8)
        >>> margin = SpectralMargin(0.1)
        >>> _ = torch.nn.utils.parametrize.register_parametrization(layer, "weight", margin)
        >>> s = torch.linalg.svdvals(layer.weight.detach())
        >>> bool((s > 0.899).all() and (s < 1.101).all())
        True
    """

    def __init__(self, m: float):
        super().__init__()
        self.m = in_range("m", m, 0, 1, open_hi=True)
        self.register_buffer("u0", None)
        self.register_buffer("v0", None)

    def forward(self, a, p, b):
        """W from the three trained tensors; stacks of them make a stack."""
        s = 1 + 2 * self.m * (torch.sigmoid(p) - 0.5)
        return (_turned(self.u0, a) * s.unsqueeze(-2)) @ _turned(self.v0, b).mT

    def right_inverse(self, W):
        """The three tensors that give W, its singular values moved into the margin."""
        self.u0, s, vt = torch.linalg.svd(matrix("W", W), full_matrices=False)
        self.v0 = vt.mT
        place = (s - 1) / (2 * self.m) + 0.5 if self.m else torch.full_like(s, 0.5)
        a, b = (q.new_zeros(*q.shape[:-1], q.shape[-2]) for q in (self.u0, self.v0))
        return a, torch.logit(place.clamp(0.01, 0.99)), b

    def extra_repr(self):
        return f"m={self.m:g}"


def _turned(base, a):
    """(1 − A/2)⁻¹(1 + A/2) base for A, the skew part of a."""
    half = (a - a.mT) / 4
    return torch.linalg.solve(_eye_like(half) - half, base + half @ base)
