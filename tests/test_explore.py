"""Explorers: what a page is given equals what the function returns, and bad ones are refused."""

import json

import numpy as np
import pytest

from isolib import explorers
from isolib.explore import MOST_BYTES, Curve, Explorer, Frame, _short


def powers(points=20, **kw):
    x = np.linspace(0, 1, points)

    def frame(k, a):
        return Frame([Curve("power", x, a * x**k), Curve("base", x, x)], f"{a} x^{k}")

    arguments = {
        "controls": {"k": [1, 2, 3], "a": {"one": 1.0, "half": 0.5}},
        "labels": {"k": "exponent", "a": "factor"},
    }
    return Explorer("powers", "Powers", frame, **(arguments | kw))


def test_the_frames_lie_in_the_order_that_the_view_reads():
    # the view computes index = (i_k · 2) + i_a: the last control runs fastest
    explorer = powers()
    assert [f["readout"] for f in explorer.spec["frames"]] == [
        f"{a} x^{k}" for k in (1, 2, 3) for a in (1.0, 0.5)
    ]
    assert explorer.frame([2, 1]).readout == "0.5 x^3"
    assert [c["start"] for c in explorer.spec["controls"]] == [1, 1]
    assert powers(start={"k": 0}).spec["controls"][0]["start"] == 0


def test_the_numbers_keep_five_digits_and_gaps_stay_gaps():
    explorer = powers()
    drawn = np.array(explorer.spec["frames"][3]["curves"][0]["y"])
    exact = np.array(explorer.frame([1, 1]).curves[0].y)
    np.testing.assert_allclose(drawn, exact, rtol=5.1e-5)  # half a unit of the fifth digit
    assert _short([1.0, np.nan, np.inf, 123456.0]) == [1.0, None, None, 123460.0]


def test_a_shared_grid_is_stored_once_and_separate_grids_are_kept():
    assert len(powers().spec["x"]) == 20
    assert "x" not in powers().spec["frames"][0]["curves"][0]

    def frame(k):
        return Frame([Curve("c", np.linspace(0, k, 5), np.ones(5))], str(k), xlim=(0, k))

    spec = Explorer("own", "Own", frame, {"k": [1, 2]}, {"k": "k"}).spec
    assert spec["x"] is None
    assert spec["frames"][1]["curves"][0]["x"][-1] == 2 and spec["frames"][1]["xlim"] == [0, 2]
    assert "ylim" not in spec["frames"][1]


def test_atoms_are_lines_with_weights_and_there_may_be_none():
    def frame(k):
        atoms = Curve("atoms", [0.0, 1.0][:k], [0.25, 0.5][:k], "atoms")
        return Frame([Curve("c", [0, 1], [0, 1]), atoms], str(k))

    explorer = Explorer("atoms", "Atoms", frame, {"k": [0, 1, 2]}, {"k": "k"}, start={"k": 2})
    assert [f["curves"][1]["y"] for f in explorer.spec["frames"]] == [[], [0.25], [0.25, 0.5]]
    assert "data:image/png" in explorer.html()


def test_too_much_data_is_refused_with_its_size():
    with pytest.raises(ValueError, match=rf"'powers' holds \d{{6,}} bytes, at most {MOST_BYTES}"):
        assert powers(points=9000).spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"controls": {}}, "controls must be one to three, got 0"),
        ({"controls": dict.fromkeys("abcd", [1])}, "controls must be one to three, got 4"),
        ({"labels": {"k": "exponent"}}, "missing: a"),
        ({"controls": {"k": [], "a": [1]}}, "start of 'k' must be one of its 0 places, got 0"),
        ({"start": {"k": 9}}, "start of 'k' must be one of its [1-9] places, got 9"),
        ({"xscale": "logarithmic"}, "xscale must be one of linear, log; got 'logarithmic'"),
    ],
)
def test_bad_explorers(change, message):
    with pytest.raises(ValueError, match=message):
        powers(**change)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([0, 1], [0, 1], "dots"),
            "kind must be one of line, theory, steps, points, atoms; got 'dots'",
        ),
        (([0, 1, 2], [0, 1]), r"'c': x must hold 2 numbers for y of shape \(2,\), got .*\(3,\)"),
        (([0, 1], [0, 1], "steps"), r"x must hold 3 numbers"),
        (([[0, 1]], [[0, 1]]), r"got shape \(1, 2\)"),
    ],
)
def test_bad_curves(arguments, message):
    with pytest.raises(ValueError, match=message):
        Curve("c", *arguments)


def test_curves_that_change_name_or_hold_nan_in_x_are_refused():
    def renamed(k):
        return Frame([Curve(f"c{k}", [0, 1], [0, 1])], "")

    with pytest.raises(ValueError, match="the same curves in the same order"):
        assert Explorer("e", "E", renamed, {"k": [1, 2]}, {"k": "k"}).spec

    def gap(k):
        return Frame([Curve("c", [0, np.nan], [0, 1])], "")

    with pytest.raises(ValueError, match="x of curve 'c' must be finite"):
        assert Explorer("e", "E", gap, {"k": [1, 2]}, {"k": "k"}).spec


def test_the_static_part_is_safe_html_with_a_still_figure(monkeypatch):
    explorer = powers(labels={"k": "</script><b>", "a": "a < b"})
    html = explorer.html()
    data = html.split('<script type="application/json">')[1].split("</script>")[0]
    assert json.loads(data) == explorer.spec  # the label did not end the script
    assert "<noscript><img alt=" in html and "data:image/png;base64,iVBOR" in html
    assert "Powers. 0.5 x^2" in html  # the still's alt text is the title and the read-out
    monkeypatch.setenv("ISOLIB_STATIC", "1")
    assert set(explorer._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_the_live_widget_holds_the_same_data(monkeypatch):
    monkeypatch.delenv("ISOLIB_STATIC", raising=False)
    explorer = powers()
    widget = explorer.widget()
    assert widget.spec == explorer.spec and widget.state == [1, 1]
    assert "export default" in str(widget._esm) and "isolib-explorer" in str(widget._css)
    bundle = explorer._repr_mimebundle_()
    assert {"text/html", "application/vnd.jupyter.widget-view+json"} <= set(bundle)


@pytest.mark.parametrize("name", sorted(explorers.ALL))
def test_every_explorer_of_the_book(name):
    explorer = explorers.ALL[name]()
    spec = explorer.spec  # raises above 150 KB
    assert spec["name"] == name == explorer.name
    assert 1 <= len(spec["controls"]) <= 3
    readouts = [f["readout"] for f in spec["frames"]]
    # every setting says something of its own: no control is dead
    assert len(set(readouts)) == len(readouts)
    last = [len(c["text"]) - 1 for c in spec["controls"]]
    for index, frame in ((0, explorer.frame([0] * len(last))), (-1, explorer.frame(last))):
        for stored, curve in zip(spec["frames"][index]["curves"], frame.curves, strict=True):
            np.testing.assert_allclose(stored["y"], _short(curve.y))  # same random numbers again
