"""`spectra.compare`: exact samples are close to their law, wrong ones are far, atoms count."""

import numpy as np
import pytest

from isolib.laws import Atoms, Bernoulli, MarchenkoPastur, PointMass, Semicircle
from isolib.spectra import compare

CONTINUOUS = [
    Semicircle(),
    Semicircle(2.5),
    MarchenkoPastur(0.3, 2.0),
    MarchenkoPastur(1.0),
    MarchenkoPastur(0.5).singular_values(),
]


def exact_samples(law, n):
    """The n mid-quantiles: the set of n points that is nearest to the law."""
    return law.quantile((np.arange(n) + 0.5) / n)


@pytest.mark.parametrize("law", CONTINUOUS, ids=repr)
@pytest.mark.parametrize("n", [50, 400])
def test_mid_quantiles_are_half_a_step_away(law, n):
    c = compare(law, exact_samples(law, n))
    assert c.n == n
    assert abs(c.ks - 0.5 / n) < 1e-6  # the least that n points can have; 1e-6: the quantile's own
    assert abs(c.moment_errors).max() < 8 / n
    lower, upper = c.edge_errors
    assert 0 <= lower < n ** (-0.5) and -(n ** (-0.5)) < upper <= 0
    assert c.atom_errors.size == 0


def test_a_wrong_law_is_far():
    x = exact_samples(Semicircle(), 400)
    c = compare(Semicircle(1.2), x)
    assert c.ks > 0.02
    assert c.moment_errors[1] == pytest.approx(1 / 1.2 - 1, abs=0.01)  # (1 − 1.2)/1.2
    # a KS distance by hand, against F of a shifted copy
    shifted = compare(Semicircle(), x + 0.1)
    grid = np.linspace(-2, 2, 20_001)
    by_hand = abs(Semicircle().cdf(grid) - Semicircle().cdf(grid - 0.1)).max()
    assert shifted.ks == pytest.approx(by_hand, abs=1 / 400)
    assert shifted.edge_errors[1] == pytest.approx(0.1 / 4, abs=0.01)  # over the width 4


def test_atoms_are_counted_where_rounding_left_them():
    law = Bernoulli(0.3)
    x = np.r_[np.full(35, 1 + 1e-12), np.full(65, -1e-17)]
    c = compare(law, x)
    weights = dict(zip([place for place, _ in law.atoms()], c.atom_errors, strict=True))
    assert weights[1.0] == pytest.approx(0.05) and weights[0.0] == pytest.approx(-0.05)
    assert c.ks == pytest.approx(0.05)
    # 1e-4 is not rounding: such samples are not at the atom
    assert compare(law, x + 1e-4).ks > 0.6


def test_an_atom_beside_a_density():
    law = MarchenkoPastur(2.0)  # half of the mass at 0
    n = 1000
    x = np.r_[np.zeros(n // 2), exact_samples(law, n)[n // 2 :]]
    c = compare(law, x)
    assert c.ks < 1 / n and abs(c.atom_errors).max() < 1e-12
    missing = compare(law, x[n // 2 :])  # the atom's samples left out
    assert missing.ks == pytest.approx(0.5, abs=1e-3)
    assert missing.atom_errors == pytest.approx([-0.5])


def test_a_point_mass_and_several_atoms():
    c = compare(PointMass(2.0), np.full(10, 2.0))
    assert c.ks == 0 and np.all(c.edge_errors == 0) and np.all(c.moment_errors == 0)
    law = Atoms([-1.0, 2.0, 3.0], [0.2, 0.3, 0.5])
    c = compare(law, np.repeat([-1.0, 2.0, 3.0], [2, 3, 5]))
    assert c.ks < 1e-15 and abs(c.atom_errors).max() < 1e-15


def test_shape_and_order_do_not_matter():
    x = exact_samples(Semicircle(), 60)
    shuffled = np.random.default_rng(0).permutation(x).reshape(3, 20)
    assert compare(Semicircle(), shuffled).ks == compare(Semicircle(), x).ks


def test_as_many_moments_as_wanted_and_one_line_of_text():
    c = compare(MarchenkoPastur(2.0), exact_samples(MarchenkoPastur(2.0), 40), moments=2)
    assert c.moment_errors.shape == (2,)
    text = str(c)
    assert "\n" not in text and all(
        w in text for w in ("KS", "moments", "edges", "atoms", "n = 40")
    )


@pytest.mark.parametrize(
    ("samples", "moments", "message"),
    [
        ([], 4, "samples must hold at least one number, got none"),
        ([1.0, np.nan], 4, "samples must be finite everywhere, got nan"),
        ([1.0, np.inf], 4, "samples must be finite everywhere, got inf"),
        ([1 + 1j], 4, "samples must be real"),
        (["a"], 4, "samples must be an array of real numbers, got"),
        ([[1.0], [1.0, 2.0]], 4, "samples must be an array of real numbers, got"),
        ([1.0], 0, "moments must be a whole number, 1 or larger, got 0"),
        ([1.0], 2.5, "moments must be a whole number, 1 or larger, got 2.5"),
    ],
)
def test_bad_input(samples, moments, message):
    with pytest.raises(ValueError, match=message):
        compare(Semicircle(), samples, moments=moments)


def test_edge_errors_are_in_units_of_the_width():
    c = compare(Atoms([1, 3], [0.5, 0.5]), [0.5, 1.0, 3.0, 3.5])
    np.testing.assert_allclose(c.edge_errors, [-0.25, 0.25])
    c = compare(PointMass(2.0), [1.0, 2.0, 3.0])  # no width: in units of the point itself
    np.testing.assert_allclose(c.edge_errors, [-0.5, 0.5])


def test_four_moments_unless_told():
    samples = [0.0, 1.0, 2.0]
    assert compare(Semicircle(), samples).moment_errors.shape == (4,)
    c = compare(Semicircle(4.0), samples, moments=3)  # moments 0, 4, 0; unit m₂^(k/2)
    np.testing.assert_allclose(c.moment_errors, [1 / 2, (5 / 3 - 4) / 4, 3 / 8])
