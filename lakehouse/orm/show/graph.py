"""Graphs of records: as DOT and Mermaid text always, as SVG where a renderer is installed.

Example:
    >>> graph = Graph("types")
    >>> graph.add_node("a", "T cell", "CellType")
    >>> graph.add_node("b", "lymphocyte", "CellType")
    >>> graph.add_edge("b", "a")
    >>> print(graph.mermaid)
    graph TD
      n0["T cell<br/><i>CellType</i>"]
      n1["lymphocyte<br/><i>CellType</i>"]
      n1 --> n0
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lakehouse.errors import InvalidArgument, MissingExtra
from lakehouse.text.printable import html_text, printable_line

_RENDERERS = ("graphviz-pure", "dot")
_COLOURS = {"focus": "#c1f0d5", "data": "#e8e8f8", "run": "#fff3d6"}
_SECONDS = 60
# Before Mermaid parses a text, it takes %%{…}%% anywhere in it as settings, and the last ; of a
# line away that has "style", a colon and a # in this order; \n is a line break to it, and ﬂ and ¶
# stand in its own placeholders.
_ENTITY = re.compile(r'["#<>&`%:ﬂ¶\\]')


@dataclass(frozen=True)
class Node:
    """A node: what it is called, a smaller second line, and what it is in the picture."""

    label: str
    kind: str = ""
    role: str = ""


@dataclass
class Graph:
    """A directed graph of records.

    Attributes:
        name: What the graph shows.
        direction: `TB` draws from top to bottom, `LR` from left to right.
        nodes: By any key, e.g. the uid.
        edges: Pairs of keys.
    """

    name: str = "graph"
    direction: Literal["TB", "LR"] = "TB"
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], None] = field(default_factory=dict)

    def add_node(self, key: str, label: str, kind: str = "", role: str = "") -> None:
        """Add a node; one that is there stays."""
        self.nodes.setdefault(key, Node(label, kind, role))

    def add_edge(self, start: str, end: str) -> None:
        """Add an edge; one that is there stays."""
        self.edges[start, end] = None

    def _ids(self) -> dict[str, str]:
        return {key: f"n{i}" for i, key in enumerate(self.nodes)}

    @property
    def dot(self) -> str:
        """The graph in the DOT language."""
        ids = self._ids()
        lines = [
            f"digraph {_quoted(self.name)} {{",
            f"  rankdir={self.direction};",
            '  node [shape=box, style="rounded,filled", fillcolor="#f5f5f5", fontname=Arial];',
            '  edge [color="#888888"];',
        ]
        for key, node in self.nodes.items():
            small = f'<BR/><FONT POINT-SIZE="10">{_html(node.kind)}</FONT>' if node.kind else ""
            colour = _COLOURS.get(node.role)
            fill = f', fillcolor="{colour}"' if colour else ""
            lines.append(f"  {ids[key]} [label=<{_html(node.label)}{small}>{fill}];")
        lines += [f"  {ids[a]} -> {ids[b]};" for a, b in self._drawn()]
        return "\n".join([*lines, "}"])

    source = dot  # the name that Graphviz's own Python package has for it

    @property
    def mermaid(self) -> str:
        """The graph as Mermaid text, which GitHub, GitLab and JupyterLab draw."""
        ids = self._ids()
        lines = [f"graph {'TD' if self.direction == 'TB' else self.direction}"]
        for key, node in self.nodes.items():
            small = f"<br/><i>{_entities(node.kind)}</i>" if node.kind else ""
            lines.append(f'  {ids[key]}["{_entities(node.label)}{small}"]')
        lines += [f"  {ids[a]} --> {ids[b]}" for a, b in self._drawn()]
        for role, colour in _COLOURS.items():
            found = [ids[key] for key, node in self.nodes.items() if node.role == role]
            lines += [f"  style {name} fill:{colour}" for name in found]
        return "\n".join(lines)

    def _drawn(self) -> Iterator[tuple[str, str]]:
        return ((a, b) for a, b in self.edges if a in self.nodes and b in self.nodes)

    @property
    def svg(self) -> str:
        """The graph as an SVG picture.

        Raises:
            MissingExtra: Neither graphviz-pure nor Graphviz is installed.
        """
        program = _renderer()
        if program is None:
            raise MissingExtra(
                "Drawing a graph as SVG needs a renderer, and none is installed.",
                expected=" or ".join(_RENDERERS),
                hint="pip install 'lakehouse[graph]'; .dot and .mermaid give text without one",
            )
        done = subprocess.run(
            [program, "-Tsvg"],
            input=self.dot,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_SECONDS,
            check=True,
        )
        return done.stdout

    def save(self, path: str | Path) -> Path:
        """Write the graph to a file: SVG, DOT (`.dot`, `.gv`) or Mermaid (`.mmd`, `.md`).

        Raises:
            InvalidArgument: The suffix is none of these.
            MissingExtra: SVG is wanted, and no renderer is installed.
        """
        target = Path(path)
        texts = {".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".md": "markdown", ".svg": "svg"}
        if target.suffix not in texts:
            raise InvalidArgument(
                "A graph isn't written to this kind of file.",
                found=str(path),
                expected=", ".join(texts),
            )
        kind = texts[target.suffix]
        text = self._markdown() if kind == "markdown" else getattr(self, kind)
        target.write_text(text, encoding="utf-8")
        return target

    def _markdown(self) -> str:
        return f"```mermaid\n{self.mermaid}\n```\n"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What notebooks draw: the SVG picture, or Mermaid if there is no renderer."""
        found = {"text/plain": str(self), "text/markdown": self._markdown()}
        if _renderer() is not None:
            found["image/svg+xml"] = self.svg
        return found

    def __str__(self) -> str:
        return self.dot

    def __repr__(self) -> str:
        return self.mermaid


def _renderer() -> str | None:
    """A program that draws DOT, first among the scripts of this environment."""
    scripts = sysconfig.get_path("scripts")
    for name in _RENDERERS:
        found = shutil.which(name, path=scripts) or shutil.which(name)
        if found is not None:
            return found
    return None


def _quoted(text: str) -> str:
    """Text as a quoted name of DOT."""
    return '"' + printable_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _html(text: str) -> str:
    r"""Text in an HTML-like label, where line breaks are tags, and \N and \G mean names."""
    lines = (html_text(printable_line(line)) for line in text.split("\n"))
    return "<BR/>".join(lines).replace("&#x27;", "&#39;").replace("\\", "\\\\")


def _entities(text: str) -> str:
    """Text in a Mermaid label: what means something there is named by number."""
    lines = (_ENTITY.sub(lambda m: f"#{ord(m[0])};", printable_line(x)) for x in text.split("\n"))
    return "<br/>".join(lines)
