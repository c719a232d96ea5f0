"""One page of feedback for each student: what earned its points, and a hint where not."""

from __future__ import annotations

from html import escape
from pathlib import Path

from coursework import sheets
from coursework.batch import slug, write

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #f1f3f5; --line: #c9ced3;
  --good: #0b6b3a; --bad: #a3231b; --bar: #1f6fb2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16191d; --soft: #23282e;
  --line: #4a525b; --good: #6fd39b; --bad: #ff9d94; --bar: #6db3ea; } }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; white-space: nowrap; } td.t { overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .7rem;
  border-radius: .3rem; }
.note { background: var(--soft); border-left: .3rem solid var(--bad); padding: .5rem .8rem; }
.plots { display: flex; flex-wrap: wrap; gap: 0 2rem; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg .bar { fill: var(--bar); }
svg line { stroke: var(--line); }
.wide { overflow-x: auto; }
"""


def page(title: str, body: str) -> str:
    """A page that needs nothing from anywhere."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def of(points: float, most: float) -> str:
    return f"{points:g} of {most:g}"


def question_rows(items: list[dict]) -> str:
    rows = []
    for item in items:
        right = item["earned"] > 0
        mark = (
            '<span class="good">✓ right</span>' if right else '<span class="bad">✗ not yet</span>'
        )
        hint = "" if right else f"<br>{escape(item['hint'])}"
        rows.append(
            f"<tr><td>{escape(item['what'])}</td><td class='t'>{mark}{hint}</td>"
            f'<td class="n">{of(item["earned"], item["points"])}</td></tr>'
        )
    return "".join(rows)


def student_page(about: dict, result: dict, marks: dict) -> str:
    """The feedback page of one student. Everything a student has typed is escaped."""
    student = result["student"]
    whole = sheets.total(about, result, marks)
    auto = sum(item["earned"] for item in result["items"])
    auto_most = sum(q["points"] for q in about["questions"])
    most = auto_most + sum(w["points"] for w in about["written"])
    body = [f"<h1>{escape(about['title'])}</h1>"]
    body.append(f"<p>Feedback for <strong>{escape(student)}</strong> on {escape(result['file'])}.")
    if whole is None:
        body.append(f"<br>By the checks: <strong>{of(auto, auto_most)} points</strong>. ")
        body.append("The written parts are not marked yet.</p>")
    else:
        body.append(f"<br>In all: <strong>{of(whole, most)} points</strong>.</p>")
    if result["note"]:
        body.append(f'<p class="note">{escape(result["note"])}</p>')
    titles = list(dict.fromkeys(p["title"] for p in (*about["questions"], *about["written"])))
    order = sorted(titles, key=lambda t: titles.index(t))
    for title in order:
        body.append(f"<h2>{escape(title)}</h2>")
        keys = [q["key"] for q in about["questions"] if q["title"] == title]
        if keys:
            items = [item for item in result["items"] if item["key"] in keys]
            body.append(
                '<table><thead><tr><th scope="col">What was looked at</th>'
                '<th scope="col">Result</th><th scope="col" class="n">Points</th></tr></thead>'
                f"<tbody>{question_rows(items)}</tbody></table>"
            )
        for w in (w for w in about["written"] if w["title"] == title):
            mark = marks.get((student, w["key"]))
            said = "not marked yet" if mark is None else f"{of(mark, w['points'])} points"
            text = result["written"].get(w["key"], "")
            shown = f"<pre>{escape(text)}</pre>" if text else "<p>Nothing was written here.</p>"
            body.append(f"<p>Written part {escape(w['key'])}: {said}.</p>{shown}")
    return page(f"{about['title']}: {student}", "\n".join(body))


def save(out: Path, about: dict, results: list[dict], marks: dict):
    """Write OUT/feedback/<student>.html for everybody."""
    folder = out / "feedback"
    folder.mkdir(exist_ok=True)
    for result in results:
        write(folder / f"{slug(result['student'])}.html", student_page(about, result, marks))
