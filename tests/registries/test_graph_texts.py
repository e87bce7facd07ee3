"""Graphs of hostile names are the graphs of plain ones: read back by parsers of each language."""

from __future__ import annotations

import html
import itertools
import json
import re
import subprocess
from xml.etree import ElementTree

import pytest

import lakehouse as ln
from lakehouse.orm.show import graph as graphs
from lakehouse.orm.show.graph import Graph
from lakehouse.text.printable import printable_line
from tests.hostile import HOSTILE, MARK, plant
from tests.test_printable import obeyed

NAMES = {
    **HOSTILE,
    "directive": f"{MARK} %%{{init: {{'securityLevel': 'loose'}}}}%%",
    "style": f'style x:y"{MARK}" classDef a:b#c;',
    "placeholder": f"ﬂ°°34¶ß{MARK}&#34;&quot;#quot;",
    "backslashes": f'\\"{MARK}\\n\\\\\\',
    "fence": f"```\n```{MARK}\n</svg>",
    "cdata": f"]]>{MARK}<![CDATA[ <!-- <?x ?>",
    "long": MARK + "<b>" * 300,
}
PLAIN = {key: f"node {key}" for key in NAMES}
SVG = "{http://www.w3.org/2000/svg}"

needs_renderer = pytest.mark.skipif(
    graphs._renderer() is None, reason="neither graphviz-pure nor Graphviz is installed"
)


def drawn(names: dict[str, str]) -> Graph:
    """A graph of all names, in which each is a label, a kind and once the graph's own name."""
    graph = Graph(" ".join(names.values()))
    for key, name in names.items():
        graph.add_node(key, name, name, "focus" if key == "csi" else "")
    keys = list(names)
    for start, end in itertools.pairwise(keys):
        graph.add_edge(start, end)
    return graph


def shown(name: str) -> str:
    """What a label says: its lines, without what a terminal or browser would obey."""
    return "\n".join(printable_line(line) for line in name.split("\n"))


def read_dot(text: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Labels by node, and edges, as Graphviz reads them."""
    program = graphs._renderer()
    assert program is not None
    done = subprocess.run(
        [program, "-Tjson"], input=text, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr  # it warns where it doesn't know how wide a letter is
    found = json.loads(done.stdout)
    assert not found.get("_subgraph_cnt")
    labels = {}
    for node in found["objects"]:
        label = ElementTree.fromstring(f"<label>{node['label']}</label>")
        assert {e.tag for e in label.iter()} <= {"label", "BR", "FONT"}
        for line_break in label.iter("BR"):
            line_break.text = "\n"
        # it puts names for \N and \G, unless the backslash is doubled
        labels[node["name"]] = re.sub(r"\\(.)", r"\1", "".join(label.itertext()))
    names = [node["name"] for node in found["objects"]]
    return labels, {(names[e["tail"]], names[e["head"]]) for e in found["edges"]}


def read_mermaid(text: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Labels by node, and edges, as Mermaid reads them: first its rewriting, then its grammar."""
    assert not re.search(r"%{2}{", text)  # else settings
    assert not re.search(r"^\s*%%", text, re.MULTILINE)  # else comments
    for start in ("style", "classDef"):
        text = re.sub(rf"{start}.*:\S*#.*;", lambda m: m[0][:-1], text)
    text = re.sub(r"#(\w+);", r"ﬂ°\1¶ß", text)
    head, *lines = text.split("\n")
    assert head == "graph TD"
    labels, edges = {}, set()
    for line in lines:
        if node := re.fullmatch(r'  (n\d+)\["([^"\\`]*)"\]', line):
            parts = re.split(r"</?i>|<br/>", node[2])
            assert not re.search("[<>]", "".join(parts))
            entities = re.sub("ﬂ°", "&#", node[2]).replace("¶ß", ";")
            labels[node[1]] = html.unescape(re.sub(r"</?i>", "", entities.replace("<br/>", "\n")))
        elif edge := re.fullmatch(r"  (n\d+) --> (n\d+)", line):
            edges.add((edge[1], edge[2]))
        else:
            assert re.fullmatch(r"  style n\d+ fill:#[0-9a-f]{6}", line), line
    return labels, edges


def check_read_back(read, hostile: str, plain: str) -> None:
    labels, edges = read(hostile)
    assert edges == read(plain)[1]
    assert len(edges) == len(NAMES) - 1
    assert list(labels) == [f"n{place}" for place in range(len(NAMES))]
    assert list(labels.values()) == [f"{shown(n)}\n{shown(n)}" for n in NAMES.values()]


@needs_renderer
def test_dot():
    check_read_back(read_dot, drawn(NAMES).dot, drawn(PLAIN).dot)


def test_mermaid():
    check_read_back(read_mermaid, drawn(NAMES).mermaid, drawn(PLAIN).mermaid)


@needs_renderer
def test_svg():
    hostile, plain = (ElementTree.fromstring(drawn(names).svg) for names in (NAMES, PLAIN))
    for kind in ("node", "edge", "graph"):
        groups = [
            [g for g in picture.iter(f"{SVG}g") if g.get("class") == kind]
            for picture in (hostile, plain)
        ]
        assert len(groups[0]) == len(groups[1])
    assert {e.tag for e in hostile.iter()} == {e.tag for e in plain.iter()}
    assert {a for e in hostile.iter() for a in e.attrib} == {
        a for e in plain.iter() for a in e.attrib
    }
    assert not any(MARK in value for e in hostile.iter() for value in e.attrib.values())
    nodes = [g for g in hostile.iter(f"{SVG}g") if g.get("class") == "node"]
    texts = {g.findtext(f"{SVG}title"): [t.text or "" for t in g.iter(f"{SVG}text")] for g in nodes}
    for place, name in enumerate(NAMES.values()):
        wanted = [" ".join(line.split()) for line in shown(name).split("\n") * 2]
        assert [" ".join(line.split()) for line in texts[f"n{place}"]] == wanted


def test_no_text_steers_a_terminal_or_leaves_its_fence(tmp_path):
    graph = drawn(NAMES)
    bundle = graph._repr_mimebundle_()
    for text in (str(graph), repr(graph), *bundle.values()):
        assert not obeyed(text)
    assert bundle["text/markdown"].count("```") == 2
    for suffix in (".dot", ".mmd", ".md"):
        path = graph.save(tmp_path / f"g{suffix}")
        assert not obeyed(path.read_text(encoding="utf-8"))


@needs_renderer
def test_hierarchies_of_hostile_records(lake):
    plant(lake)
    labels = [ln.ULabel.get(name=text) for text in HOSTILE.values()]
    for child, parent in itertools.pairwise(labels):
        child.parents.add(parent)
    graph = labels[0].view_parents(distance=100)
    for read, text in ((read_dot, graph.dot), (read_mermaid, graph.mermaid)):
        found, edges = read(text)
        assert len(edges) == len(labels) - 1
        assert {f"{shown(text)}\nULabel" for text in HOSTILE.values()} == set(found.values())
    ElementTree.fromstring(graph.svg)
