"""Graphs of hierarchies, as DOT, Mermaid and SVG."""

from __future__ import annotations

import shutil
import sysconfig

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, MissingExtra, UnknownField
from lakehouse.orm.show import graph as graphs
from lakehouse.orm.show.graph import Graph


@pytest.fixture
def family(lake):
    """grandparent → parent → child, and another parent of the child."""
    made = {n: ln.ULabel(name=n).save() for n in ("grandparent", "parent", "other", "child")}
    made["child"].parents.add(made["parent"], made["other"])
    made["parent"].parents.add(made["grandparent"])
    return made


def labels(graph: Graph) -> set[str]:
    return {node.label for node in graph.nodes.values()}


def pairs(graph: Graph) -> set[tuple[str, str]]:
    return {(graph.nodes[a].label, graph.nodes[b].label) for a, b in graph.edges}


def test_parents_at_any_distance_with_edges_from_parent_to_child(family):
    graph = family["child"].view_parents()
    assert pairs(graph) == {
        ("parent", "child"),
        ("other", "child"),
        ("grandparent", "parent"),
    }
    assert graph.nodes[family["child"].uid].role == "focus"


def test_distance_limits(family):
    assert labels(family["child"].view_parents(distance=1)) == {"child", "parent", "other"}
    with pytest.raises(InvalidArgument, match="at least 1"):
        family["child"].view_parents(distance=0)


def test_children_and_both_directions(family):
    assert pairs(family["grandparent"].view_children()) == {
        ("grandparent", "parent"),
        ("parent", "child"),
    }
    both = family["parent"].view_parents(with_children=True)
    assert pairs(both) == {("grandparent", "parent"), ("parent", "child")}


def test_nodes_are_called_by_any_field(family):
    family["parent"].description = "the first"
    family["parent"].save()
    assert "the first" in labels(family["child"].view_parents(field="description"))
    assert "the first" in labels(family["child"].view_parents(field=ln.ULabel.description))
    with pytest.raises(UnknownField, match="nam"):
        family["child"].view_parents(field="nam")


def test_records_in_the_trash_are_left_out(family):
    family["other"].delete()
    assert labels(family["child"].view_parents()) == {"child", "parent", "grandparent"}


def test_every_registry_with_a_hierarchy(lake):
    project = ln.Project(name="sub").save()
    project.parents.add(ln.Project(name="top").save())
    assert pairs(project.view_parents()) == {("top", "sub")}
    record = ln.Record(name="aliquot").save()
    record.parents.add(ln.Record(name="sample").save())
    assert pairs(record.view_parents()) == {("sample", "aliquot")}
    step = ln.Transform(key="b.py").save()
    step.predecessors.add(ln.Transform(key="a.py").save())
    assert pairs(step.view_parents()) == {("a.py", "b.py")}
    cell = bt.CellType(name="T cell").save()
    cell.parents.add(bt.CellType(name="lymphocyte").save())
    assert pairs(cell.view_parents()) == {("lymphocyte", "T cell")}
    assert next(iter(cell.view_parents().nodes.values())).kind == "CellType"


def test_an_open_transaction_is_seen(family):
    with ln.transaction():
        new = ln.ULabel(name="new").save()
        new.parents.add(family["parent"])
        assert pairs(new.view_parents()) == {("parent", "new"), ("grandparent", "parent")}
        assert ("parent", "new") in pairs(family["parent"].view_children())
        assert new.describe(return_str=True).splitlines()[-1].split()[-1] == "parent"


def test_an_unsaved_record_has_no_place(lake):
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.ULabel(name="new").view_parents()


def test_texts_name_every_node_and_edge():
    graph = Graph("letters")
    graph.add_node("a", 'A "quoted" <b> & more', "Letter", "focus")
    graph.add_node("b", "B\nsecond line #1")
    graph.add_edge("a", "b")
    graph.add_edge("a", "nowhere")
    dot, mermaid = graph.dot, graph.mermaid
    assert dot.startswith('digraph "letters" {')
    assert "A &quot;quoted&quot; &lt;b&gt; &amp; more" in dot
    assert dot.count("->") == mermaid.count("-->") == 1
    assert 'n0["A #34;quoted#34; #60;b#62; #38; more<br/><i>Letter</i>"]' in mermaid
    assert "B<br/>second line #35;1" in mermaid
    assert str(graph) == graph.source == dot
    assert repr(graph) == mermaid


needs_renderer = pytest.mark.skipif(
    not any(
        shutil.which(name, path=where)
        for name in ("graphviz-pure", "dot")
        for where in (sysconfig.get_path("scripts"), None)
    ),
    reason="no renderer is installed",
)


@needs_renderer
def test_svg_is_drawn(family, tmp_path):
    graph = family["child"].view_parents()
    assert graph.svg.rstrip().endswith("</svg>")
    for name in ("grandparent", "parent", "other", "child"):
        assert name in graph.svg
    path = graph.save(tmp_path / "graph.svg")
    assert path.read_text() == graph.svg
    assert set(graph._repr_mimebundle_()) == {"text/plain", "text/markdown", "image/svg+xml"}


def test_without_a_renderer_text_remains(monkeypatch, tmp_path):
    monkeypatch.setattr(graphs, "_RENDERERS", ("no-such-renderer",))
    graph = Graph("letters")
    graph.add_node("a", "A")
    with pytest.raises(MissingExtra, match=r"lakehouse\[graph\]"):
        _ = graph.svg
    assert set(graph._repr_mimebundle_()) == {"text/plain", "text/markdown"}
    assert graph.save(tmp_path / "g.dot").read_text() == graph.dot
    assert graph.save(tmp_path / "g.mmd").read_text() == graph.mermaid
    assert graph.save(tmp_path / "g.md").read_text().startswith("```mermaid\ngraph TD\n")
    with pytest.raises(InvalidArgument, match=r"kind of file"):
        graph.save(tmp_path / "g.txt")
