"""A class graded: one process a submission, resumable, and no grade ever lost."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

from tqdm import tqdm

from coursework import grading, sandbox
from coursework.collect import Entry
from coursework.protocol import clean
from coursework.sandbox import Limits
from coursework.source import Assignment, load

STORE = ".grading"


def slug(student: str) -> str:
    """A file name for a student: readable, and different for different students, also where
    capitals do not count and where a student has taken the name of another's file."""
    safe = re.sub(r"[^A-Za-z0-9.-]+", "-", student).strip("-.")[:60]
    if safe != student or not re.fullmatch(r"(?!.*-[0-9a-f]{8}$)[^A-Z]+", student):
        safe += "-" + hashlib.sha256(student.encode()).hexdigest()[:8]
    return safe


def write(path: Path, text: str):
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with part.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)


def stored(path: Path) -> dict | None:
    """A stored grade; None if there is none, or half of one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and "items" in found else None
    except (OSError, ValueError):
        return None


def _one(source: str, entry: Entry, target: Path, key: str, how: dict):
    """The body of one grading process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:  # a check that a strange answer has led astray stops here, not the machine
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30),) * 2)
    except (ImportError, ValueError, OSError):
        pass
    started = time.perf_counter()
    made = grading.grade(load(source), entry.path, entry.student, **how)
    made |= {"fingerprint": key, "seconds": round(time.perf_counter() - started, 1)}
    write(target, json.dumps(made, ensure_ascii=False, indent=1))


class Batch:
    """Grades entries `jobs` at a time and keeps every result in OUT/.grading."""

    def __init__(
        self, assignment: Assignment, out: Path,
        *, limits: Limits, sandboxed: bool, ids: str = "file",
    ):  # fmt: skip
        self.assignment, self.limits, self.sandboxed = assignment, limits, sandboxed
        self.how = {"limits": limits, "sandboxed": sandboxed, "ids": ids}
        self.folder = out / STORE
        self.folder.mkdir(parents=True, exist_ok=True)
        forked = sys.platform.startswith("linux")
        self.context = multiprocessing.get_context("fork" if forked else "spawn")
        self.running: dict = {}
        self.failed: dict[str, str] = {}

    def target(self, entry: Entry) -> Path:
        return self.folder / f"{slug(entry.student)}.json"

    def key(self, entry: Entry) -> str:
        return grading.fingerprint(self.assignment, entry.path, entry.student, *self.how.values())

    def finished(self, entry: Entry) -> bool:
        found = stored(self.target(entry))
        return found is not None and found.get("fingerprint") == self.key(entry)

    def start(self, entry: Entry):
        target, key = self.target(entry), self.key(entry)
        source = str(self.assignment.path.resolve())
        process = self.context.Process(target=_one, args=(source, entry, target, key, self.how))
        # Python ignores what is raised while it forks: a Ctrl-C has to wait
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        checks = sum(len(q.hidden) for q in self.assignment.questions.values())
        longest = self.limits.wall + min(checks * self.limits.check, self.limits.wall) + 150
        self.running[process.sentinel] = (process, entry, time.monotonic() + longest)

    def reap(self, patience: float) -> list[Entry]:
        """Entries whose process has ended by now."""
        over = []
        ready = set(wait(list(self.running), timeout=patience))
        for sentinel, (process, entry, end) in list(self.running.items()):
            if sentinel not in ready and time.monotonic() < end:
                continue
            if sentinel not in ready:
                process.kill()
            process.join()
            del self.running[sentinel]
            if not self.finished(entry):
                self.failed[entry.student] = (
                    f"the grader stopped (exit code {process.exitcode}): grade it again"
                )
            over.append(entry)
        return over

    def run(self, entries: list[Entry], jobs: int, progress: bool = True) -> int:
        """Grade what is not finished yet; the number that was graded now."""
        waiting = [entry for entry in entries if not self.finished(entry)]
        if waiting:
            grading.checks_of(self.assignment)  # once, for every process that is forked below
        total = len(waiting)
        tqdm.monitor_interval = 0  # no thread beside the forks
        bar = tqdm(total=len(entries), initial=len(entries) - total, unit="student",
                   disable=None if progress else True)  # fmt: skip
        waiting.reverse()
        try:
            while waiting or self.running:
                while waiting and len(self.running) < jobs:
                    self.start(waiting.pop())
                bar.update(len(self.reap(0.5)))
        finally:
            for process, _, _ in self.running.values():
                process.kill()
            bar.close()
        return total

    def results(self, entries: list[Entry]) -> list[dict]:
        """Every entry's result, whatever happened."""
        out = []
        for entry in entries:
            made = stored(self.target(entry)) if self.finished(entry) else None
            if made is None:
                reason = self.failed.get(entry.student, "not graded yet")
                made = {"student": entry.student, "file": clean(entry.path.name), "written": {}}
                made |= {"status": "not graded", "note": reason, "answers": {}}
                made["items"] = grading.nothing(self.assignment, reason)
                made["sandboxed"] = self.sandboxed
            made["note"] = "; ".join(x for x in (entry.note, made["note"]) if x)
            out.append(made)
        return self.doubles(out) if self.how["ids"] == "notebook" else out

    def doubles(self, results: list[dict]) -> list[dict]:
        """Where notebooks name the ids: say which name the same one."""
        by_id: dict[str, list[dict]] = {}
        for result in results:
            by_id.setdefault(result.get("declared", "").casefold(), []).append(result)
        for name, same in by_id.items():
            for result in same if name and len(same) > 1 else ():
                others = ", ".join(r["student"] for r in same if r is not result)
                said = f"the same STUDENT as {others}"
                result["note"] = "; ".join(x for x in (said, result["note"]) if x)
                result["status"] = "other id" if result["status"] == "ok" else result["status"]
        return results


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def notice(sandboxed: bool):
    """Say loudly where there is no sandbox."""
    if not sandboxed:
        line = "!" * 78
        print(f"{line}\n{sandbox.NOTICE}\n{line}", file=sys.stderr)
