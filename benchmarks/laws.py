"""Densities of free sums and products: isolib beside rmtool, freealg, finitefree and scikit-rmt.

Every tool runs in an environment of its own, on one thread, and answers the same tasks: a law, and
its density at 400 points away from the edges. The answers are compared with references that use
none of them (`_references`). Writes book/results/laws-benchmark.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import _references
from benchmarks._environments import PEERS, clean, describe, machine, python_for
from benchmarks._tasks import DEPTHS, TASKS, by_depth
from isolib import results

TOOLS = ("isolib", "rmtool", "freealg", "finitefree", "scikit-rmt")
POINTS, POINTS_BY_DEPTH = 400, 100
REPEATS, LIMIT = 7, 15.0  # timings of one answer, and seconds that it may take
RIGHT, CLOSE, TARGET = (
    1e-6,
    1e-2,
    1e-9,
)  # relative errors: right, good enough to plot, isolib's aim


def posed(tasks: list[dict], points: int, **more) -> list[dict]:
    """Tasks with their points `x` and the reference density `exact` there."""
    out = []
    for task in tasks:
        x = _references.grid(task, points)
        exact = _references.density(task, x)
        out.append(task | {"x": x.tolist(), "exact": exact} | more)
    return out


def ask(tool: str, tasks: list[dict], limit: float = LIMIT) -> dict:
    """Run a tool on posed tasks in its environment: {"answers": [...], "versions": {...}}.

    Raises `RuntimeError` where the tool cannot be installed or its process fails.
    """
    python = python_for(tool)
    env = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    env["NUMBA_THREADING_LAYER"] = "workqueue"  # the one that survives the driver's fork
    if tool != "isolib":
        env.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "tasks.json", Path(folder) / "answers.json"
        bare = [{k: v for k, v in task.items() if k != "exact"} for task in tasks]
        source.write_text(json.dumps({"tasks": bare, "limit": limit}))
        drive = [python, "-P", PEERS / "_drive.py", PEERS / f"{tool}.py", source, target]
        print(f"{tool:11}", end=" ", flush=True)
        run = subprocess.run(list(map(str, drive)), env=env, stderr=subprocess.PIPE, text=True)
        print(flush=True)
        if run.returncode:
            raise RuntimeError(clean((run.stderr.strip().splitlines() or ["no word"])[-1]))
        return json.loads(target.read_text())


def judge(answer: dict, exact: np.ndarray) -> dict:
    """Errors of one task's answer; of several settings, the one with most points right.

    An answer of several rows (the roots that a tool could not choose between) is only asked
    whether one of them is right.
    """
    if "cannot" in answer:
        return {"status": "cannot", "reason": answer["cannot"]}
    best, among, failed = None, None, None
    for setting, found in answer.items():
        if "failed" in found:
            failed = clean(found["failed"])
            continue
        error = abs(np.array(found["density"]) / exact - 1)
        if error.ndim == 2:
            among = int((error.min(0) <= RIGHT).sum())
            continue
        row = {
            "status": "answered",
            "setting": setting,
            "milliseconds": 1e3 * found["seconds"],
            "runs": found["runs"],
            "largest_error": error.max(),
            "median_error": float(np.median(error)),
            "right": int((error <= RIGHT).sum()),
            "close": int((error <= CLOSE).sum()),
        }
        key = (row["right"], row["close"], -row["largest_error"])
        if best is None or key > best[0]:
            best = key, row
    if best is None:
        return {"status": "failed", "reason": failed or "not tried at this depth"}
    return best[1] | ({} if among is None else {"right_among_roots": among})


def depth_reached(rows: list[dict], points: int, *what: str) -> int:
    """The largest depth up to which every depth has all points right, in one of these counts."""
    reached = 0
    for depth, row in zip(DEPTHS, rows, strict=True):
        if points not in [row.get(key) for key in what]:
            break
        reached = depth
    return reached


def measure(tools=TOOLS, points=POINTS, points_by_depth=POINTS_BY_DEPTH, repeats=REPEATS) -> dict:
    """All tools on all tasks: what book/results/laws-benchmark.json holds."""
    print("references", flush=True)
    tasks = posed(TASKS, points, repeats=repeats)
    tasks += posed(by_depth(), points_by_depth, repeats=1, series="depth")
    out: dict = {
        "machine": machine(), "points": points, "points_by_depth": points_by_depth,
        "right": RIGHT, "close": CLOSE, "target": TARGET, "limit_seconds": LIMIT,
        "tasks": [{"name": task["name"], "words": task["words"]} for task in TASKS],
        "tools": {}, "rows": [], "depths": DEPTHS, "by_depth": {},
    }  # fmt: skip
    for tool in tools:
        try:
            found = ask(tool, tasks)
        except RuntimeError as error:
            out["tools"][tool] = {"error": str(error)}
            continue
        out["tools"][tool] = {"versions": found["versions"]}
        rows = [judge(a, task["exact"]) for a, task in zip(found["answers"], tasks, strict=True)]
        for task, row in zip(TASKS, rows, strict=False):
            out["rows"].append({"task": task["name"], "tool": tool} | row)
        deep = rows[len(TASKS) :]
        out["by_depth"][tool] = {
            "largest_error": [row.get("largest_error") for row in deep],
            "median_error": [row.get("median_error") for row in deep],
            "right_to": depth_reached(deep, points_by_depth, "right"),
            "close_to": depth_reached(deep, points_by_depth, "close"),
            "among_to": depth_reached(deep, points_by_depth, "right", "right_among_roots"),
        }
    return out


def show(data: dict) -> None:
    """Print the table."""
    print(f"{describe(data['machine'])}, one thread; right: relative error ≤ {data['right']:g}")
    for row in data["rows"]:
        head = f"{row['task']:11} {row['tool']:11}"
        if row["status"] != "answered":
            print(f"{head} {row['status']}: {row['reason']}")
            continue
        among = row.get("right_among_roots")
        print(
            f"{head} {row['milliseconds']:9.2f} ms  error {row['largest_error']:8.1e}  "
            f"right {row['right']:3}/{data['points']}  close {row['close']:3}  {row['setting']}"
            + (f"; among its roots {among}" if among is not None else "")
        )
    for tool, about in data["tools"].items():
        if "error" in about:
            print(f"{tool}: could not be installed: {about['error']}")
        else:
            deep = data["by_depth"][tool]
            print(
                f"{tool}: right to depth {deep['right_to']}, close to {deep['close_to']}, "
                f"right with its root chosen by the reference to {deep['among_to']}"
            )


def main():
    started = time.perf_counter()
    data = measure()
    results.save(
        "laws-benchmark",
        data,
        command="python -m benchmarks laws",
        seeds=[0],  # of the one sampled matrix that freealg fits; nothing else is random
        scale="laptop",
        device=describe(data["machine"]) + ", one thread",
        started=started,
    )
    show(data)


if __name__ == "__main__":
    main()
