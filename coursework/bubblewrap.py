"""The sandbox of bubblewrap (Linux): what a submission sees of the machine, and nothing else."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def isolib_folder() -> Path:
    """Where isolib is; found without importing it."""
    from importlib.util import find_spec

    return Path(find_spec("isolib").origin).resolve().parent


def environment() -> dict[str, str]:
    """Variables of a worker: nothing of the instructor's own."""
    return {
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/home/student",
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "PIP_NO_INDEX": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "ISOLIB_SCALE": "test",
    }


def binds() -> list[tuple[str, str]]:
    """(outside, inside) of what a worker may read: the system, Python, isolib, the results."""
    out = [(p, p) for p in ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")]
    out += [(p, p) for p in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")]
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)):
        if not Path(prefix).is_relative_to("/usr"):
            out.append((prefix, prefix))
    isolib = isolib_folder()
    out.append((str(isolib), "/grader/isolib"))
    results = isolib.parent / "book" / "results"
    out.append((str(results), "/grader/book/results"))
    out += [
        (str(HERE / name), f"/grader/coursework/{name}")
        for name in ("__init__.py", "worker.py", "protocol.py")
    ]
    return [(a, b) for a, b in out if Path(a).exists()]


def shown(path: Path) -> bool:
    """Whether a submission could read a file or folder: it lies in what is bound above."""
    return any(path.resolve().is_relative_to(Path(outside).resolve()) for outside, _ in binds())


def command(refused: int | None = None) -> list[str]:
    """bubblewrap and its options, up to the program; `refused` holds the filter of `seccomp`."""
    root = os.getuid() == 0
    out = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session", "--clearenv"]
    if root:  # no user namespace: the worker changes to another user instead
        out += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        out += ["--unshare-cgroup-try", "--cap-drop", "ALL"]
        out += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        out += ["--unshare-all"]
    if refused is not None:
        out += ["--seccomp", str(refused)]
    for name, value in environment().items():
        out += ["--setenv", name, value]
    out += ["--setenv", "PYTHONPATH", "/grader", "--hostname", "sandbox"]
    out += ["--proc", "/proc", "--dev", "/dev"]
    # before the binds: Python or the repository may themselves lie under one of these
    for folder, size in (("/tmp", 256 << 20), ("/home/student", 64 << 20), ("/dev/shm", 64 << 20)):
        limit = ["--size", str(size)] if version() >= (0, 7) else []
        out += ["--perms", "0755", "--dir", "/home"] if folder.startswith("/home") else []
        out += ["--perms", "1777", *limit, "--tmpfs", folder]
    made = {Path("/"), Path("/tmp"), Path("/home"), Path("/home/student")}
    for outside, inside in binds():
        for folder in reversed(Path(inside).parents):  # bwrap would make them for root alone
            if folder not in made:
                out += ["--perms", "0755", "--dir", str(folder)]
                made.add(folder)
        if os.path.islink(outside) and outside in ("/lib", "/lib64", "/lib32", "/bin", "/sbin"):
            out += ["--symlink", os.readlink(outside), inside]
        else:
            out += ["--ro-bind", outside, inside]
    return out + ["--remount-ro", "/", "--chdir", "/tmp"]


@functools.cache
def version() -> tuple[int, ...]:
    """bubblewrap's version; an older one knows fewer options."""
    try:
        said = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout
        return tuple(int(part) for part in said.split()[-1].split("."))
    except (OSError, ValueError, IndexError):
        return (0,)


@functools.cache
def available() -> bool:
    """Whether bubblewrap is here and allowed to make a sandbox."""
    if not shutil.which("bwrap"):
        return False
    line = [*command(), sys.executable, "-c", "print('in')"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout == "in\n"
