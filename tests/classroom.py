"""A small class for the tests of coursework/: good, wrong, broken and hostile submissions."""

import json
import textwrap
from pathlib import Path

from coursework import notebook
from coursework.source import load

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "tests" / "coursework" / "demo.md"
#: a file that no submission may make, in a folder that everybody may write to
TRACE = "coursework-escaped"


def solved(assignment, student, answers=None, text="The *saddle* & <b>not</b> more.", extra=()):
    """Cells of a student's notebook: solutions, other `answers` by key, `extra` cells in front."""
    answers = answers or {}
    by_key = {q.key: q for q in assignment.questions.values()}
    cells = []
    for cell in notebook.student(assignment):
        key = cell["metadata"].get("coursework")
        source = cell["source"].replace('STUDENT = "your id"', f'STUDENT = "{student}"')
        if key in by_key:
            source = answers.get(key, by_key[key].solution)
        elif key and text:
            source = source.split("\n")[0] + "\n\n" + text
        cells.append({**cell, "source": source})
    where = next(i for i, c in enumerate(cells) if c["metadata"].get("coursework"))
    extra = [notebook.code(textwrap.dedent(source).strip()) for source in extra]
    return cells[:where] + extra + cells[where:]


def as_file(cells) -> str:
    plain = [{**cell, "id": str(i)} for i, cell in enumerate(cells)]
    return json.dumps({"cells": plain, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


SPY = """
import glob, os, socket, subprocess, sys
seen = []
for top in ("/etc", "/srv", "/home", "/root", "/tmp", "/grader", "REPOSITORY"):
    for folder, _, names in os.walk(top):
        if "/lib/python" in folder or ".venv" in folder:
            continue
        seen += [n for n in names if n.endswith((".md", ".ipynb", ".csv")) or "marking" in n]
kernel = os.environ.get("SECRET_OF_THE_INSTRUCTOR", "")
frames, frame = [], sys._getframe()
while frame:
    frames.append(str(sorted(frame.f_locals))); frame = frame.f_back
hidden = [f for f in frames if "hidden" in f or "points" in f]
found = f"{seen[:3]} {kernel} {hidden}"
"""

FORGE = """
import os, socket, struct, json
def forged(number):
    body = json.dumps({"id": number, "value": 14.95}).encode()
    return struct.pack(">4sII", b"iso1", len(body), 0) + body
for name in os.listdir("/proc/self/fd"):
    try:
        channel = socket.socket(fileno=os.dup(int(name)))
        for number in range(200):
            channel.send(forged(number))
    except OSError:
        pass
"""

DRIP = """
import os, socket, struct, threading, time
def drip(channel):
    while True:
        channel.send(b" ")
        time.sleep(0.2)
for name in os.listdir("/proc/self/fd"):
    try:
        channel = socket.socket(fileno=os.dup(int(name)))
        channel.send(struct.pack(">4sII", b"iso1", 10**6, 0))
        threading.Thread(target=drip, args=(channel,), daemon=True).start()
    except OSError:
        pass
"""

HOARD = """
import os, time
for _ in range(12):
    if os.fork() == 0:
        kept = bytearray(os.urandom(1000) * 400_000)
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""

PATCH = """
import json, sys, numpy as np
from isolib import exercises
exercises.check = lambda *a, **k: exercises.Result(True, "Right.")
exercises.number = exercises.function_of = lambda *a, **k: None
exercises._CHECKS.clear()
np.allclose = np.array_equal = lambda *a, **k: True
def check(*a, **k): return None
for name, module in list(sys.modules.items()):
    if name.startswith("coursework"):
        for part in ("marks", "grade", "hint", "usable"):
            setattr(module, part, lambda *a, **k: None)
import coursework.worker, coursework.protocol
coursework.protocol.Encoder.tree = lambda self, value, *a, **k: {"F": ["x"]}
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        for part in ("points", "earned", "score", "fixed"):
            if hasattr(value, part):
                try: setattr(value, part, 100)
                except Exception: pass
    frame = frame.f_back
json.dumps = lambda *a, **k: '{"id": 1, "value": 1}'
"""

EQUAL = """
class Any(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __abs__(self): return self
    def __sub__(self, other): return self
    def __rsub__(self, other): return self
    def __array__(self, *a, **k):
        import numpy as np
        return np.full(7, np.nan)
edge = largest = lambda x: Any(1.0)
lengths = Any(2.0)
"""

WRITES = f"""
import os, pathlib
done = []
for folder in ("/tmp", "/var/tmp", "/dev/shm", "/etc", "/usr/lib", "/grader", "/", "/root", "..",
               "PLACE"):
    try:
        pathlib.Path(folder, "{TRACE}").write_text("here")
        done.append(folder)
    except OSError:
        pass
"""

NETWORK = """
import socket, urllib.request
try:
    socket.create_connection(("127.0.0.1", PORT), timeout=3).send(b"hello")
    reached = True
except OSError as error:
    reached = False
urllib.request.urlopen("http://127.0.0.1:PORT", timeout=3)
"""

MAGICS = """
%matplotlib inline
%pip install --quiet numpy
!echo hello > /tmp/said
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.show()
display(plt.gcf())
"""


def blank(assignment, student):
    """The notebook as handed out, with the student's id."""
    return solved(
        assignment,
        student,
        {q.key: q.starter for q in assignment.questions.values()},
        text="",
    )


def people(assignment, port: int = 9, place: str = "/nowhere") -> dict[str, str]:
    """File name → text of every submission."""
    loop = "while True: pass"
    stubborn = "import time\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass"
    out = {}

    def add(student, answers=None, extra=(), **more):
        out[f"{student}_hw.ipynb"] = as_file(
            solved(assignment, student, answers, extra=extra, **more)
        )

    add("ada")
    add("ben", {q.key: q.right[0].source for q in assignment.questions.values()})
    add("wrong", {q.key: q.wrong[0].source for q in assignment.questions.values()})
    out["blank_hw.ipynb"] = as_file(blank(assignment, "blank"))
    add("loopcell", extra=[loop])
    add("loopstubborn", extra=[stubborn])
    add("loopfunction", {"q3": f"def largest(matrix):\n    {loop}"})
    add("raises", {"q1": "def edge(depth):\n    raise RuntimeError('<i>my own</i>')"})
    add("missing", {"q1": "x = 1"})
    add("hog", extra=["import numpy as np\nhuge = np.ones((10**7, 10**6))"])
    add("hogslow", extra=["hoard = []\nwhile True: hoard.append(bytearray(10**8))"])
    add("hoganswer", {"q3": "def largest(matrix):\n    return np.zeros(10**8)"})
    add("fork", extra=["import os\npid = os.fork()"])
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    add("forkbomb", extra=[bomb])
    add("exitcell", extra=["import os\nos._exit(0)"])
    add("exitfunction", {"q3": "def largest(matrix):\n    import os\n    os._exit(0)"})
    add("killed", extra=["import os\nos.kill(os.getpid(), 9)"])
    add("sysexit", extra=["import sys\nsys.exit(1)"])
    blanks = {q.key: q.starter for q in assignment.questions.values()}
    add("patched", blanks, extra=[PATCH])
    add("forger", blanks, extra=[FORGE])
    add("dripper", extra=[DRIP])
    add("hoard", extra=[HOARD])
    add("equal", {"q1": EQUAL, "q2": "", "q3": ""})
    nan = "def edge(depth): return float('nan')"
    empty = "def largest(matrix): return np.array([])"
    add("nan", {"q1": nan, "q2": "lengths = np.full(given['depth'], np.inf)", "q3": empty})
    add("liar", blanks, extra=["print('marks: 100 of 100')\nprint('ALL PASSED')\ngrade = 100"])
    add(
        "spy",
        {"q1": "def edge(depth): raise RuntimeError('spied: ' + found)"},
        extra=[SPY.replace("REPOSITORY", str(ROOT))],
    )
    add("network", extra=[NETWORK.replace("PORT", str(port))])
    add("writer", extra=[WRITES.replace("PLACE", place)])
    add("magics", extra=[MAGICS])
    add(
        "recursion",
        {"q1": "import sys\nsys.setrecursionlimit(10**9)\ndef edge(d): return edge(d)"},
    )
    out["otherid_hw.ipynb"] = as_file(solved(assignment, "ada"))
    out["html_hw.ipynb"] = as_file(solved(assignment, "html", text="<script>alert(1)</script>"))
    odd = "\\ud800 \\x00 \\x1b[2J " + "long " * 400
    raising = f'def edge(depth): raise RuntimeError("{odd}")'
    saying = "def largest(matrix): return 'x' * 10**6"
    out["odd_hw.ipynb"] = as_file(
        solved(assignment, "odd", {"q1": raising, "q3": saying}, text="a lone \ud800, a \0")
    )
    # the file itself
    cells = solved(assignment, "lost")
    for cell in cells:
        cell["metadata"] = {}
    out["lost_hw.ipynb"] = json.dumps({"cells": cells})
    out["twice_hw.ipynb"] = as_file((c := solved(assignment, "twice")) + c[3:])
    cells = solved(assignment, "reordered")
    out["reordered_hw.ipynb"] = as_file(cells[:3] + cells[3:][::-1])
    kept = [c for c in solved(assignment, "cut") if c["metadata"].get("coursework") != "q2"]
    out["cut_hw.ipynb"] = as_file(kept)
    out["invalid_hw.ipynb"] = out["ada_hw.ipynb"][:-200]
    out["empty_hw.ipynb"] = ""
    out["list_hw.ipynb"] = "[" * 100_000
    out["nocells_hw.ipynb"] = json.dumps({"nbformat": 4, "cells": []})
    return out


def demo():
    """The demo assignment."""
    return load(DEMO)
