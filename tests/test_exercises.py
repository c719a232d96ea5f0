"""Page checks: right answers pass, each usual slip earns its own hint, nothing crashes a page."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import digamma, expit

from isolib import exercises, laws
from isolib.activations import Activation
from isolib.laws import MarchenkoPastur

LAYER = MarchenkoPastur(1 / 9, 2.0)


def gap(n):
    return 0.5 * (digamma(n / 2) - digamma(0.5))


def density(s, r=1 / 9, v=2.0):
    a, b = v * (1 - np.sqrt(r)) ** 2, v * (1 + np.sqrt(r)) ** 2
    return np.sqrt(np.clip((b - s**2) * (s**2 - a), 0, None)) / (np.pi * r * v * s)


def omega(v):
    """ω at the upper edge of a semicircle of variance v plus ±1 (chapter 3)."""
    return np.sqrt((2 + v + np.sqrt(v * v + 8 * v)) / 2)


def top_of_sum(v):
    w = omega(v)
    return w + v * w / (w * w - 1)


def top_of_gaussian_relu(n):
    """s_max for n ReLU layers with Gaussian weights of variance 2/N (chapter 6)."""
    z = (1 - n + np.sqrt((n - 1) ** 2 + 2 * n)) / (2 * n)
    return np.sqrt((1 + z) * (z + 0.5) ** n * 2**n / z)


def top_of_masks(n):
    """The upper edge for n half-masked orthogonal layers with σ_w² = 2 (chapter 4)."""
    return n * (n / (n - 1)) ** (n - 1)


def top_of_bernoulli_class(v):
    """The largest point of the law with S = exp(−v z/(1+z)) (chapter 7)."""
    return np.where(np.asarray(v) < 1, np.exp(v), np.e * np.asarray(v))


def bent(outer):
    """Slope 1 on [−1, 1] and `outer` beyond (chapter 7)."""
    return Activation(
        f"bent {outer:g}",
        lambda x: np.clip(x, -1, 1) + outer * (x - np.clip(x, -1, 1)),
        lambda x: np.where(abs(x) < 1, 1.0, outer),
        (-1, 1),
    )


#: key: (right answers, [(wrong answer, words of its hint)])
ANSWERS = {
    "residual-training/1": (
        [50, 50.0],
        [
            (1.0, "one layer"),
            (37.5, "slopes of ReLU"),
            (100.0, "small branches"),
            (200.0, "square of its mean"),
        ],
    ),
    "residual-training/2": (
        [lambda depth: sum(1 / (4 + k) for k in range(int(depth)))],
        [
            (lambda depth: sum(1 / (5 + k) for k in range(int(depth))), "before anything"),
            (lambda depth: sum(1 / (1 + k) for k in range(int(depth))), "mean square 4"),
            (lambda depth: np.log(1 + depth / 4), "the logarithm"),
            (lambda depth: sum((4 + k) ** -0.5 for k in range(int(depth))), "divided by √r"),
        ],
    ),
    "convolutions/2": (
        [lambda n: np.sin(5 * np.pi / n) / (5 * np.sin(np.pi / n))],
        [
            (lambda n: (np.sin(5 * np.pi / n) / (5 * np.sin(np.pi / n))) ** 2, "one direction"),
            (lambda n: (1 + 2 * np.cos(2 * np.pi / n)) / 3, "value for 3 × 3"),
            (lambda n: np.sin(2.5 * np.pi / n) / (5 * np.sin(np.pi / n / 2)), "not π/n"),
        ],
    ),
    "convolutions/4": (
        [np.sqrt(96) / 5, 1.9596],
        [(3.84, "square of it"), (1.8856, "3 × 3"), (2, "Gaussian"), (5, "bound")],
    ),
    "soft-orthogonality/2": (
        [lambda s: np.log((s**-2.0 - 1) / (0.99**-2 - 1)) / 8],
        [
            (lambda s: np.log((s**-2.0 - 1) / (0.99**-2 - 1)) / 4, "rate 8λ"),
            (lambda s: np.log((1 / s - 1) / (1 / 0.99 - 1)) / 8, "not s⁻¹"),
            (lambda s: np.log(0.99 / s) / 4, "growth near 0"),
        ],
    ),
    "soft-orthogonality/5": (
        [0.6, 3 / 5],
        [(0.75, "divide"), (0.4, "one product"), (1.25, "the norm"), (0.45, "square root")],
    ),
    "residual-signal/1": (
        [0.5 / 1.04, 0.4808],
        [
            (0.25, "linear"),
            (0.5, "ReLU's"),
            (0.25 / 0.6, "not the slope"),
            (0.13, "other way round"),
            (0.6934, "Give σ_w²"),
            (25 / 0.52, "already in"),
        ],
    ),
    "residual-signal/2": (
        [lambda n: 0.038 / 0.165 + (1 - 0.038 / 0.165) * 0.835 ** (n - 1)],
        [
            (lambda n: 0.835 ** (n - 1), "bias is missing"),
            (lambda n: 0.038 / 0.165 + (1 - 0.038 / 0.165) * 0.835**n, "first layer"),
            (lambda n: 0.2 + 0.8 * 0.81 ** (n - 1), "branch is missing"),
            (lambda n: 0.02 / 0.075 + (1 - 0.02 / 0.075) * 0.925 ** (n - 1), "a² and not a"),
            (lambda n: 0.835 ** (n - 1) + 0.2 * (1 - 0.835 ** (n - 1)) / 0.165, "anew"),
        ],
    ),
    "signal-propagation/1": (
        [0.75 * np.pi, 2.3562],
        [
            (3.0, "It is 2/√π"),
            (np.pi * np.sqrt(5) / 4, "two factors"),
            (2.25 * np.pi, "Take the root"),
            (4 / (3 * np.pi), "That is E φ'²"),
            (np.sqrt(0.75 * np.pi), "That is σ_w."),
            (2 - 1.5 * np.arcsin(0.8), "That is σ_b²"),
        ],
    ),
    "signal-propagation/2": (
        [lambda q: q - np.tanh(q), lambda q: q - (1 - np.exp(-2 * q)) / (1 + np.exp(-2 * q))],
        [
            (np.tanh, "the rest of q"),
            (lambda q: 2 / (1 + np.exp(-2 * q)), "That is σ_w² on"),
            (lambda q: q - (1 - np.exp(-2 * q)) / 2, "is missing"),
            (lambda q: q - (1 - np.exp(-2 * q)), "only for large q"),
            (lambda q: q - np.tanh(q / 2), "with 2q"),
            (lambda q: np.sqrt(q - np.tanh(q)), "That is σ_b."),
        ],
    ),
    "linear-dynamics/2": (
        [lambda depth: 2 / (depth * 1.5 ** (2 - 2 / depth))],
        [
            (lambda depth: 1 / (depth * 1.5 ** (2 - 2 / depth)), "not only 1/κ"),
            (lambda depth: 2 / (depth * 1.5**2), "exponent of s"),
            (lambda depth: 2 / 1.5 ** (2 - 2 / depth), "L terms"),
        ],
    ),
    "linear-dynamics/4": ([9], [(8, "below ten"), (10, "one layer earlier")]),
    "training-deep-networks/2": (
        [lambda depth: 2 / (1.2**4 * 10 * depth)],
        [
            (lambda depth: 2 / (1.2**3 * 10 * depth), "not yet squared"),
            (lambda depth: 2 / (1.2**2 * 10 * depth), "Both bounds"),
            (lambda depth: 2 / (1.2**4 * 0.025 * depth), "is N q"),
            (lambda depth: 1 / (1.2**4 * 10 * depth), "half of it"),
            (lambda depth: 2 / (1.2**4 * 10) + 0 * depth, "sum over L layers"),
        ],
    ),
    "training-deep-networks/3": (
        [138, np.int64(138)],
        [(139, "The readout"), (137, "One layer short"), (277, "1 + 2/N")],
    ),
    "why-isometry/2": (
        [26, 26.0, np.int64(26), np.float32(26)],
        [
            (13, "take its square root"),
            (25, "still above"),
            (12 * np.log(10) / np.log(3), "whole numbers"),
        ],
    ),
    "why-isometry/4": (
        [lambda n: np.exp(gap(n)), lambda n: float(np.exp(gap(float(n))))],
        [
            (gap, "exponentiate it"),
            (lambda n: np.exp(2 * gap(n)), "squared singular values"),
            (lambda n: np.exp(0.5 * digamma(n / 2)), "Subtract λ_N"),
            (lambda n: gap(n) / np.log(10), "decades"),
        ],
    ),
    "random-matrices/1": (
        [np.sqrt(2) * 2 / 3, 0.9428],
        [
            (8 / 9, "square root"),
            (np.sqrt(2) * 4 / 3, "other sign"),
            (2 / 3, "variance is missing"),
            (4 / 3, "standard deviation"),
            (np.sqrt(2) * 2, "outputs over inputs"),
            (np.sqrt(2) * 8 / 9, "√r = 1/3"),
            (0.0, "no atom at 0"),
        ],
    ),
    "random-matrices/2": (
        [density, lambda s: LAYER.singular_values().density(s)],
        [
            (lambda s: LAYER.density(s * s), "multiply by"),
            (lambda s: LAYER.density(s), "eigenvalues λ of WWᵀ"),
            (lambda s: np.pi * density(s), "1/π is missing"),
            (lambda s: density(s) / 9, "normalised by n"),
            (lambda s: density(s, v=1.0), "σ_w² = 2 is missing"),
            (
                lambda s: MarchenkoPastur(9, 2.0).singular_values().density(s),
                "outputs over inputs",
            ),
        ],
    ),
    "free-addition/1": (
        [3.5, 7 / 2],
        [
            (4.5, "sum of independent numbers"),
            (1.5, "Fourth moments do not add"),
            (5.5, "κ₄ = m₄ − 2m₂² = 1 − 2"),
            (6.75, "one crosses, and"),
            (5.75, "You used m₄ = κ₄ + 3κ₂²"),
            (4.75, "classical κ₄ = m₄ − 3m₂² = −2 with"),
            (2.5, "the classical cumulant. The free one"),
        ],
    ),
    "free-addition/2": (
        [top_of_sum, lambda v: (laws.Semicircle(v) + laws.Atoms([-1, 1], [0.5, 0.5])).edges()[-1]],
        [
            (lambda v: 1 + 2 * np.sqrt(v), "sum of the two largest"),
            (omega, "That is ω at the edge"),
            (lambda v: omega(v) ** 2, "That is ω² at the edge"),
            (lambda v: top_of_sum(v * v), "Here v is the variance"),
            (lambda v: 2 * np.sqrt(1 + v), "semicircle with the variance of the sum"),
        ],
    ),
    "free-multiplication/1": (
        [20, 20.0],
        [
            (10, "one of the two factors"),
            (3.0**10 - 1, "relative variances that add"),
            (21, "second moment"),
            (np.sqrt(20), "standard deviation"),
            (25, "not p(1 − p)"),
            (20 * 4.0**10, "the mask halves"),
        ],
    ),
    "free-multiplication/2": (
        [top_of_masks, lambda n: (laws.Bernoulli(0.5).scaled(2) ** int(n)).edges()[-1]],
        [
            (lambda n: np.sqrt(top_of_masks(n)), "The upper edge of the law"),
            (lambda n: top_of_masks(n) / 2**n, "The weights are missing"),
            (lambda n: top_of_masks(n) / np.sqrt(2) ** n, "not with σ_w"),
            (lambda n: (n + 1) * ((n + 1) / n) ** n, "Gaussian layers without masks"),
            (lambda n: np.sqrt((n + 1) * ((n + 1) / n) ** n), "s_max for L Gaussian"),
            (lambda n: np.e * (n - 0.5), "limit form for large L"),
            (lambda n: np.e * (n + 0.5), "limit form for L Gaussian"),
            (lambda n: 2.0**n, "would be negative"),
        ],
    ),
    "jacobian-spectra/1": (
        [0.6, 3 / 5],
        [
            (0.98**20, "count dimensions"),
            (0.4, "lost at some layer"),
            (0.98, "the rank of J"),
            (0.02, "atom at 0"),
            (0.98**-10, "s_max itself"),
            (0.98**-20, "s_max², the place"),
            (0.38, "the continuous part"),
        ],
    ),
    "jacobian-spectra/2": (
        [top_of_gaussian_relu],
        [
            (lambda n: top_of_gaussian_relu(n) ** 2, "That is s_max²"),
            (lambda n: np.sqrt(top_of_masks(n)), "orthogonal weights"),
            (lambda n: np.sqrt((n + 1) * (1 + 1 / n) ** n), "without the ReLU"),
            (lambda n: np.sqrt(2 * np.e * n), "leading term"),
            (lambda n: top_of_gaussian_relu(n) * 2 ** (-n / 2), "weights are missing"),
            (lambda n: np.sqrt(1 + 2 * n), "second moment"),
        ],
    ),
    "residual-isometry/2": (
        [
            lambda c: (
                (np.sqrt(1 + 2 / c) + 1)
                / (np.sqrt(1 + 2 / c) - 1)
                * np.exp(c * np.sqrt(1 + 2 / c))
            )
        ],
        [
            (
                lambda c: (
                    (
                        (np.sqrt(1 + 2 / c) + 1)
                        / (np.sqrt(1 + 2 / c) - 1)
                        * np.exp(c * np.sqrt(1 + 2 / c))
                    )
                    ** 0.5
                ),
                "That is s_max.",
            ),
            (
                lambda c: (
                    (
                        (np.sqrt(1 + 2 / c) + 1)
                        / (np.sqrt(1 + 2 / c) - 1)
                        * np.exp(c * np.sqrt(1 + 2 / c))
                    )
                    ** 2
                ),
                "are the roots",
            ),
            (lambda c: np.exp(2 * c), "two places"),
        ],
    ),
    "residual-isometry/5": (
        [308.1],
        [(88.2, "100² = 10,000"), (266.5, "factor ½"), (66.6, "exponent is")],
    ),
    "recurrent-networks/1": (
        [np.log(0.36 / (1 - 1.025**-2)) / 8, 0.2514],
        [
            (np.log(0.36 / (1 - 1.025**-2)), "rate is 8λ"),
            (np.log(10) / 8, "1.25 is not near"),
            (np.log(0.5625 / 0.050625) / 8, "decays exponentially"),
        ],
    ),
    "recurrent-networks/2": (
        [1.025 * np.outer(np.eye(5)[0], np.ones(5)), 1.025 / 5**0.5 * np.ones((5, 5))],
        [
            (1.025 * np.eye(5), "meant to like"),
            (np.ones((5, 5)), "the size is not"),
            (np.zeros((5, 5)), "the size is not"),
            (np.diag([1.0, 2, 3, 4, 5]), "1 in every place"),
            (np.eye(4), "shape (4, 4)"),
        ],
    ),
    "recurrent-networks/3": (
        [
            lambda v: (1 + np.tanh(brentq(lambda q: q - np.tanh(q) - v, v, v + 1))) ** 0.5,
            lambda v: (2 * expit(2 * brentq(lambda q: q - np.tanh(q) - v, 0, v + 1))) ** 0.5,
        ],
        [
            (lambda v: 1 + np.tanh(brentq(lambda q: q - np.tanh(q) - v, v, v + 1)), "not g"),
            (lambda v: 1 + (3 * v / 8) ** (1 / 3), "beginning"),
            (lambda v: 1 + (3 * v / 4) ** (1 / 3), "tanh"),
            (lambda v: np.sqrt(1 + np.tanh(v)), "First solve"),
        ],
    ),
    "in-practice/1": (
        [0.288**-0.5, 1.863],
        [
            (1 / 0.288, "is a square"),
            (0.288**0.5, "faster still"),
            (0.288**-20, "One stage at a time"),
        ],
    ),
    "in-practice/2": (
        [lambda n: 2e4 / (n + 2)],
        [
            (lambda n: 2e4 / n, "n + 2"),
            (lambda n: 200 / (n + 2), "it gets squared"),
            (lambda n: 1e4 / (n + 2), "factor 2 in front"),
            (lambda n: 1e4 + 0 * n, "wide layer averages"),
            (lambda n: (2e4 / (n + 2)) ** 0.5, "falls like 1/√k"),
        ],
    ),
    "stiefel/1": (
        [888, 64 * 16 - 8 * 17],
        [
            (1024, "before any constraint"),
            (768, "fewer than k²"),
            (904, "counts too"),
            (2016, "orthogonal group"),
            (120, "within the span alone"),
        ],
    ),
    "stiefel/2": (
        [lambda t: 2 * np.arctan(t / 2), lambda t: 2 * float(np.arctan(float(t) / 2))],
        [
            (np.arctan, "QR and the polar step"),
            (lambda t: t, "geodesic"),
            (lambda t: np.arctan(t / 2), "two factors"),
            (lambda t: 2 * np.arctan(t), "beside A"),
            (lambda t: 360 / np.pi * np.arctan(t / 2), "In radians"),
        ],
    ),
    "outlook/1": (
        [0.570440, 0.5704395],
        [
            (0.4305229, "50 layers"),
            (0.0696099, "solve it for α"),
            (1.7530343, "the one below 1"),
        ],
    ),
    "outlook/2": (
        [lambda n: np.sqrt((n + 1.0) ** (n + 1) / float(n) ** n) / 2.0**n],
        [
            (lambda n: (n + 1.0) ** (n + 1) / n**n / 4.0**n, "take the root"),
            (lambda n: np.sqrt((n + 1.0) ** (n + 1) / n**n), "divided by its largest s"),
            (lambda n: 1.0 + 0 * n, "does not reach"),
            (lambda n: 2.0**-n, "not its top"),
        ],
    ),
    "spectral-universality/1": (
        [0.01, np.sqrt(0.1 / 1000)],
        [
            (0.005, "tanh's constant"),
            (0.02, "not q²/2"),
            (np.sqrt(0.1 / 500), "factor 2"),
            (1e-4, "Take the root"),
            (0.1 / 500, "solve v = 2q²"),
        ],
    ),
    "spectral-universality/2": (
        [top_of_bernoulli_class, lambda v: float(np.exp(v) if v < 1 else np.e * v)],
        [
            (lambda v: np.e * v, "end of the continuous part"),
            (np.exp, "its weight reaches zero"),
            (lambda v: np.sqrt(top_of_bernoulli_class(v)), "That is s_max"),
            (
                lambda v: (
                    (1 + 2 / (np.sqrt(1 + 4 / v) - 1))
                    * np.exp(v * np.sqrt(1 + 4 / v) / 2)
                    / np.exp(v / 2)
                ),
                "smooth class",
            ),
        ],
    ),
    "spectral-universality/6": (
        [bent(0.5), bent(0.6)],
        [
            ("linear", "all but linear"),
            ("relu", "out of its reach"),
            ("tanh", "largest singular value is 1.5"),
            ("hard_tanh", "What if it only halved"),
        ],
    ),
}


def test_every_check_is_tested():
    bare, gone = set(exercises.keys()) - set(ANSWERS), set(ANSWERS) - set(exercises.keys())
    assert not bare, f"give ANSWERS right and wrong answers for {sorted(bare)}"
    assert not gone, f"no page registers {sorted(gone)}: take them out of ANSWERS"


RIGHT = [(key, i) for key, (right, _) in ANSWERS.items() for i in range(len(right))]
WRONG = [(key, i) for key, (_, wrong) in ANSWERS.items() for i in range(len(wrong))]


@pytest.mark.parametrize(("key", "i"), RIGHT)
def test_right_answers_pass(key, i):
    result = exercises.check(key, ANSWERS[key][0][i])
    assert result.correct, result.message
    assert repr(result) == "✓ Right."


@pytest.mark.parametrize(("key", "i"), WRONG)
def test_usual_slips_get_their_own_hint(key, i):
    answer, words = ANSWERS[key][1][i]
    result = exercises.check(key, answer)
    assert not result.correct
    assert words in result.message


@pytest.mark.parametrize("key", sorted(ANSWERS))
def test_no_two_slips_share_a_hint(key):
    hints = [exercises.check(key, answer).message for answer, _ in ANSWERS[key][1]]
    assert len(set(hints)) == len(hints)


def boom(_):
    raise KeyError("no such thing")


@pytest.mark.parametrize("key", sorted(ANSWERS))
@pytest.mark.parametrize(
    "answer",
    [
        "many",
        b"26",
        [],
        [26.0],
        {},
        object(),
        True,
        np.nan,
        np.inf,
        1e300,
        -1,
        1j,
        np.array([1, 2]),
        boom,
        lambda: 1.0,
        lambda x: None,
        lambda x: "text",
        lambda x: np.zeros((2, 2)),
        lambda x: np.nan * x,
        lambda x: x + 1j,
    ],
    ids=repr,
)
@pytest.mark.filterwarnings(
    "ignore::numpy.exceptions.ComplexWarning"
)  # of the reader's own making
def test_no_answer_crashes_a_page(key, answer):
    result = exercises.check(key, answer)
    assert not result.correct and len(result.message) > 10


@pytest.mark.parametrize("key", sorted(ANSWERS))
def test_without_an_answer_the_form_is_said(key):
    result = exercises.check(key, None)
    assert not result.correct
    assert result.message.startswith("No answer yet. ") and len(result.message) > 30
    assert repr(result).startswith("… No answer yet.")  # not a failure, so no ✗


def test_an_exception_inside_an_answer_becomes_a_hint():
    message = exercises.check("why-isometry/4", boom).message
    assert message.startswith("The check could not use your answer") and "no such thing" in message


def test_an_answer_that_is_neither_right_nor_usual_says_where_it_is_wrong():
    message = exercises.check("why-isometry/4", lambda n: np.exp(gap(n)) * (1 + (n > 500))).message
    assert message.startswith("At 1000 your function gives 119.308")  # 2 · 59.654
    assert "check each step" in exercises.check("why-isometry/2", 77).message


def test_an_unknown_key_offers_a_near_one():
    with pytest.raises(ValueError, match=r"got 'why-isometry/3'.*Did you mean 'why-isometry/"):
        exercises.check("why-isometry/3", 1)


def test_number_is_relative_but_absolute_at_zero():
    assert exercises.number(0.0009, 0.0, rtol=1e-3) is None
    assert exercises.number(0.002, 0.0, rtol=1e-3) is not None
    assert exercises.number(1000.9, 1000.0, rtol=1e-3) is None
    assert exercises.number(1002.0, 1000.0, rtol=1e-3) is not None
