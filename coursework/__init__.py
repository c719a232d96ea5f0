"""Coursework: problem sets written once, handed out as notebooks, graded by one command.

`reading` and `source` read a problem set, `variant` makes each student's numbers, `worker` runs a
submission in a sandbox, `session` talks to it, `marking` runs the checks outside it. See
coursework/README.md.
"""

__version__ = "1.0"
