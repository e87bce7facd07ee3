"""Terms of two ontologies with one name: both keep it, and one is meant."""

from __future__ import annotations

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import MultipleObjectsReturned
from lakehouse.ontology import read


def ontology(tmp_path, space, *names, version="2024-01-01"):
    lines = ["format-version: 1.4", f"data-version: {version}", f"ontology: {space.lower()}"]
    for i, name in enumerate(names, 1):
        lines += ["", "[Term]", f"id: {space}:{i}", f"name: {name}"]
    path = tmp_path / f"{space}-{version}.obo"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def sources(lake, tmp_path):
    """Two sources that both have asthma, the second one is used."""
    first = bt.Disease.import_source(ontology(tmp_path, "AA", "asthma", "gout"))
    second = bt.Disease.import_source(ontology(tmp_path, "BB", "asthma", "mumps"))
    return bt.Source.get(first.uid), bt.Source.get(second.uid)


def test_both_keep_their_name_and_are_told_apart_by_source(sources):
    first, second = sources
    found = bt.Disease.filter(name="asthma")
    assert {r.ontology_id for r in found} == {"AA:1", "BB:1"}
    assert bt.Disease.filter(name="asthma", source=first).one().ontology_id == "AA:1"
    assert bt.Disease.filter(name="asthma", source=second).one().ontology_id == "BB:1"
    with pytest.raises(MultipleObjectsReturned):
        bt.Disease.get(name="asthma")


def test_validate_with_a_source(sources):
    first, second = sources
    values = ["asthma", "gout", "mumps"]

    def valid(source):
        return bt.Disease.validate(values, source=source, strict_source=True, mute=True).tolist()

    assert valid(first) == [True, True, False]
    assert valid(second) == [True, False, True]


def test_one_record_for_a_value_and_a_warning(sources, capsys):
    first, _ = sources
    capsys.readouterr()
    (record,) = bt.Disease.from_values(["asthma"])
    assert record.ontology_id == "BB:1"
    said = capsys.readouterr()
    assert "several sources" in said.out + said.err
    (record,) = bt.Disease.from_values(["asthma"], source=first)
    assert record.ontology_id == "AA:1"
    assert bt.Disease.from_source(name="asthma").ontology_id == "BB:1"
    assert bt.Disease.from_source(name="asthma", source=first).ontology_id == "AA:1"


def test_standardize_gives_the_id_of_the_one_that_is_meant(sources):
    first, _ = sources

    def ids(**more):
        return bt.Disease.standardize(
            ["Asthma", "gout"], return_field="ontology_id", mute=True, **more
        )

    assert ids() == ["BB:1", "AA:2"]
    assert ids(source=first) == ["AA:1", "AA:2"]
    assert ids(source=first, strict_source=True) == ["AA:1", "AA:2"]
    first.currently_used = True
    first.save()
    assert ids() == ["AA:1", "AA:2"]


def test_a_term_that_isnt_there_yet_is_no_other_term_of_its_name(lake, tmp_path):
    bt.Disease.import_source(ontology(tmp_path, "AA", "asthma"))
    second = bt.Disease.import_source(ontology(tmp_path, "BB", "mumps"))
    made = bt.Disease(name="asthma", ontology_id="BB:7")
    assert not made._saved
    other = bt.Disease(name="asthma", ontology_id="BB:8", source=second)
    ln.save([made, other])
    assert {r.ontology_id for r in bt.Disease.filter(name="asthma")} == {"AA:1", "BB:7", "BB:8"}
    # without an id, the name is what there is to go by
    assert bt.Disease(name="asthma").ontology_id == "AA:1"


def test_labels_of_features_are_of_the_source_that_is_used(lake, sources, tmp_path):
    first, second = sources
    ln.Feature(name="disease", dtype=bt.Disease).save()
    path = tmp_path / "a.txt"
    path.write_text("a")
    artifact = ln.Artifact(path, key="a.txt").save()
    artifact.features.add_values({"disease": "asthma"})
    assert [r.source for r in artifact.diseases.all()] == [second]
    narrowed = f"cat[bionty.Disease[source__uid='{first.uid}']]"
    ln.Feature(name="other", dtype=narrowed).save()
    artifact.features.add_values({"other": "asthma"})
    assert {r.source for r in artifact.diseases.all()} == {first, second}


def test_names_of_older_lakes_stay(lake, tmp_path):
    path = ontology(tmp_path, "BB", "asthma")
    bt.Disease(name="asthma", ontology_id="AA:1").save()
    bt.Disease.import_source(path)
    record = bt.Disease.get(ontology_id="BB:1")
    record.name = "asthma (BB:1)"
    record.save()
    bt.Disease.import_source(path)
    newer = ontology(tmp_path, "BB", "asthma", "mumps", version="2024-02-01")
    bt.Disease.import_source(newer)
    assert bt.Disease.get(ontology_id="BB:1").name == "asthma (BB:1)"
    renamed = ontology(tmp_path, "BB", "Asthma", "mumps", version="2024-03-01")
    bt.Disease.import_source(renamed)
    assert bt.Disease.get(ontology_id="BB:1").name == "Asthma"


def test_terms_that_a_new_version_lacks_are_told_and_stay(lake, tmp_path, capsys):
    old = bt.Disease.import_source(ontology(tmp_path, "AA", "asthma", "gout", "mumps"))
    bt.Disease.import_source(ontology(tmp_path, "BB", "other"))
    capsys.readouterr()
    newer = ontology(tmp_path, "AA", "asthma", version="2024-02-01")
    bt.Disease.import_source(newer)
    said = "".join(capsys.readouterr())
    assert "2 terms of former versions aren't in aa 2024-02-01 any more: AA:2, AA:3" in said
    assert bt.Disease.get(ontology_id="AA:2").source == old
    bt.Disease.import_source(newer)
    assert "former versions" not in "".join(capsys.readouterr())


def test_an_import_of_one_id_space_says_nothing_about_others(lake, tmp_path, capsys):
    path = ontology(tmp_path, "AA", "asthma")
    path.write_text(path.read_text() + "\n[Term]\nid: BB:1\nname: mumps\n")
    both = read(path)
    bt.Disease.import_source(both, prefix="BB")
    bt.Disease.import_source(read(ontology(tmp_path, "AA", "gout", version="2025")))
    assert "former versions" not in "".join(capsys.readouterr())
