"""Starts a worker: in bubblewrap where that works, else with limits and timeouts only."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from coursework import protocol

HERE = Path(__file__).resolve().parent
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
            "RLIMIT_NOFILE": 512,
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


def isolib_folder() -> Path:
    """Where isolib is; found without importing it."""
    from importlib.util import find_spec

    return Path(find_spec("isolib").origin).resolve().parent


def environment() -> dict[str, str]:
    """Variables of a worker: nothing of the instructor's own."""
    return {
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/home/student",
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


def bwrap_command() -> list[str]:
    """bubblewrap and its options, up to the program."""
    root = os.getuid() == 0
    out = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session", "--clearenv"]
    if root:  # no user namespace: the worker changes to another user instead
        out += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        out += ["--unshare-cgroup-try", "--cap-drop", "ALL"]
        out += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        out += ["--unshare-all"]
    for name, value in environment().items():
        out += ["--setenv", name, value]
    out += ["--setenv", "PYTHONPATH", "/grader", "--hostname", "sandbox"]
    made = {Path("/")}
    for outside, inside in binds():
        for folder in reversed(Path(inside).parents):  # bwrap would make them for root alone
            if folder not in made:
                out += ["--perms", "0755", "--dir", str(folder)]
                made.add(folder)
        if os.path.islink(outside) and outside in ("/lib", "/lib64", "/lib32", "/bin", "/sbin"):
            out += ["--symlink", os.readlink(outside), inside]
        else:
            out += ["--ro-bind", outside, inside]
    out += ["--proc", "/proc", "--dev", "/dev"]
    for folder, size in (("/tmp", 256 << 20), ("/home/student", 64 << 20), ("/dev/shm", 64 << 20)):
        out += ["--perms", "1777", "--size", str(size), "--tmpfs", folder]
    return out + ["--remount-ro", "/", "--chdir", "/tmp"]


@functools.cache
def available() -> bool:
    """Whether bubblewrap is here and allowed to make a sandbox."""
    if not shutil.which("bwrap"):
        return False
    command = [*bwrap_command(), sys.executable, "-c", "print('in')"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout == "in\n"


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
        if sandboxed:
            command, cwd, env = [*bwrap_command(), *program], "/", {"PATH": os.environ["PATH"]}
        else:
            path = os.pathsep.join(dict.fromkeys((str(HERE.parent), str(isolib_folder().parent))))
            command, cwd = program, folder
            env = environment() | {"HOME": folder, "TMPDIR": folder, "PYTHONPATH": path}
            env["MPLCONFIGDIR"] = folder
            if options:
                os.chown(folder, options["user"], options["user"])
        self.mark = f"COURSEWORK_SESSION={os.getpid()}-{time.monotonic_ns()}"
        env |= dict([self.mark.split("=")])
        self.socket, self.counter, self.user = ours, 0, options.get("user")
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        theirs.close()
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
                self.socket.settimeout(max(end - time.monotonic(), 0.01))
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
        signal_number = -code if code < 0 else code - 128
        if signal_number in (9, 11, 6, 24, 25):
            name = signal.Signals(signal_number).name
            return f"the process was killed ({name}; out of memory, time or a crash)"
        return f"the process ended (exit code {code})"

    def kill(self):
        """End the worker and everything it has started."""
        for kill in (lambda: os.killpg(self.process.pid, 9), self.process.kill):
            try:
                kill()
            except (ProcessLookupError, PermissionError):
                pass
        self.process.wait()
        self.socket.close()
        self._sweep()

    def _sweep(self):
        """Without bubblewrap: end what has left the process group, as far as it can be known."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                known = self.user and folder.stat().st_uid == self.user
                if known or self.mark.encode() in (folder / "environ").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
            except OSError:
                pass
