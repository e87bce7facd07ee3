"""Draws the rooms of the package into `architecture.md`, from the code.

Layers are those of the import contract in `pyproject.toml`; arrows are imports, those inside functions
among them. An arrow is left out where a longer way says it already.

    python docs/diagram.py
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PACKAGE = REPO / "lakehouse"
PAGE = REPO / "docs" / "architecture.md"
_BLOCK = re.compile(r"(<!-- diagram -->\n)(.*?)(<!-- end of diagram -->)", re.DOTALL)
# The public face, and what only names its parts anew.
_LEFT_OUT = {"", "core", "models", "__init__"}


def layers() -> list[list[str]]:
    """The rooms of each layer, topmost first; single modules of a layer are drawn as one."""
    contracts = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = (c["layers"] for c in contracts if c["type"] == "layers" and "containers" not in c)
    drawn = []
    for layer in found:
        names = [name.strip().removeprefix("lakehouse.") for name in re.split(r"[:|]", layer)]
        rooms = [n for n in names if (PACKAGE / n).is_dir() and n not in _LEFT_OUT]
        modules = [n for n in names if not (PACKAGE / n).is_dir() and n not in _LEFT_OUT]
        drawn.append(rooms + [" ".join(modules)] * bool(modules))
    return drawn


def _imports(path: Path) -> Iterator[str]:
    """First parts of what a module imports of the package, but for type checkers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "lakehouse":
            names = [f"lakehouse.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from (n.split(".")[1] for n in names if n.startswith("lakehouse."))


def arrows(drawn: list[list[str]]) -> list[tuple[str, str]]:
    """Which room imports which, without what follows from other arrows."""
    home = {part: room for layer in drawn for room in layer for part in room.split()}
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        here = home.get(path.relative_to(PACKAGE).with_suffix("").parts[0])
        for name in _imports(path) if here else ():
            there = home.get(name)
            if there not in (None, here):
                found[here].add(there)
    level = {room: n for n, layer in enumerate(drawn) for room in layer}
    down = {a: {b for b in found[a] if level[b] > level[a]} for a in level}

    def below(room: str) -> set[str]:
        return down[room] | {far for near in down[room] for far in below(near)}

    kept = []
    for room, near in found.items():
        implied = {far for b in near & down[room] for far in below(b)}
        kept += [(room, b) for b in near if level[b] <= level[room] or b not in implied]
    return sorted(kept, key=lambda arrow: (level[arrow[0]], arrow))


def diagram() -> str:
    """The diagram as Mermaid text."""
    drawn = layers()
    ids = {room: f"r{n}" for n, room in enumerate(room for layer in drawn for room in layer)}
    lines = ["flowchart TD"]
    for n, layer in enumerate(drawn):
        lines.append(f"    subgraph layer{n}[\" \"]")
        lines += [f'        {ids[room]}["{room.replace(" ", ", ")}"]' for room in layer]
        lines.append("    end")
    pairs = arrows(drawn)
    both = {(a, b) for a, b in pairs if (b, a) in pairs}
    for a, b in pairs:
        if (a, b) in both and a > b:
            continue
        lines.append(f"    {ids[a]} {'<-->' if (a, b) in both else '-->'} {ids[b]}")
    return "\n".join(lines)


def current(text: str) -> str:
    """A page with the diagram of the code as it is now."""
    block = f"```mermaid\n{diagram()}\n```\n"
    new, n = _BLOCK.subn(lambda m: m[1] + block + m[3], text)
    if n != 1:
        raise SystemExit(f"{PAGE} has {n} places for the diagram, not 1.")
    return new


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
