"""Stored results: what is written is read back, never without provenance, never by halves."""

import json
import os
import re
import time

import numpy as np
import pytest

from isolib import results

RUN = {"command": "make results", "seeds": range(3), "scale": "test", "device": "CPU"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDERS", (tmp_path / "results", tmp_path / "packaged"))
    return tmp_path / "results"


def save(name="one", data=None, **kw):
    data = {"x": np.arange(3.0)} if data is None else data
    return results.save(name, data, started=time.perf_counter(), **(RUN | kw))


def test_round_trip(folder):
    data = {
        "curve": np.linspace(0, 1, 7) / 3,
        "table": np.arange(6).reshape(2, 3),
        "loss": [0.5, np.nan, np.inf],
        "nested": {"name": "tanh", "flag": np.bool_(True), "n": np.int64(5), "none": None},
        "rows": [{"k": 1}, {"k": 2}],
    }
    path = save(data=data)
    assert path == folder / "one.json" and results.names() == ["one"]
    back = results.load("one")["data"]
    np.testing.assert_allclose(back["curve"], data["curve"], rtol=5.1e-6)  # six digits are kept
    np.testing.assert_array_equal(back["table"], data["table"])
    assert back["loss"][0] == 0.5 and np.isnan(back["loss"][1:]).all()  # JSON has no NaN or ∞
    assert back["nested"] == {"name": "tanh", "flag": True, "n": 5, "none": None}
    assert back["rows"] == [{"k": 1}, {"k": 2}]


def test_provenance_is_complete_and_said_in_one_line(folder):
    save()
    result = results.load("one")
    assert set(result["provenance"]) == set(results.PROVENANCE)
    assert result["provenance"]["seeds"] == [0, 1, 2]
    assert set(result["provenance"]["versions"]) == {"python", "numpy", "torch"}
    assert re.fullmatch(
        r"make results: scale test, seeds \[0, 1, 2\], CPU, \d+ s, \d{4}-\d\d-\d\d, commit \w+",
        results.describe(result),
    )


@pytest.mark.parametrize("missing", results.PROVENANCE)
def test_a_file_without_provenance_is_refused(folder, missing):
    path = save()
    stored = json.loads(path.read_text())
    del stored["provenance"][missing]
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=f"one.json lacks provenance: {missing}"):
        results.load("one")


def test_an_unknown_name_lists_those_there_are(folder):
    save("alpha")
    save("beta")
    with pytest.raises(ValueError, match=r"stored result \(alpha, beta\), got 'gamma'"):
        results.load("gamma")


def test_a_failed_write_leaves_the_old_file_whole(folder, monkeypatch):
    path = save()
    before = path.read_bytes()
    with pytest.raises(ValueError, match="data must hold numbers, text, lists and dicts, got set"):
        save(data={"x": {1, 2}})
    assert path.read_bytes() == before

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save(data={"x": np.zeros(10_000)})
    assert path.read_bytes() == before
    assert results.names() == ["one"]  # the half-written file is no result


def test_the_copy_in_the_package_serves_where_there_is_no_checkout(folder, monkeypatch):
    path = save()
    packaged = results.FOLDERS[1]
    packaged.mkdir()
    path.rename(packaged / path.name)
    assert results.names() == ["one"]
    np.testing.assert_array_equal(results.load("one")["data"]["x"], [0, 1, 2])
