"""Datasets with Croissant metadata: what is read, found, checked and saved."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, MissingFile, UnreadableFile, ValidationError
from lakehouse.examples.croissant import mini_immuno

LICENSE = "https://creativecommons.org/licenses/by/4.0/"
curate = ln.integrations.curate_from_croissant

pytestmark = pytest.mark.usefixtures("lake")


def document(*files: Any, **fields: Any) -> dict[str, Any]:
    return {"@type": "sc:Dataset", "name": "Study", "distribution": list(files)} | fields


@pytest.fixture
def tables() -> None:
    Path("a.csv").write_text("x\n1\n")
    Path("b.csv").write_text("x\n2\n")
    Path("parts").mkdir()
    Path("parts/c.csv").write_text("x\n3\n")
    Path("parts/d.csv").write_text("x\n4\n")


@pytest.mark.slow
@pytest.mark.parametrize("prefix", [None, "", "data/"])
def test_one_file(prefix):
    metadata, dataset = mini_immuno(filepath_prefix=prefix)
    artifact = curate(metadata)
    assert artifact.key == f"{prefix or ''}mini_immuno.anndata.zarr" == dataset.as_posix()
    assert artifact.description == (
        "Mini immuno dataset - A few samples from the immunology dataset"
    )
    assert (artifact.version_tag, artifact.kind, artifact.otype) == ("1.0", "dataset", "AnnData")
    assert artifact.n_observations == 3
    label = artifact.ulabels.one()
    assert (label.name, label.type.name, label.type.is_type) == (LICENSE, "License", True)
    assert artifact.projects.to_list("name") == ["Mini Immuno Project"]


def test_several_files_are_a_collection():
    metadata, *paths = mini_immuno(n_files=2)
    collection = curate(str(metadata))
    assert isinstance(collection, ln.Collection)
    assert (collection.key, collection.version_tag) == ("Mini immuno dataset", "1.0")
    assert collection.description == "A few samples from the immunology dataset"
    assert [a.key for a in collection.artifacts.all()] == [p.name for p in paths]
    for record in (collection, *collection.artifacts.all()):
        assert record.ulabels.to_list("name") == [LICENSE]
        assert record.projects.to_list("name") == ["Mini Immuno Project"]
    assert curate(metadata) == collection


def test_one_commit_or_nothing(lake, tables):
    before = len(list(lake.log()))
    curate(document("a.csv", "b.csv", license="MIT", **{"cr:projectName": "P"}))
    assert len(list(lake.log())) == before + 1
    with pytest.raises(MissingFile, match=r"nope\.csv") as error:
        curate(document("parts/c.csv", "nope.csv", license="GPL", **{"cr:projectName": "Q"}))
    assert isinstance(error.value, ValueError)
    assert len(list(lake.log())) == before + 1
    assert ln.Project.filter().to_list("name") == ["P"]


def test_a_failure_in_the_middle_saves_nothing(lake, tables):
    curate(document("a.csv", version="1"))
    before = len(list(lake.log()))
    Path("a.csv").write_text("x\n9\n")
    with pytest.raises(ValueError, match="version tag"):  # another content under this tag
        curate(document("parts/c.csv", "a.csv", version="1", license="MIT"))
    assert len(list(lake.log())) == before
    assert ln.ULabel.filter().count() == 0
    assert ln.Artifact.filter().to_list("key") == ["a.csv"]


def test_the_run_and_existing_records(tables):
    run = ln.Run(ln.Transform(key="import").save()).save()
    kind = ln.ULabel(name="License", is_type=True).save()
    label = ln.ULabel(name="MIT", type=kind).save()
    artifact = curate(document("a.csv", license="MIT"), run=run)
    assert artifact.run == run
    assert artifact.ulabels.one() == label


@pytest.mark.parametrize(
    "spelling",
    [
        lambda d: {f"sc:{k}" if k[0] != "@" else k: v for k, v in d.items()},
        lambda d: {f"https://schema.org/{k}" if k[0] != "@" else k: v for k, v in d.items()},
        lambda d: {"@context": {}, "@graph": [{"@type": "Person", "name": "Ada"}, d]},
        lambda d: [d],
        lambda d: d | {"name": {"@value": "Study", "@language": "en"}},
        lambda d: d | {"name": {"de": "Studie", "en": "Study"}},
        lambda d: d | {"license": [{"@id": "MIT"}], "distribution": d["distribution"][0]},
        lambda d: d | {"license": {"@type": "CreativeWork", "url": "MIT", "name": "The license"}},
        json.dumps,
    ],
)
def test_spellings(spelling, tables):
    given = document({"@type": "cr:FileObject", "@id": "a.csv"}, license="MIT", version=2)
    artifact = curate(spelling(given))
    assert (artifact.key, artifact.description, artifact.version_tag) == ("a.csv", "Study", "2")
    assert artifact.ulabels.to_list("name") == ["MIT"]


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"@id": "table", "contentUrl": "a.csv"}, "a.csv"),
        ({"@id": "named.csv", "contentUrl": "a.csv"}, "named.csv"),
        ({"@id": "c.csv", "containedIn": {"@id": "parts"}}, "c.csv"),
        ({"@id": "./parts/../a.csv"}, "a.csv"),
    ],
)
def test_where_files_are_found(entry, key, tables):
    assert curate(document(entry)).key == key


def test_files_beside_the_document_go_first(tables):
    Path("parts/a.csv").write_text("x\n77\n")
    Path("parts/metadata.json").write_text(json.dumps(document("a.csv")))
    assert curate(Path("parts/metadata.json")).load()["x"].tolist() == [77]
    absolute = Path("parts/d.csv").absolute()
    assert curate(document({"@id": "d", "contentUrl": f"file://{absolute}"})).key == "d.csv"


def test_sets_archives_and_repositories(tables):
    Path("more").mkdir()
    Path("more/all.zip").write_bytes(b"PK")
    collection = curate(
        document(
            {"@type": "cr:FileObject", "@id": "repo", "encodingFormat": "git+https"},
            {"@type": "cr:FileSet", "@id": "tables", "includes": "parts/*.csv"},
            {"@type": "cr:FileSet", "@id": "but", "includes": "*.csv", "excludes": "b.*"},
            {"@type": "cr:FileObject", "@id": "all", "contentUrl": "more/all.zip"},
            {"@type": "cr:FileSet", "@id": "in", "containedIn": {"@id": "all"}, "includes": "*"},
        )
    )
    keys = [a.key for a in collection.artifacts.all()]
    assert keys == ["parts/c.csv", "parts/d.csv", "a.csv", "more/all.zip"]
    with pytest.raises(MissingFile, match="repo"):
        curate(document({"@id": "repo", "encodingFormat": "git+https"}))


def test_a_folder_whose_files_are_listed_is_no_artifact_of_its_own(tables):
    collection = curate(
        document(
            {"@type": "cr:FileObject", "@id": "parts"},
            {"@type": "cr:FileSet", "@id": "csv", "containedIn": "parts", "includes": "*.csv"},
        )
    )
    assert [a.key for a in collection.artifacts.all()] == ["c.csv", "d.csv"]


def test_files_in_the_storage_stay_there(lake):
    place = Path(ln.settings.storage.root_as_str) / "in" / "x.csv"
    place.parent.mkdir(parents=True)
    place.write_text("x\n1\n")
    artifact = curate(document({"@id": "x.csv", "contentUrl": str(place)}))
    assert (artifact.key, Path(artifact.path)) == ("in/x.csv", place)


def test_checksums(tables):
    digest = hashlib.sha256(Path("a.csv").read_bytes()).hexdigest()
    assert curate(document({"@id": "a.csv", "sha256": digest.upper()})).key == "a.csv"
    with pytest.raises(ValidationError, match=r"b\.csv.*not the one"):
        curate(document({"@id": "b.csv", "sha256": digest}))
    with pytest.raises(ValidationError, match="md5"):
        curate(document({"@id": "b.csv", "md5": "00"}))
    assert curate(document({"@id": "b.csv", "sha256": "https://example.org"})).key == "b.csv"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ("nope.json", MissingFile, "File not found"),
        ("{oops", UnreadableFile, "JSON"),
        (5, InvalidArgument, "dictionary"),
        ([], InvalidArgument, "dictionary"),
        ({"name": "x"}, InvalidArgument, "No file distributions found"),
        (document("a.csv", name=None), InvalidArgument, "must have a 'name' field"),
        (document(5), InvalidArgument, "is an object"),
        (document({"@type": "cr:FileObject"}), InvalidArgument, "No file path found"),
        ([document("a.csv"), document("b.csv")], InvalidArgument, "2 datasets"),
        (document({"@id": "x.csv", "contentUrl": "foo://x.csv"}), InvalidArgument, "foo"),
        (document({"@type": "FileSet", "@id": "s", "includes": "**x"}), InvalidArgument, "'s'"),
        (document({"@type": "FileSet", "@id": "s", "includes": "../*"}), MissingFile, "'s'"),
    ],
)
def test_wrong_documents(given, error, text, tables):
    with pytest.raises(error, match=text):
        curate(given)
    assert ln.Artifact.filter().count() == 0


def test_the_example_has_one_or_two_files():
    assert "version" not in json.loads(mini_immuno(strip_version=True)[0].read_text())
    with pytest.raises(InvalidArgument, match="one or two"):
        mini_immuno(n_files=3)


@pytest.mark.parametrize(
    "entry",
    [
        {"@id": "x", "contentUrl": "/etc/hostname"},
        {"@id": "x", "contentUrl": "file:///etc/hostname"},
        {"@id": "x", "contentUrl": "FILE:///etc/hostname"},
        {"@id": "x", "contentUrl": "local:///etc/hostname"},
        {"@id": "x", "contentUrl": "file://localhost/etc/host%6eame"},
        {"@id": "x", "contentUrl": "../secret.csv"},
        {"@id": "../secret.csv"},
        {"@id": "x", "contentUrl": "link.csv"},
        {"@id": "x", "contentUrl": "linked/secret.csv"},
        {"@id": "secret.csv", "containedIn": {"@id": "linked"}},
        {"@id": "secret.csv", "containedIn": {"@id": ".."}},
        {"@id": "s", "@type": "FileSet", "includes": "link*.csv"},
        {"@id": "s", "@type": "FileSet", "includes": "linked/*.csv"},
        {"@id": "s", "@type": "FileSet", "includes": "*", "containedIn": {"@id": "../"}},
        {"@id": "with_link"},
    ],
)
def test_names_stay_in_the_dataset(entry, tmp_path, tables):
    Path("../secret.csv").write_text("x\n1\n")
    Path("link.csv").symlink_to("../secret.csv")
    Path("linked").symlink_to("..")
    Path("with_link").mkdir()
    Path("with_link/inside").symlink_to("../../secret.csv")
    Path("parts/m.json").write_text(json.dumps(document(entry)))
    for given in (document(entry), Path("parts/m.json")):
        with pytest.raises(
            (InvalidArgument, UnreadableFile, MissingFile), match=r"outside|out of|No file path"
        ):
            curate(given)
    assert ln.Artifact.filter().count() == 0


@pytest.mark.parametrize(
    "url",
    [
        "reference::http://127.0.0.1:9/x",
        "simplecache::file:///etc/hostname",
        "filecache://x",
        "memory://x.csv",
        "sftp://host/x",
        "zip://x::file:///etc/hostname",
        "SIMPLECACHE::HTTPS://host/x",
        "file://other.host/etc/hostname",
        "hf://datasets/x",
        "https://host/a\nb",
    ],
)
def test_known_schemes_only(url, tables):
    with pytest.raises(InvalidArgument, match="No files are read from"):
        curate(document({"@id": "x", "contentUrl": url}))
