"""The comparison with other tools: the references, isolib's part of it, and what is stored."""

import json

import numpy as np
import pytest

from benchmarks import _environments, _references, laws
from benchmarks._tasks import DEPTHS, TASKS
from isolib import results

BY_NAME = {task["name"]: task for task in TASKS}


# ---- the references -------------------------------------------------------------------------
def test_two_routes_to_the_product_of_two_gaussian_layers():
    task = {"name": "two", "kind": "marchenko-pastur product", "ratios": [1.0, 1.0]}
    sines = {"name": "two", "kind": "gaussian product", "depth": 2}
    x = _references.grid(sines, 15)
    a, b = _references.density(task, x), _references.density(sines, x)
    np.testing.assert_allclose(a, b, rtol=1e-14)


def test_two_routes_to_marchenko_pastur():
    sines = {"name": "one", "kind": "gaussian product", "depth": 1}
    closed = {"name": "one", "kind": "marchenko-pastur", "ratio": 1.0}
    x = _references.grid(sines, 15)
    a, b = _references.density(sines, x), _references.density(closed, x)
    np.testing.assert_allclose(a, b, rtol=1e-14)


def test_one_relu_layer_less_its_atom_is_half_a_point_mass():
    """At depth 2 the law of 2B ⊠ 2B, B a half Bernoulli, is the arcsine law on (0, 4), halved."""
    task = {"name": "two", "kind": "relu", "depth": 2}
    x = _references.grid(task, 15)
    np.testing.assert_allclose(
        _references.density(task, x), 0.5 / (np.pi * np.sqrt(x * (4 - x))), rtol=1e-14
    )


@pytest.mark.parametrize("name", ["MP", "Gauss 8", "MP × MP", "SC + ±1"])
def test_the_mass_is_one(name):
    lo, hi = _references.support(BY_NAME[name])
    y, w = np.polynomial.legendre.leggauss(30)
    y, w = (y + 1) / 2, w / 2
    if lo > 0:  # a square root at both ends: the midpoint rule in the angle πy
        y, w = (np.arange(64) + 0.5) / 64, 1 / 64
        x = lo + (hi - lo) * np.sin(np.pi * y / 2) ** 2
        slope = (hi - lo) * np.sin(np.pi * y) * np.pi / 2
    else:  # powers of λ^{1/(L+1)} at 0, of λ^{1/3} in the middle of the sum; a square root at hi
        power = BY_NAME[name].get("depth", 2) + 1
        x = hi * (1 - y * y) ** power
        slope = (1 + (lo < 0)) * hi * power * (1 - y * y) ** (power - 1) * 2 * y
    mass = (_references.density(BY_NAME[name], x) * slope * w).sum()
    assert mass == pytest.approx(1, abs=1e-9)


def test_the_tanh_reference_does_not_depend_on_its_line(monkeypatch):
    x = _references.grid(BY_NAME["tanh 50"], 3)
    a = _references.density(BY_NAME["tanh 50"], x)
    monkeypatch.setattr(_references._Tanh, "TURN", 0.3125)
    monkeypatch.setattr(_references._Tanh, "STEP", 0.09375)
    np.testing.assert_allclose(a, _references.density(BY_NAME["tanh 50"], x), rtol=1e-14)


@pytest.mark.parametrize("task", TASKS, ids=list(BY_NAME))
def test_grids_stay_inside(task):
    lo, hi = _references.support(task)
    x = _references.grid(task, 400)
    assert len(x) == 400 and (np.diff(x) > 0).all() and lo < x[0] and x[-1] < hi


# ---- isolib's part, and the judge ---------------------------------------------------------------
def test_isolib_meets_its_targets():
    deep = [{"name": f"Gauss {n}", "kind": "gaussian product", "depth": n} for n in (1, 100_000)]
    tasks = laws.posed([*TASKS, *deep], 12, repeats=1)
    answers = laws.ask("isolib", tasks)["answers"]
    for task, answer in zip(tasks, answers, strict=True):
        row = laws.judge(answer, task["exact"])
        assert row["right"] == 12 and row["largest_error"] < laws.TARGET, (task["name"], row)


def test_the_judge():
    exact = np.array([1.0, 2.0])
    rough = {"density": [1.001, 2.0], "seconds": 1e-3, "runs": 7}
    good = {"density": [1.0, 2.0], "seconds": 2e-3, "runs": 7}
    row = laws.judge({"a": rough, "b": good}, exact)
    assert (row["setting"], row["right"], row["close"], row["milliseconds"]) == ("b", 2, 2, 2.0)
    roots = {"density": [[5.0, 2.0], [1.0, 7.0]], "seconds": 1.0, "runs": 1}
    row = laws.judge({"a": rough, "every root": roots}, exact)
    assert (row["right"], row["close"], row["right_among_roots"]) == (1, 2, 2)
    row = laws.judge({"a": {"failed": "OSError: /some/where/else is not there"}}, exact)
    assert row == {"status": "failed", "reason": "OSError: (path) is not there"}
    assert laws.judge({"cannot": "no"}, exact) == {"status": "cannot", "reason": "no"}
    assert laws.judge({}, exact)["status"] == "failed"


def test_a_tool_that_cannot_be_installed_is_listed(monkeypatch):
    def refuse(tool):
        raise RuntimeError("no such package")

    monkeypatch.setattr(laws, "python_for", refuse)
    monkeypatch.setattr(laws, "TASKS", TASKS[:1])
    monkeypatch.setattr(laws, "by_depth", list)
    data = laws.measure(tools=("rmtool",), points=3)
    assert data["tools"] == {"rmtool": {"error": "no such package"}} and data["rows"] == []


def test_a_slow_answer_is_ended():
    """The driver gives a tool its time and no more, and goes on."""
    slow, quick = BY_NAME["tanh 50"], BY_NAME["MP"]
    tasks = laws.posed([slow, quick], 5, repeats=1)
    tasks[0]["x"] = [1.0] * 100_000
    one, two = laws.ask("isolib", tasks, limit=0.3)["answers"]
    assert one == {"density(x)": {"failed": "no answer within 0.3 s"}}
    assert two["density(x)"]["runs"] == 1


@pytest.mark.parametrize("tool", laws.TOOLS[1:])
def test_requirements_are_pinned_and_name_no_index(tool):
    text = (_environments.PEERS / f"{tool}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert any(line.startswith(f"{tool}==") for line in lines)
    assert all("==" in line and "/" not in line for line in lines)
    assert (_environments.PEERS / f"{tool}.py").is_file()


# ---- what is stored -----------------------------------------------------------------------------
def test_the_stored_comparison():
    data = results.load("laws-benchmark")["data"]
    assert [task["name"] for task in data["tasks"]] == list(BY_NAME)
    assert list(data["tools"]) == list(laws.TOOLS)
    assert (data["right"], data["close"], data["target"]) == (laws.RIGHT, laws.CLOSE, laws.TARGET)
    assert data["points"] == laws.POINTS and data["machine"]["cpu"]
    np.testing.assert_array_equal(data["depths"], DEPTHS)
    for tool, about in data["tools"].items():
        rows = [row for row in data["rows"] if row["tool"] == tool]
        if "error" in about:
            assert not rows
            continue
        assert [row["task"] for row in rows] == list(BY_NAME)
        for row in rows:
            assert row["status"] in ("answered", "failed", "cannot")
            assert row.get("reason") or 0 <= row["right"] <= row["close"] <= data["points"]
        assert len(data["by_depth"][tool]["largest_error"]) == len(DEPTHS)
    for row in data["rows"]:
        if row["tool"] == "isolib":
            assert row["right"] == data["points"] and row["largest_error"] <= laws.TARGET
    assert data["by_depth"]["isolib"]["right_to"] == DEPTHS[-1]


def test_the_stored_jacobians():
    from benchmarks import jacobian

    rows = results.load("jacobian-benchmark")["data"]["rows"]
    cases = [(row["depth"], row["width"], row["batch"]) for row in rows]
    assert cases == [case[:3] for case in jacobian.CASES] and (200, 1000, 1) in cases
    assert all(row["seconds"] > 0 and row["to_bare"] > 0 for row in rows)


def test_jacobian_rows_are_made_as_stored():
    from benchmarks import jacobian

    (row,) = jacobian.measure([(3, 8, 2, 1, 1)])
    stored = results.load("jacobian-benchmark")["data"]["rows"][0]
    assert set(row) == set(stored) and json.dumps(row)


def test_steps_on_one_weight_are_measured_as_stored(monkeypatch):
    from benchmarks import orthogonality

    def refuse(name):
        raise RuntimeError("no such package")

    monkeypatch.setattr(orthogonality, "beside", refuse)
    data = orthogonality.measure([(8, 8), (12, 3)])
    assert data["versions"]["missing"] == "no such package" and json.dumps(data)
    rows = {(row["method"], row["n"]): row for row in data["rows"]}
    assert not any("failed" in row for row in data["rows"])
    for name in ("QR", "polar", "Cayley", "torch cayley", "torch matrix_exp"):
        assert rows[name, 12]["off"] < 1e-5, name
    assert rows["SO penalty", 8]["off"] > 1e-3  # pulled, not held


def test_the_stored_steps_on_one_weight():
    from benchmarks import orthogonality

    data = results.load("orthogonality-benchmark")["data"]
    assert data["sizes"].astype(int).tolist() == [list(size) for size in orthogonality.SIZES]
    assert {"torch", "geotorch", "geoopt"} <= set(data["versions"])
    assert len(data["rows"]) == 14 * len(orthogonality.SIZES)
    held = [r for r in data["rows"] if "penalty" not in r["method"] and r["method"] != "landing"]
    assert all(row["off"] < 1e-4 for row in held if "off" in row)


def test_packages_beside_our_torch_are_pinned():
    text = (_environments.PEERS / "orthogonality.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 2 and all("==" in line and "/" not in line for line in lines)
