"""summary.html: the class on one page, with a plot for each question and what to look at."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path

from coursework import sandbox, sheets
from coursework.batch import slug, write
from coursework.feedback import page


def histogram(values: list[float], most: float, name: str) -> str:
    """How many students have how many points, as an inline SVG with its numbers in words."""
    counts = Counter(values)
    levels = sorted({0.0, float(most), *map(float, counts)})
    height, wide, left, base = 120, 46, 34, 150
    top = max(counts.values(), default=1)
    words = ", ".join(f"{counts.get(level, 0)} with {level:g}" for level in levels)
    parts = [
        f'<svg viewBox="0 0 {left + wide * len(levels) + 10} {base + 40}" role="img" '
        f'width="{left + wide * len(levels) + 10}" aria-label="{escape(name)}: {words} points">',
        f'<line x1="{left}" y1="{base}" x2="{left + wide * len(levels)}" y2="{base}"/>',
    ]
    for i, level in enumerate(levels):
        count = counts.get(level, 0)
        tall = height * count / top
        x, y = left + wide * i, base - tall
        parts.append(
            f'<rect class="bar" x="{x + 6}" y="{y:.1f}" width="{wide - 12}" height="{tall:.1f}"/>'
        )
        parts.append(
            f'<text x="{x + wide / 2}" y="{y - 5:.1f}" text-anchor="middle">{count}</text>'
        )
        parts.append(
            f'<text x="{x + wide / 2}" y="{base + 17}" text-anchor="middle">{level:g}</text>'
        )
    middle = left + wide * len(levels) / 2
    parts.append(f'<text x="{middle}" y="{base + 35}" text-anchor="middle">points</text></svg>')
    return "".join(parts)


def alike(results: list[dict]) -> dict[str, list[list[str]]]:
    """Groups of students whose answer cells are the same, by question; not proof of anything."""
    groups: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for key, mark in result["answers"].items():
            if mark:
                groups.setdefault((key, mark), []).append(result["student"])
    out: dict[str, list[list[str]]] = {}
    for (key, _), students in sorted(groups.items()):
        # where most of a class writes the same short line, that says nothing
        if 2 <= len(students) <= max(2, len(results) // 3):
            out.setdefault(key, []).append(sorted(students))
    return out


def table(
    name: str, heads: list[str], rows: list[list[str]], numbers: set[int] = frozenset()
) -> str:
    """An HTML table; columns in `numbers` are set to the right, the last may break anywhere."""

    def cell(tag, i, text, extra=""):
        style = ' class="n"' if i in numbers else ' class="t"' if i == len(heads) - 1 else ""
        return f"<{tag}{extra}{style}>{text}</{tag}>"

    head = "".join(cell("th", i, h, ' scope="col"') for i, h in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(cell("td", i, c) for i, c in enumerate(row)) + "</tr>" for row in rows
    )
    inner = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{name}">{inner}</div>'


def summary_page(about: dict, results: list[dict], marks: dict) -> str:
    """The class on one page."""
    body = [f"<h1>{escape(about['title'])}: the class</h1>"]
    if not all(result["sandboxed"] for result in results):
        body.append(f'<p class="note"><strong>{escape(sandbox.NOTICE)}</strong></p>')
    counts = Counter(result["status"] for result in results)
    said = ", ".join(f"{n} {escape(status)}" for status, n in sorted(counts.items()))
    body.append(f"<p>{len(results)} submissions: {said}.</p>")
    odd = [r for r in results if r["status"] != "ok" or r["note"]]
    if odd:
        body.append("<h2>To look at</h2>")
        rows = [[escape(r["student"]), escape(r["status"]), escape(r["note"])] for r in odd]
        body.append(table("To look at", ["Student", "Status", "Note"], rows))
    same = alike(results)
    if same:
        body.append("<h2>Identical answers</h2><p>Comments and layout apart, these cells are the ")
        body.append("same. A short answer has few forms: read them before you think anything.</p>")
        rows = [
            [escape(key), escape(", ".join(group))]
            for key, groups in same.items()
            for group in groups
        ]
        body.append(table("Identical answers", ["Answer", "Students"], rows))
    body.append("<h2>Questions</h2>")
    rows = []
    plots = []
    for q in about["questions"]:
        values = [sheets.earned(r).get(q["key"], 0.0) for r in results]
        mean = sum(values) / len(values)
        full = sum(v >= q["points"] for v in values)
        rows.append(
            [escape(q["key"]), escape(q["title"]), f"{q['points']:g}", f"{mean:.2f}", str(full)]
        )
        plots.append(
            f"<figure><figcaption>{escape(q['key'])}: {escape(q['title'])}</figcaption>"
            f"{histogram(values, q['points'], q['key'])}</figure>"
        )
    for w in about["written"]:
        given = [marks[key] for key in marks if key[1] == w["key"]]
        mean = f"{sum(given) / len(given):.2f}" if given else "not marked"
        full = sum(v >= w["points"] for v in given)
        name = escape(w["key"]) + " (written)"
        rows.append([name, escape(w["title"]), f"{w['points']:g}", mean, str(full)])
    heads = ["Answer", "Question", "Points", "Mean", "Full marks"]
    body.append(table("Questions", heads, rows, {2, 3, 4}))
    body += ['<div class="plots">', *plots, "</div>"]
    body.append("<h2>Feedback pages</h2>")
    links = "".join(
        f'<li><a href="feedback/{slug(r["student"])}.html">{escape(r["student"])}</a></li>'
        for r in results
    )
    body.append(f"<ul>{links}</ul>")
    return page(f"{about['title']}: the class", "\n".join(body))


def save(out: Path, about: dict, results: list[dict], marks: dict):
    """Write OUT/summary.html."""
    write(out / "summary.html", summary_page(about, results, marks))
