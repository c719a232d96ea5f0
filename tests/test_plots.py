"""Plots: the style, and that what is drawn is what was given."""

import matplotlib as mpl
import numpy as np
import pytest

from isolib import laws, plots


@pytest.fixture(autouse=True)
def closed():
    before = mpl.rcParams.copy()
    yield
    plots.plt.close("all")
    mpl.rcParams.update({k: before[k] for k in plots._STYLE})


def heights(ax):
    """Values and ends of the histogram drawn on `ax`."""
    (patch,) = [p for p in ax.patches if isinstance(p, mpl.patches.StepPatch)]
    return patch.get_data().values, patch.get_data().edges


def test_setup_sets_the_style_and_axes_follow_it():
    plots.setup()
    for key, value in plots._STYLE.items():
        got = mpl.rcParams[key]
        assert (list(got) if key == "figure.figsize" else got) == (
            list(value) if key == "figure.figsize" else value
        ), key
    ax = plots.axes(xlabel="depth", ylabel="q", title="T", xscale="log")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("depth", "q", "T")
    assert ax.get_xscale() == "log" and ax.get_yscale() == "linear"
    assert not ax.spines["top"].get_visible()
    line = ax.plot([0, 1], [0, 1])[0]
    assert line.get_color() == plots.COLORS[0]


def test_a_figure_is_the_same_bytes_twice(tmp_path):
    plots.setup()
    for name in ("a", "b"):
        ax = plots.spectrum(np.linspace(-1, 1, 50), laws.Semicircle())
        ax.figure.savefig(tmp_path / name, format="svg", metadata={"Date": None, "Creator": None})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_row_of_axes():
    row = plots.axes(3, xlabel="s", ylabel="density", title=["1", "2", "3"], sharey=True)
    assert row.shape == (3,)
    assert [ax.get_title() for ax in row] == ["1", "2", "3"]
    assert [ax.get_xlabel() for ax in row] == ["s"] * 3
    assert [ax.get_ylabel() for ax in row] == ["density", "", ""]
    assert [ax.get_ylabel() for ax in plots.axes(2, ylabel="y")] == ["y", "y"]


def test_the_histogram_has_mass_one_and_the_curve_is_the_density():
    law = laws.Semicircle(2.0)
    samples = np.random.default_rng(0).normal(size=(20, 30))
    ax = plots.spectrum(samples, law, bins=25, label="data")
    values, ends = heights(ax)
    assert values.size == 25 and np.sum(values * np.diff(ends)) == pytest.approx(1)
    assert (ends[0], ends[-1]) == pytest.approx((samples.min(), samples.max()))
    (line,) = ax.get_lines()
    np.testing.assert_allclose(line.get_ydata(), law.density(line.get_xdata()))
    lo, hi = law.edges()
    assert line.get_xdata()[0] == pytest.approx(lo, abs=1e-3)
    assert line.get_xdata()[-1] == pytest.approx(hi, abs=1e-3)
    assert line.get_color() == plots.INK  # theory is always ink
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["data", "theory"]
    assert ax.get_ylim()[0] == 0


def test_on_a_log_axis_both_are_per_unit_of_log_x():
    law = laws.MarchenkoPastur(0.5)
    samples = law.quantile((np.arange(4000) + 0.5) / 4000)
    ax = plots.spectrum(samples, law, bins=12, logx=True)
    values, ends = heights(ax)
    assert ax.get_xscale() == "log"
    assert np.sum(values * np.diff(np.log(ends))) == pytest.approx(1)
    (line,) = ax.get_lines()
    x, y = line.get_data()
    np.testing.assert_allclose(y, x * law.density(x))
    # samples of the law itself: each bin holds the law's mass there
    np.testing.assert_allclose(values * np.diff(np.log(ends)), np.diff(law.cdf(ends)), atol=1e-3)


def test_atoms_are_marked_with_their_weight():
    ax = plots.spectrum(law=laws.MarchenkoPastur(2.0))
    assert [t.get_text() for t in ax.texts] == ["0.5 at 0"]
    assert ax.get_legend() is None


def test_it_draws_where_it_is_told():
    _, second = plots.axes(2)
    assert plots.spectrum([1.0, 2.0], ax=second) is second


def test_the_colours_can_be_told_apart():
    def luminance(color):
        rgb = np.array(mpl.colors.to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    assert len(set(plots.COLORS)) == len(plots.COLORS) >= 6
    white = 1.05
    for color in (plots.INK, *plots.COLORS[:3]):  # what thin lines are drawn in: 3 : 1 on white
        assert white / (luminance(color) + 0.05) > 3, color


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.axes(0), "columns must be a whole number, 1 or larger, got 0"),
        (lambda: plots.axes(1.5), "columns must be a whole number, 1 or larger, got 1.5"),
        (lambda: plots.spectrum([1.0, np.nan]), "samples must be finite everywhere, got nan"),
        (lambda: plots.spectrum([]), "samples must hold at least one number, got none"),
        (
            lambda: plots.spectrum([-1.0, 2.0], logx=True),
            "samples must be positive with logx, got -1",
        ),
        (
            lambda: plots.axes(3, title=["a", "b"]),
            "title must be one text or a list of 3, got ",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
