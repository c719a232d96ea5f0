"""Answer cells: the solution between its marks, and the starter where it is blanked out."""

from __future__ import annotations

import ast
import re

BEGIN = re.compile(r"^(\s*)# BEGIN SOLUTION\b.*$")
END = re.compile(r"^\s*# END SOLUTION\b.*$")


def without_magics(source: str) -> str:
    """The source with IPython's lines (`%…`, `!…`) turned into comments of the same length."""
    return re.sub(r"^(\s*)[%!](?=[\w%!])", r"\1pass  # ", source, flags=re.M)


def bound(tree: ast.Module) -> set[str]:
    """Names that a module's top level binds."""
    out: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            out.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            out |= {(a.asname or a.name).split(".")[0] for a in node.names}
        else:
            out |= {
                n.id
                for n in ast.walk(node)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    return out


def _in_function(tree: ast.Module, first: int, last: int) -> bool:
    return any(
        isinstance(node, ast.FunctionDef) and node.lineno < first and last <= node.end_lineno + 1
        for node in ast.walk(tree)
    )


def blocks(source: str) -> list[tuple[int, int, str]]:
    """(first, last, indentation) of each solution block, as indices of its two mark lines."""
    out, open_at = [], None
    for i, line in enumerate(source.split("\n")):
        begin = BEGIN.match(line)
        if begin:
            if open_at:
                raise ValueError(f"its line {i + 1}: BEGIN SOLUTION inside a solution")
            open_at = (i, begin[1])
        elif END.match(line):
            if open_at is None:
                raise ValueError(f"its line {i + 1}: END SOLUTION without BEGIN SOLUTION")
            out.append((open_at[0], i, open_at[1]))
            open_at = None
    if open_at:
        raise ValueError(f"its line {open_at[0] + 1}: BEGIN SOLUTION without END SOLUTION")
    if not out:
        raise ValueError("has no # BEGIN SOLUTION … # END SOLUTION")
    return out


def split(source: str, name: str) -> tuple[str, str]:
    """(starter, solution) of an answer cell whose answer is called `name`.

    In a function a solution becomes a `raise NotImplementedError`, elsewhere `...`, or
    `name = ...` if nothing else in the cell binds the name. Raises `ValueError` for marks that do
    not pair, a cell that does not bind `name`, and a starter that is not Python.

    >>> split("x = 1  # given\\n# BEGIN SOLUTION\\ny = 2 * x\\n# END SOLUTION", "y")[0]
    'x = 1  # given\\ny = ...  # yours to write'
    """
    lines, tree = source.split("\n"), ast.parse(without_magics(source))
    found = blocks(source)
    if not name.isidentifier():
        raise ValueError(f"name {name!r} is not a Python name")
    if name not in bound(tree):
        raise ValueError(f"does not define {name!r}, the name of its answer")
    kept: list[str] = []
    rest = list(lines)
    for first, last, _ in found:
        rest[first : last + 1] = [""] * (last + 1 - first)
    try:
        elsewhere = name in bound(ast.parse(without_magics("\n".join(rest))))
    except SyntaxError:  # a def whose whole body is the solution still binds its name
        elsewhere = bool(re.search(rf"^(def|class) {name}\b|^{name}\s*=", "\n".join(rest), re.M))
    at = 0
    for first, last, indent in found:
        kept += lines[at:first]
        if _in_function(tree, first + 1, last + 1):
            kept.append(f'{indent}raise NotImplementedError("{name}: yours to write")')
        elif not elsewhere and not indent:
            kept.append(f"{name} = ...  # yours to write")
            elsewhere = True
        else:
            kept.append(f"{indent}...  # yours to write")
        at = last + 1
    starter = "\n".join(kept + lines[at:])
    try:
        ast.parse(without_magics(starter))
    except SyntaxError as error:
        raise ValueError(f"without its solution it is not Python: {error.msg}") from None
    solution = "\n".join(x for x in lines if not BEGIN.match(x) and not END.match(x))
    return starter, solution
