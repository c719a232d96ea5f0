"""`python -m coursework …`: see `python -m coursework --help` and coursework/README.md."""

from __future__ import annotations

import os

# before numpy is loaded: several graders run side by side, one core each
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import sys  # noqa: E402

from coursework.reading import SourceError  # noqa: E402


def check(options) -> int:
    from coursework.selftest import SelfTest
    from coursework.source import load

    test = SelfTest(load(options.assignment))
    good = test.run(options.students)
    print(test.report())
    return 0 if good else 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m coursework", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("check", help="self-test of a problem set, for its author")
    one.add_argument("assignment", help="a key such as ps1, or the path of a .md file")
    one.add_argument("--students", type=int, default=3, help="variants to solve (3)")
    one.set_defaults(run=check)
    return top


def main(arguments=None) -> int:
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
