"""The points that a problem set prints are those that its cells give."""

from __future__ import annotations

import re


def mistakes(assignment) -> list[str]:
    """A sentence for each heading, and for the introduction, that prints a wrong number.

    A heading may end in "(5 points)"; the introduction may say "There are 30 points" or "30 points
    in all". What prints no number is not asked for one.
    """
    parts, out = [*assignment.questions.values(), *assignment.written.values()], []
    for title in dict.fromkeys(part.title for part in parts):
        total = sum(part.points for part in parts if part.title == title)
        said = re.search(r"\((\d+) points?\)", title)
        if said and int(said[1]) != total:
            out.append(f"the heading {title!r} should say ({total:g} points)")
    opening = assignment.path.read_text("utf-8").partition("\n## ")[0]
    said = re.search(r"(\d+) points in all|[Tt]here are (\d+) points", opening)
    if said and int(said[1] or said[2]) != assignment.points:
        out.append(f"it says {said[0]!r}, but its items add up to {assignment.points:g}")
    return out
