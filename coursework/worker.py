"""Runs inside the sandbox: the student's cells, then calls of the student's functions.

Nothing secret is here and nothing is trusted that comes from here. It answers one request at a
time over its own socket; what the student prints goes into a buffer, never to that socket.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import socket
import sys
import traceback

from coursework import protocol

CAPTURED = 20_000


class TimeLimit(BaseException):
    """The time for one cell or one call is over."""


def _alarm(*_):
    raise TimeLimit


class Bounded(io.StringIO):
    """Keeps the first `CAPTURED` characters that are written to it."""

    def write(self, text):
        room = CAPTURED - self.tell()
        super().write(str(text)[: max(room, 0)])
        return len(text)


def describe(error: BaseException) -> str:
    """An exception in a line, and the student's own line if it is known."""
    if isinstance(error, TimeLimit):
        return "the time limit was reached"
    if isinstance(error, MemoryError):
        return "MemoryError: more memory than is allowed"
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - an exception that cannot even be printed
        text = type(error).__name__
    if not isinstance(error, SyntaxError):
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "ipython" in f.filename]
        if frames and frames[-1].line:
            text += f" (at: {frames[-1].line.strip()[:100]})"
    return text[:600]


class Worker:
    """The student's namespace and the four things that can be asked of it."""

    def __init__(self):
        self.pid, self.shell, self.fixed = os.getpid(), None, {}

    def timed(self, limit: float, function):
        """`function()` under the time limit and with its prints caught: (value, error)."""
        out, kept = Bounded(), (sys.stdout, sys.stderr)
        self.seed()
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, limit, 0.5)
        sys.stdout = sys.stderr = out
        value = error = None
        try:
            value = function()
        except BaseException as caught:  # noqa: BLE001 - SystemExit and the time limit as well
            error = describe(caught)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.stdout, sys.stderr = kept
            if os.getpid() != self.pid:  # a child that the student's code has forked
                os._exit(0)
        return value, error

    def seed(self):
        """The same random numbers in each run, as far as the student uses the global ones."""
        random.seed(0)
        for name, seeder in (("numpy.random", "seed"), ("torch", "manual_seed")):
            try:
                getattr(sys.modules[name], seeder)(0)
            except Exception:  # noqa: BLE001, S110 - not imported, or patched by the student
                pass

    def start(self, ask):
        os.environ.setdefault("MPLBACKEND", "Agg")
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        def system(line):  # an installation is no news here, and there is no network
            if line.split()[:1] not in (["pip"], ["pip3"], ["conda"]):
                run(line)

        config = Config()
        config.HistoryManager.enabled = False
        self.shell = shell = InteractiveShell.instance(config=config)
        shell.showtraceback = shell.showsyntaxerror = lambda *a, **k: None
        run, shell.system = shell.system, system
        for name in ("pip", "conda", "mamba", "micromamba", "uv"):
            shell.register_magic_function(lambda line: None, "line", name)
        shell.enable_gui = lambda *a, **k: None  # %matplotlib inline: Agg draws, nobody looks
        self.fixed = {"given": ask["value"], "STUDENT": ask["student"]}
        limits(ask["limits"])
        exec(compile(ask["setup"], "setup", "exec"), shell.user_ns)
        return True

    def cell(self, ask):
        # the student's numbers are the canonical ones, whatever a cell has made of them
        self.shell.user_ns.update(self.fixed)
        result = self.shell.run_cell(ask["code"], store_history=False)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            raise error
        return True

    def find(self, name, path):
        value = self.shell.user_ns[name]
        for part in path:
            value = value[part]
        return value

    def get(self, ask):
        if ask["name"] not in self.shell.user_ns:
            raise NameError(f"{ask['name']} is not defined")
        return self.find(ask["name"], [])

    def call(self, ask):
        self.shell.user_ns.update(self.fixed)
        args, kwargs = ask["value"]
        return self.find(ask["name"], ask["path"])(*args, **kwargs)

    def answer(self, ask: dict) -> bytes:
        """The reply to one request, as bytes."""
        value, error = self.timed(ask["limit"], lambda: getattr(self, ask["op"])(ask))
        if error is None:
            # a value may run the student's code while it is encoded: under the limit again
            packed, error = self.timed(
                ask["limit"],
                lambda: protocol.pack({"id": ask["id"]}, value, callables=ask["op"] == "get"),
            )
        if error is not None:
            packed = protocol.pack(
                {"id": ask["id"], "error": error.replace("ProtocolError: ", "")}
            )
        return packed


def limits(wanted: dict):
    """Resource limits of this process, and another user where it is started as root."""
    import resource

    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            try:
                hard = resource.getrlimit(kind)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(kind, (value, value))
            except (ValueError, OSError):
                pass  # a platform that does not know this limit; the wall clock still holds


def drop(user: int):
    """Give up root for good: as another user the limit on processes counts, and root is not."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def die_with_parent():
    """Ask the kernel (Linux) to end this process with its grader."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        pass


def main():
    channel = socket.socket(fileno=int(sys.argv[1]))
    options = json.loads(sys.argv[2])
    if options.get("user"):
        drop(options["user"])
    die_with_parent()

    def read(size):
        data = bytearray()
        while len(data) < size:
            part = channel.recv(min(size - len(data), 1 << 20))
            if not part:
                os._exit(0)  # the grader has gone
            data += part
        return bytes(data)

    worker = Worker()
    while True:
        ask = protocol.unpack(*protocol.receive(read))
        channel.sendall(worker.answer(ask))


if __name__ == "__main__":
    main()
