"""Stored results: what a minute cannot show is run once, kept with its provenance, and read here.

A result is one small JSON file in `book/results/`. `provenance` says which command made it, from
which commit, with which seeds, at which scale, on which device, in how many seconds.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

_HERE = Path(__file__).resolve().parent
#: book/results in a checkout; the copy inside the package elsewhere
FOLDERS = (_HERE.parent / "book" / "results", _HERE / "_results")
PROVENANCE = ("command", "commit", "date", "scale", "seeds", "device", "wall_seconds", "versions")


def names() -> list[str]:
    """The names of the stored results, sorted.

    >>> "why-isometry" in names()
    True
    """
    return sorted({path.stem for folder in FOLDERS for path in folder.glob("*.json")})


def load(name: str) -> dict:
    """The stored result `name`: {"provenance": {...}, "data": {...}}, lists as NumPy arrays.

    Raises `ValueError` for an unknown name, with the list of those there are, and for a file
    without provenance.

    >>> sorted(load("why-isometry"))
    ['data', 'provenance']
    """
    for folder in FOLDERS if name in names() else ():
        path = folder / f"{name}.json"
        if path.is_file():
            result = json.loads(path.read_text(encoding="utf-8"))
            missing = [key for key in PROVENANCE if key not in result.get("provenance", {})]
            if missing:
                raise ValueError(f"{path.name} lacks provenance: {', '.join(missing)}")
            return {"provenance": result["provenance"], "data": _arrays(result["data"])}
    raise ValueError(f"name must be a stored result ({', '.join(names())}), got {name!r}")


def save(name: str, data: dict, *, command: str, seeds, scale: str, device: str, started: float):
    """Write `data` (numbers, strings, arrays, nested dicts) and its provenance; return the path.

    `started` is the `time.perf_counter()` reading at the start of the run. Numbers are kept to
    six digits and come back as floats, what is not finite as nan. The file replaces an
    older one in one step, so a killed run never leaves half a file.
    """
    import torch

    provenance = {
        "command": command,
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "scale": scale,
        "seeds": list(seeds),
        "device": device,
        "wall_seconds": round(time.perf_counter() - started, 1),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__.split("+")[0],
        },
    }
    FOLDERS[0].mkdir(parents=True, exist_ok=True)
    path = FOLDERS[0] / f"{name}.json"
    partial = path.with_suffix(".partial")
    text = json.dumps({"provenance": provenance, "data": _plain(data)}, indent=1)
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, path)
    return path


def describe(result: dict) -> str:
    """One line of provenance, for under a figure."""
    p = result["provenance"]
    return (
        f"{p['command']}: scale {p['scale']}, seeds {p['seeds']}, {p['device']}, "
        f"{p['wall_seconds']:.0f} s, {p['date']}, commit {p['commit']}"
    )


def _commit() -> str:
    try:
        run = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=_HERE, capture_output=True, text=True
        )
    except OSError:
        return "unknown"
    return run.stdout.strip() or "unknown"


def _plain(value):
    """JSON-ready copy: arrays to lists, floats to 6 significant digits, NaN and ∞ to null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"data must hold numbers, text, lists and dicts, got {type(value).__name__}")


def _arrays(value):
    if isinstance(value, dict):
        return {k: _arrays(v) for k, v in value.items()}
    if isinstance(value, list):
        flat = np.array(value, dtype=object)
        numeric = all(v is None or isinstance(v, (int, float)) for v in flat.ravel())
        return flat.astype(float) if numeric and flat.size else [_arrays(v) for v in value]
    return value


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def platform_name(device: str) -> str:
    """What the provenance calls a device: the GPU's name, or the number of CPU cores."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return f"CPU, {cores()} cores ({sys.platform})"
