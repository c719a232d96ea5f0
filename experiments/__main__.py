"""`python -m experiments [name ...] --scale laptop|paper`: remake stored results.

Each module `experiments/<name>.py` has `run()`, which returns (data, seeds), reads its sizes from
`isolib.scale.pick`, and is saved as book/results/<name>.json with its provenance.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import time

import experiments


def names() -> list[str]:
    found = (m.name for m in pkgutil.iter_modules(experiments.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which ones (all: {', '.join(names())})")
    parser.add_argument("--scale", default="laptop", choices=("test", "laptop", "paper"))
    options = parser.parse_args()
    unknown = set(options.name) - set(names())
    if unknown:
        parser.error(f"no experiment {', '.join(unknown)}; there are: {', '.join(names())}")
    os.environ["ISOLIB_SCALE"] = options.scale
    from isolib import results, scale

    for name in options.name or names():
        started = time.perf_counter()
        print(f"{name} at {options.scale} scale", flush=True)
        module = importlib.import_module(f"experiments.{name.replace('-', '_')}")
        data, seeds = module.run()
        path = results.save(
            name if options.scale != "paper" else f"{name}-paper",
            data,
            command=f"python -m experiments {name} --scale {options.scale}",
            seeds=seeds,
            scale=options.scale,
            device=results.platform_name(scale.device()),
            started=started,
        )
        print(f"  {path.name}, {time.perf_counter() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
