"""One virtual environment for each tool, made from its pinned requirements and kept for reuse."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from isolib.results import cores

PEERS = Path(__file__).resolve().parent / "peers"
BUILT = PEERS.parent.parent / "_build" / "peers"


def python_for(name: str) -> str:
    """The interpreter of the tool's environment; this one for isolib.

    Raises `RuntimeError` with the installer's last words where the environment cannot be made.
    """
    if name == "isolib":
        return sys.executable
    requirements = PEERS / f"{name}.txt"
    folder, wanted = BUILT / name, requirements.read_text(encoding="utf-8")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "made-from.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return str(python)
    print(f"making an environment for {name}", flush=True)
    install = ["pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", *install, str(requirements)],
    ):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            said = [line for line in (run.stderr or run.stdout).splitlines() if line.strip()]
            raise RuntimeError(clean(said[-1] if said else f"exit status {run.returncode}"))
    stamp.write_text(wanted, encoding="utf-8")
    return str(python)


def clean(text: str) -> str:
    """A message without addresses and paths: what may be stored."""
    text = re.sub(r"\w+://\S+", "(address)", text)
    return re.sub(r"(?<!\w)/[\w.+-]+(/[\w.+-]+)+", "(path)", text)[:200]


def machine() -> dict:
    """What the measurement ran on: the CPU's model and how many cores this process may use."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8"), re.M)
        cpu = found[1].strip() if found else cpu
    return {"cpu": cpu, "cores": cores(), "system": platform.system()}


def describe(here: dict) -> str:
    """The machine in a few words."""
    return f"{here['cpu']}, {here['cores']} cores ({here['system']})"


def beside(name: str) -> Path:
    """A folder with the pinned packages of peers/NAME.txt alone, to import beside our own torch.

    Raises `RuntimeError` as `python_for` does.
    """
    requirements, folder = PEERS / f"{name}.txt", BUILT / f"beside-{name}"
    wanted, stamp = requirements.read_text(encoding="utf-8"), folder / "made-from.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--no-deps", "--upgrade", "--target", str(folder), "-r", str(requirements)]
    run = subprocess.run(install, capture_output=True, text=True)
    if run.returncode:
        said = [line for line in run.stderr.splitlines() if line.strip()]
        raise RuntimeError(clean(said[-1] if said else f"exit status {run.returncode}"))
    stamp.write_text(wanted, encoding="utf-8")
    return folder
