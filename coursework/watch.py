"""The memory of a worker and of everything it has started, watched from outside (Linux).

The kernel's limit counts each process alone; a submission that forks a hundred of them could fill
the machine all the same.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


def processes() -> dict[int, tuple[int, int]]:
    """pid → (parent's pid, bytes in memory) of every process that can be seen."""
    out = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # the name in brackets may hold anything, spaces and brackets too
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            out[int(folder.name)] = int(fields[1]), int(fields[21]) * page
        except (OSError, IndexError, ValueError):
            continue
    return out


def memory(root: int) -> int:
    """Bytes in memory of a process and all its descendants.

    >>> memory(os.getpid()) > 1_000_000 or not Path("/proc/self/stat").exists()
    True
    """
    seen = processes()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in seen.items():
        children.setdefault(parent, []).append(pid)
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        total += seen.get(pid, (0, 0))[1]
        waiting += children.get(pid, ())
    return total


class Watch(threading.Thread):
    """Calls `stop` once where a process and its descendants pass a number of bytes."""

    def __init__(self, root: int, most: int, stop, every: float = 0.3):
        super().__init__(daemon=True)
        self.root, self.most, self.stop, self.every = root, most, stop, every
        self.over, self._end = False, threading.Event()

    def run(self):
        while not self._end.wait(self.every):
            if memory(self.root) > self.most:
                self.over = True
                self.stop()
                return

    def end(self):
        self._end.set()
