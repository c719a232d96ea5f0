"""Run one tool, in its own environment, on the tasks of a file: python -P _drive.py TOOL IN OUT.

Only the standard library and NumPy: this runs in every environment. A tool's module has

    packages                      distributions whose versions are recorded
    settings(task) -> [label]     ways to ask for this law; NotImplementedError says it has none
    solve(task, x, label)         the density at x, or one row for each root it cannot tell apart
    prepare()                     optional: what a first call compiles; counted as importing
    reset()                       optional: forget what was computed before, for the next timing

Each way runs in a process of its own, which is ended at the time limit.
"""

import importlib.util
import json
import multiprocessing
import platform
import statistics
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np


def attempt(tool, task, label, repeats, pipe):
    """Time one way of solving one task; send {density, seconds} or {failed}."""
    x, times = np.array(task["x"]), []
    try:
        while len(times) < repeats and sum(times) < 2:
            getattr(tool, "reset", lambda: None)()
            start = time.perf_counter()
            density = tool.solve(task, x, label)
            times.append(time.perf_counter() - start)
        density = np.nan_to_num(np.asarray(density, dtype=float), posinf=0.0, neginf=0.0)
        answer = {"density": density.tolist(), "seconds": statistics.median(times)}
        answer["runs"] = len(times)
    except Exception as error:  # whatever a tool raises is its answer
        answer = {"failed": f"{type(error).__name__}: {error}"[:200]}
    pipe.send(answer)


def run(tool, task, label, repeats, limit):
    """`attempt` in a process that is given `limit` seconds."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=attempt, args=(tool, task, label, repeats, there))
    process.start()
    there.close()
    answer = {"failed": f"no answer within {limit:g} s"}
    try:
        if here.poll(limit):
            answer = here.recv()
    except EOFError:
        answer = {"failed": "the process died"}
    process.kill()
    process.join()
    return answer


def main():
    path, source, target = sys.argv[1:]
    # the other tool's own warnings: its answers are judged against the reference, not by these
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    spec = importlib.util.spec_from_file_location("tool", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    with open(source) as file:
        job = json.load(file)
    getattr(tool, "prepare", lambda: None)()
    answers, given_up = [], set()
    for task in job["tasks"]:
        series, answer = task.get("series"), {}
        try:
            labels = tool.settings(task)
            for label in labels:
                if (series, label) in given_up:
                    continue
                found = answer[label] = run(tool, task, label, task["repeats"], job["limit"])
                late = found.get("failed", "").startswith("no answer")
                if "failed" in found and series:  # deeper will not be faster
                    given_up |= {(series, other) for other in (labels if late else [label])}
                if late:
                    break  # nor will another way, which asks for as much
        except NotImplementedError as error:
            answer = {"cannot": str(error)}
        answers.append(answer)
        print(".", end="", flush=True)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    versions |= {name: version(name) for name in tool.packages}
    with open(target, "w") as file:
        json.dump({"answers": answers, "versions": versions}, file)


if __name__ == "__main__":
    main()
