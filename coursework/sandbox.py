"""Starts a worker: in bubblewrap where that works, else with limits and timeouts only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from coursework import bubblewrap, protocol, seccomp
from coursework.bubblewrap import HERE, environment, isolib_folder
from coursework.watch import Watch

#: users that a worker becomes where the grader is root: numbers that no real user has, one a
#: grader, so that the limit on processes is counted apart
USERS = range(61_000, 64_000)
NOTICE = (
    "NOT SANDBOXED: bubblewrap (bwrap) is not at work on this machine. Submissions run with time "
    "and memory limits only: they can read and change your files and use the network."
)


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes that one submission may use."""

    cell: float = 30
    call: float = 10
    check: float = 60
    wall: float = 300
    memory: int = 6 << 30
    file: int = 64 << 20
    restarts: int = 4

    def resources(self) -> dict[str, int]:
        """Limits of the kernel for the worker's process."""
        return {
            "RLIMIT_AS": self.memory,
            "RLIMIT_FSIZE": self.file,
            "RLIMIT_CPU": int(2 * self.wall),
            "RLIMIT_NPROC": 128 + (_threads() if os.getuid() else 0),
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 128,
        }


def _threads() -> int:
    """Threads that this user has now (on older kernels the limit counts all of them)."""
    try:
        return sum(
            len(os.listdir(p / "task"))
            for p in Path("/proc").iterdir()
            if p.name.isdigit() and p.stat().st_uid == os.getuid()
        )
    except OSError:
        return 1000


def droppable() -> bool:
    """Whether root can be given up: whether another user can read Python and isolib."""
    for path in (Path(sys.prefix), Path(sys.base_prefix), isolib_folder(), HERE):
        for folder in (path, *path.parents):
            if not folder.stat().st_mode & 0o001:
                return False
    return True


def risky() -> bool:
    """Whether a worker without bubblewrap would run as root."""
    return os.getuid() == 0 and not droppable()


class Gone(Exception):
    """The worker has died, hung, or broken the protocol; the text says which."""


class Process:
    """One worker and the socket to it."""

    def __init__(self, limits: Limits, sandboxed: bool, folder: str):
        ours, theirs = socket.socketpair()
        options = {}
        if os.getuid() == 0 and (sandboxed or droppable()):
            options["user"] = USERS[os.getpid() % len(USERS)]
        program = [sys.executable, "-m", "coursework.worker"]
        program += [str(theirs.fileno()), json.dumps(options)]
        refused = seccomp.opened() if sandboxed else None
        if sandboxed:
            command = [*bubblewrap.command(refused), *program]
            cwd, env = "/", {"PATH": os.environ["PATH"]}
        else:
            path = os.pathsep.join(dict.fromkeys((str(HERE.parent), str(isolib_folder().parent))))
            command, cwd = program, folder
            env = environment() | {"HOME": folder, "TMPDIR": folder, "PYTHONPATH": path}
            env["MPLCONFIGDIR"] = folder
            if options:
                os.chown(folder, options["user"], options["user"])
        self.mark = f"COURSEWORK_SESSION={os.getpid()}-{time.monotonic_ns()}"
        env |= dict([self.mark.split("=")])
        self.sandboxed = sandboxed
        self.socket, self.counter, self.user = ours, 0, options.get("user")
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
            pass_fds=[fd for fd in (theirs.fileno(), refused) if fd is not None],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        if refused is not None:
            os.close(refused)
        self.watch = Watch(self.process.pid, limits.memory, self.process.kill)
        self.watch.start()
        self.tail = b""
        threading.Thread(target=self._drain, args=(self.process.stderr,), daemon=True).start()

    def _drain(self, stream):
        with stream:
            while part := stream.read1(65536):
                self.tail = (self.tail + part)[-4000:]

    def request(self, message: dict, value=None, *, limit: float, grace: float = 5, function=None):
        """Send a request and return the reply's ("value" or "error"). Raises `Gone`."""
        self.counter += 1
        message = {**message, "id": self.counter, "limit": limit}
        end = time.monotonic() + limit + grace
        data = protocol.pack(message, value)

        def read(size):
            out = bytearray()
            while len(out) < size:
                if (left := end - time.monotonic()) <= 0:  # however many bytes still come
                    raise TimeoutError
                self.socket.settimeout(left)
                part = self.socket.recv(min(size - len(out), 1 << 20))
                if not part:
                    raise Gone(self.obituary())
                out += part
            return bytes(out)

        try:
            self.socket.settimeout(limit + grace)
            self.socket.sendall(data)
            reply = protocol.unpack(*protocol.receive(read), function)
        except TimeoutError:
            self.kill()
            raise Gone("it did not stop at the time limit and was killed") from None
        except (OSError, protocol.ProtocolError) as error:
            if isinstance(error, protocol.ProtocolError):
                text = f"it wrote {error} to the grader's channel"
            else:
                text = self.obituary()
            self.kill()
            raise Gone(text) from None
        if reply.get("id") != self.counter:
            self.kill()
            raise Gone("it wrote a reply that was not asked for to the grader's channel")
        return reply

    def obituary(self) -> str:
        """Why the process has ended, from its exit status."""
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return "it closed the grader's channel"
        if self.watch.over:
            return "it and what it had started used more memory than is allowed"
        signal_number = -code if code < 0 else code - 128
        if signal_number in (9, 11, 6, 24, 25):
            name = signal.Signals(signal_number).name
            return f"the process was killed ({name}; out of memory, time or a crash)"
        return f"the process ended (exit code {code})"

    def kill(self):
        """End the worker and everything it has started."""
        self.watch.end()
        for kill in (lambda: os.killpg(self.process.pid, 9), self.process.kill):
            try:
                kill()
            except (ProcessLookupError, PermissionError):
                pass
        self.process.wait()
        self.socket.close()
        if not self.sandboxed:
            self._sweep()

    def _left(self) -> set[int]:
        """Processes that have left the group, as far as they can be known."""
        out = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                ours = self.user and folder.stat().st_uid == self.user
                if ours or self.mark.encode() in (folder / "environ").read_bytes():
                    out.add(int(folder.name))
            except OSError:
                pass
        return out

    def _sweep(self):
        """Without bubblewrap: end what is left. Stop all of it first, or it forks faster."""
        seen: set[int] = set()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for _ in range(50):
                new = self._left() - (seen if number == signal.SIGSTOP else set())
                seen |= new
                for pid in new:
                    try:
                        os.kill(pid, number)
                    except OSError:
                        pass
                if not new:
                    break
