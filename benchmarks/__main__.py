"""`python -m benchmarks [name ...]`: run the measurements and print their tables."""

from __future__ import annotations

import argparse
import importlib
import pkgutil

import benchmarks


def main():
    names = sorted(
        m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which ones (all: {', '.join(names)})")
    options = parser.parse_args()
    for name in options.name or names:
        if name not in names:
            parser.error(f"no benchmark {name!r}; there are: {', '.join(names)}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
