"""`python -m coursework …`: see `python -m coursework --help` and coursework/README.md."""

from __future__ import annotations

import os

# before numpy is loaded: several graders run side by side, one core each
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from coursework.reading import SourceError  # noqa: E402


def check(options) -> int:
    from coursework.selftest import SelfTest
    from coursework.source import load

    test = SelfTest(load(options.assignment))
    good = test.run(options.students)
    print(test.report())
    return 0 if good else 1


def build(options) -> int:
    from coursework.build import build
    from coursework.source import load

    build(load(options.assignment), Path(options.out), options.students)
    return 0


def grade(options) -> int:
    from coursework import batch, bubblewrap, collect, outputs, sandbox
    from coursework.build import writable
    from coursework.source import load

    assignment = load(options.assignment)
    names = collect.roster(Path(options.roster)) if options.roster else {}
    entries = collect.collect(Path(options.submissions), names)
    out = writable(Path(options.out))
    sandboxed = options.sandbox != "none" and bubblewrap.available()
    if options.sandbox == "bwrap" and not sandboxed:
        raise SourceError("bubblewrap (bwrap) is not here or not allowed to make a sandbox")
    for path in (assignment.path, Path(options.submissions), out) if sandboxed else ():
        if bubblewrap.shown(path):
            raise SourceError(
                f"{path} lies in a folder that submissions can read, since Python is there too: "
                "make the virtual environment in a folder of its own"
            )
    if not sandboxed and sandbox.risky() and not options.as_root:
        raise SourceError(
            "without bubblewrap these submissions would run as root. Install bubblewrap, or run "
            "this as another user, or, in a machine made for nothing else, add --as-root"
        )
    batch.notice(sandboxed)
    limits = sandbox.Limits(
        options.cell, options.call, wall=options.wall, memory=options.memory << 20
    )
    work = batch.Batch(assignment, out, limits=limits, sandboxed=sandboxed, ids=options.id)
    try:
        graded = work.run(entries, options.jobs or batch.cores())
    except KeyboardInterrupt:
        print("\nstopped; what is graded is kept: run the same command to go on", file=sys.stderr)
        return 130
    results = work.results(entries)
    outputs.save(out, assignment, results)
    odd = sum(result["status"] != "ok" for result in results)
    print(
        f"{len(entries)} students, {graded} graded now, {odd} to look at: {out / 'summary.html'}"
    )
    return 1 if work.failed else 0


def marks(options) -> int:
    from coursework import outputs

    print(outputs.merge(Path(options.out)))
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m coursework", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("check", help="self-test of a problem set, for its author")
    one.add_argument("assignment", help="a key such as ps1, or the path of a .md file")
    one.add_argument("--students", type=int, default=3, help="variants to solve (3)")
    one.set_defaults(run=check)
    two = commands.add_parser("build", help="notebooks and autograder of a problem set")
    two.add_argument("assignment", help="a key such as ps1, or the path of a .md file")
    two.add_argument("--out", required=True, help="folder for the three files")
    two.add_argument("--students", type=int, default=2, help="variants to solve first (2)")
    two.set_defaults(run=build)
    three = commands.add_parser("grade", help="a folder of submissions")
    three.add_argument("submissions", help="folder with .ipynb files")
    three.add_argument("--assignment", required=True, help="a key such as ps1, or a .md file")
    three.add_argument("--out", required=True, help="folder for grades, feedback and summary")
    three.add_argument("--roster", help="CSV with the columns file,student")
    whose = "whose id makes the numbers: the file's, or STUDENT in the notebook"
    three.add_argument("--id", choices=("file", "notebook"), default="file", help=whose)
    three.add_argument("--jobs", type=int, default=0, help="side by side (all cores)")
    how = ("auto", "bwrap", "none")
    three.add_argument("--sandbox", choices=how, default="auto", help="bubblewrap, if it is here")
    three.add_argument("--as-root", action="store_true", help="no sandbox, and root at that")
    three.add_argument("--cell", type=float, default=30, help="seconds for one cell (30)")
    three.add_argument("--call", type=float, default=10, help="seconds for one call (10)")
    three.add_argument("--wall", type=float, default=300, help="seconds for one submission (300)")
    three.add_argument("--memory", type=int, default=6144, help="MB for one submission (6144)")
    three.set_defaults(run=grade)
    four = commands.add_parser("marks", help="merge the marks typed into OUT/written.csv")
    four.add_argument("out", help="the folder that `grade` wrote")
    four.set_defaults(run=marks)
    return top


def main(arguments=None) -> int:
    options = parser().parse_args(arguments)
    try:
        if os.name == "nt":
            raise SourceError("this needs Linux or macOS; on Windows, run it in WSL")
        return options.run(options)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
