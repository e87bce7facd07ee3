"""Projects and references: their fields, and the errors that name them."""

from __future__ import annotations

import datetime

import pytest

import lakehouse as ln
from lakehouse.errors import FieldValidationError, InvalidArgument


def test_fields_of_projects(lake):
    project = ln.Project(
        name="Atlas",
        abbr="AT",
        url="https://example.org/atlas",
        start_date="2024-01-31",
        end_date=datetime.date(2025, 1, 1),
        description="all cells",
    ).save()
    found = ln.Project.get(name="Atlas")
    assert (found.start_date, found.end_date) == (
        datetime.date(2024, 1, 31),
        datetime.date(2025, 1, 1),
    )
    assert (found.abbr, found.url) == ("AT", "https://example.org/atlas")
    assert ln.Project.filter(start_date__year=2024).one() == project
    group = ln.Project(name="Consortia", is_type=True).save()
    child = ln.Project(name="Atlas 2", type=group).save()
    child.predecessors.add(project)
    child.parents.add(project)
    assert project.successors.all().one() == child
    assert project.children.all().one() == child
    label = ln.ULabel(name="raw").save()
    label.projects.add(project)
    assert project.ulabels.to_list("name") == ["raw"]
    project.users.add(ln.User.get(handle="ada"))
    assert ln.Project(name="Atlas") == project


def test_fields_of_references(lake):
    paper = ln.Reference(
        name="A paper",
        abbr="P",
        url="https://example.org/p.pdf",
        pubmed_id=123,
        doi="10.1000/182",
        text="Abstract",
        date="2020-05-17",
    ).save()
    found = ln.Reference.get(doi="10.1000/182")
    assert found == paper
    assert (found.pubmed_id, found.text) == (123, "Abstract")
    assert found.date == datetime.date(2020, 5, 17)


def test_all_wrong_fields_are_told_at_once(lake):
    with pytest.raises(FieldValidationError) as caught:
        ln.Reference(name="my ref", doi="abc.ef", url="myurl.com")
    assert caught.value.field == "doi, url"
    assert "'abc.ef'" in str(caught.value)
    assert "https://example.org" in str(caught.value)
    for field, value in (
        ("pubmed_id", "abc"),
        ("date", "no date"),
        ("abbr", "a" * 33),
        ("url", 3),
        ("doi", "10.1000/a b"),
    ):
        with pytest.raises(FieldValidationError, match=f"'{field}'"):
            ln.Reference(name="x", **{field: value})
    with pytest.raises(FieldValidationError, match="'name'"):
        ln.Reference()
    with pytest.raises(InvalidArgument, match="no field 'foo'"):
        ln.Project(name="x", foo=1)
    assert ln.Reference.filter().count() == 0


@pytest.mark.parametrize(
    "url",
    ["https://example.org", "http://localhost:80/x", "http://1.2.3.4", "https://exämple.de/a?b=c"],
)
def test_urls(lake, url):
    assert ln.Project(name="p", url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "example.org",
        "http://",
        "mailto:x@y.z",
        "http://a b.com",
        "x://y",
        "http://foo",
        " https://x.org",
    ],
)
def test_no_urls(lake, url):
    with pytest.raises(FieldValidationError, match="'url'"):
        ln.Project(name="p", url=url)


@pytest.mark.parametrize(
    "doi", ["10.1000/182", "doi:10.1000/182", "https://doi.org/10.1038/s41586-020-2649-2"]
)
def test_dois(lake, doi):
    assert ln.Reference(name="r", doi=doi).doi == doi


def test_fields_are_checked_when_assigned(lake):
    paper = ln.Reference(name="p", url="https://example.org").save()
    with pytest.raises(FieldValidationError, match="'url'"):
        paper.url = "bad"
    assert paper.url == "https://example.org"
