"""Datasets described by pydantic models, and models made of schemas."""

from __future__ import annotations

import datetime
import enum
import importlib.util
from typing import Annotated, Literal

import anndata as ad
import numpy as np
import pandas as pd
import pydantic
import pytest
from pydantic import Field

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, ValidationError

pytestmark = pytest.mark.usefixtures("lake")


class Sex(enum.Enum):
    F = "female"
    M = "male"


class Site(pydantic.BaseModel):
    name: str
    floor: Annotated[int, Field(ge=0)] = 0


class Immuno(ln.DatasetModel):
    """Samples of stimulated cells."""

    cell_type: bt.CellType
    temperature: Annotated[float, Field(ge=0, lt=100)]
    donor: str | None
    code: Annotated[str, Field(pattern=r"^D\d+$", max_length=4)]
    arm: Literal["a", "b"]
    sex: Sex
    day: Annotated[datetime.date, Field(gt=datetime.date(2024, 1, 1))] | None = None
    tags: list[Annotated[str, Field(min_length=2)]] | None = None
    site: Site | None = None
    note: str = "none"

    @pydantic.field_validator("donor")
    @classmethod
    def donor_is_known(cls, value):
        if value == "nobody":
            raise ValueError("nobody is no donor")
        return value


def rows(**changed):
    made = {
        "cell_type": ["B cell", "T cell"],
        "temperature": [21.6, 0.0],
        "donor": ["ada", None],
        "code": ["D1", "D22"],
        "arm": ["a", "b"],
        "sex": ["female", "male"],
    }
    return pd.DataFrame({**made, **changed})


@pytest.fixture(autouse=True)
def terms(lake):
    bt.CellType(name="B cell", synonyms="B-cell").save()
    bt.CellType(name="T cell").save()


def test_a_model_registers_features_and_a_schema():
    schema = Immuno.to_schema().save()
    assert (schema.name, schema.description) == ("Immuno", "Samples of stimulated cells.")
    dtypes = {f.name: f.dtype_as_str for f, _ in schema.feature_list()}
    assert dtypes["cell_type"] == "cat[bionty.CellType]"
    assert dtypes["temperature"] == "float"
    assert dtypes["tags"] == "list[str]"
    assert dtypes["site"] == "dict"
    assert [f.name for f in schema.optionals] == ["day", "tags", "site", "note"]
    assert Immuno.to_schema() == schema
    assert ln.Feature.filter(name="temperature").count() == 1


def test_valid_rows():
    artifact = ln.Artifact.from_dataframe(rows(), key="i.parquet", schema=Immuno).save()
    assert artifact.schema.name == "Immuno"
    assert set(artifact.cell_types.to_list("name")) == {"B cell", "T cell"}
    ln.curators.DataFrameCurator(rows(), Immuno).validate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cell_type": ["B-cell", "T cell"]}, "B-cell"),
        ({"cell_type": [None, "T cell"]}, "null"),
        ({"temperature": [-1.0, 2.0]}, "≥ 0"),
        ({"temperature": [1.0, 100.0]}, "< 100"),
        ({"temperature": [float("inf"), 1.0]}, "< 100"),
        ({"temperature": [float("nan"), 1.0]}, "null"),
        ({"donor": ["nobody", "ada"]}, "nobody is no donor"),
        ({"code": ["D1", "X1"]}, "'X1'"),
        ({"code": ["D1", "D22222"]}, "at most 4"),
        ({"code": pd.Categorical(["D1", "X1"])}, "'X1'"),
        ({"arm": ["a", "c"]}, "one of"),
        ({"sex": ["female", "unknown"]}, "one of"),
        ({"day": [datetime.date(2023, 1, 1), None]}, "2024-01-01"),
        ({"tags": [["x"], ["yes"]]}, "at least 2"),
        ({"site": [{"name": "a", "floor": -1}, {"name": "b"}]}, "floor"),
        ({"site": [{"floor": 1}, {"name": "b"}]}, "name"),
    ],
)
def test_every_condition_is_applied_to_columns(changed, said):
    curator = ln.curators.DataFrameCurator(rows(**changed), Immuno)
    with pytest.raises(ValidationError) as error:
        curator.validate()
    assert said in str(error.value)


def test_the_conditions_are_stored_with_the_schema():
    Immuno.to_schema().save()
    schema = ln.Schema.get(name="Immuno")
    with pytest.raises(ValidationError, match="≥ 0"):
        ln.curators.DataFrameCurator(rows(temperature=[-1.0, 1.0]), schema).validate()
    with pytest.raises(ValidationError, match="nobody"):
        ln.curators.DataFrameCurator(rows(donor=["nobody", "x"]), schema).validate()
    warm = ln.Schema(
        [ln.Feature.get(name="temperature")], constraints={"temperature": {"ge": 30}}
    ).save()
    assert warm != schema
    with pytest.raises(ValidationError, match="≥ 30"):
        ln.curators.DataFrameCurator(rows(), warm).validate()


def test_dictionaries_fulfil_the_same_conditions():
    class Study(ln.DatasetModel):
        temperature: Annotated[float, Field(ge=0)]
        site: Site

    schema = ln.Schema(slots={"attrs": Study.to_schema()}, otype="DataFrame").save()
    df = pd.DataFrame({"x": [1]})
    df.attrs = {"temperature": 1.0, "site": {"name": "a"}}
    ln.curators.DataFrameCurator(df, schema).validate()
    df.attrs = {"temperature": -1.0, "site": {"floor": 1}}
    with pytest.raises(ValidationError) as error:
        ln.curators.DataFrameCurator(df, schema).validate()
    assert "≥ 0" in str(error.value)
    assert "name" in str(error.value)


def test_unions_fields_and_record_types_of_terms():
    kinds = ln.Record(name="Perturbations", is_type=True).save()
    ln.Record(name="DMSO", type=kinds).save()
    bt.Tissue(name="lung", ontology_id="UBERON:1").save()
    bt.CellType(name="NK cell", ontology_id="CL:9").save()

    class Typed(ln.DatasetModel):
        perturbation: kinds
        origin: bt.Tissue.ontology_id | bt.CellType.ontology_id
        types: list[bt.CellType] | None

    dtypes = {d.name: str(d.dtype) for d in Typed.describe_fields()}
    assert dtypes["perturbation"] == "cat[Record[Perturbations]]"
    assert dtypes["types"] == "list[cat[bionty.CellType]]"
    assert dtypes["origin"] == "cat[bionty.Tissue.ontology_id|bionty.CellType.ontology_id]"


def test_extra_columns_are_refused_where_the_model_forbids_them():
    class Strict(ln.DatasetModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        n: int

    with pytest.raises(ValidationError, match="'m'"):
        ln.curators.DataFrameCurator(pd.DataFrame({"n": [1], "m": [2]}), Strict).validate()


def test_models_of_schemas():
    schema = Immuno.to_schema().save()
    model = schema.to_pydantic()
    made = model(**rows().iloc[0].to_dict())
    assert made.temperature == 21.6
    assert made.note == "none"
    for wrong in ({"temperature": -1.0}, {"cell_type": "B-cell"}, {"arm": "c"}, {"code": "X"}):
        with pytest.raises(pydantic.ValidationError):
            model(**{**rows().iloc[0].to_dict(), **wrong})


def test_instances_of_models():
    assert Immuno(**rows().iloc[0].to_dict()).cell_type == "B cell"
    with pytest.raises(pydantic.ValidationError):
        Immuno(**{**rows().iloc[0].to_dict(), "temperature": -1})


class Study(ln.DatasetModel):
    """Annotations may be texts, and name what is defined later."""

    tissue: bt.Tissue | None
    near: list[bt.CellType | None]
    place: Place


class Place(pydantic.BaseModel):
    name: str


def test_annotations_that_are_texts():
    dtypes = {d.name: str(d.dtype) for d in Study.describe_fields()}
    assert dtypes == {
        "tissue": "cat[bionty.Tissue]",
        "near": "list[cat[bionty.CellType]]",
        "place": "dict",
    }


def test_rows_are_judged_as_wholes():
    class Span(ln.DatasetModel):
        start: int
        end: int | None

        @pydantic.model_validator(mode="after")
        def ends_late(self):
            if self.end is not None and self.end < self.start:
                raise ValueError("ends before it starts")
            return self

    df = pd.DataFrame({"start": [1, 5, 2, 9], "end": [2, 4, None, 8]}).convert_dtypes()
    curator = ln.curators.DataFrameCurator(df, Span)
    (failure,) = curator.check(all_rows=True).failures
    assert (failure.column, failure.rule, failure.count, failure.rows) == ("*", "rows", 2, (1, 3))
    assert failure.found == "ends before it starts"
    assert "ends before it starts (2 rows: 1, 3)" in str(curator.report)
    assert curator.filter().bad["start"].to_list() == [5, 9]
    row = curator.schema.to_pydantic()
    assert row(start=1, end=None).end is None
    with pytest.raises(pydantic.ValidationError, match="ends before it starts"):
        row(start=2, end=1)
    df.attrs = {"start": 2, "end": 1}
    of_attrs = ln.Schema(slots={"attrs": Span.to_schema()}, otype="DataFrame").save()
    with pytest.raises(ValidationError, match="ends before it starts"):
        ln.curators.DataFrameCurator(df, of_attrs).validate()


def test_the_parts_of_a_composite_dataset():
    class Cells(ln.DatasetModel):
        cell_type: bt.CellType

    class Spatial(ln.DatasetModel):
        is_single: bool
        organism: bt.Organism
        images: Annotated[dict[str, Site], Field(default_factory=dict)]

    class Uns(ln.DatasetModel):
        spatial: Spatial

    class Sections(ln.DatasetModel, otype="AnnData"):
        obs: Cells
        genes: Annotated[bt.Gene.ensembl_gene_id, Field(alias="var.T")]
        uns: Uns

    human = bt.Organism(name="human").save()
    bt.Gene(symbol="CD8A", ensembl_gene_id="ENSG00000153563", organism=human).save()

    def section(cell_type, **spatial):
        made = {"is_single": True, "organism": "human", **spatial}
        return ad.AnnData(
            np.ones((1, 1), dtype="float32"),
            obs=pd.DataFrame({"cell_type": [cell_type]}, index=["a"]),
            var=pd.DataFrame(index=["ENSG00000153563"]),
            uns={"spatial": made},
        )

    artifact = ln.Artifact.from_anndata(section("B cell"), key="s.h5ad", schema=Sections).save()
    assert set(artifact.features.slots) == {"obs", "var.T", "uns"}
    for wrong, said in (
        (section("C cell"), "C cell"),
        (section("B cell", organism="humen"), "did you mean 'human'"),
        (section("B cell", images={"x": {"floor": 1}}), "images.x.name: Field required"),
    ):
        with pytest.raises(ValidationError, match=said):
            ln.curators.AnnDataCurator(wrong, Sections).validate()

    class Bad(ln.DatasetModel, otype="AnnData"):
        obs: int

    with pytest.raises(InvalidArgument, match="'obs' of Bad"):
        Bad.to_schema()


def test_options_of_the_class_and_of_its_config():
    class Wells(ln.DatasetModel, coerce=True, ordered_set=True):
        dose: Annotated[float, Field(description="of the drug")]

    schema = Wells.to_schema().save()
    assert (schema.coerce, schema.ordered_set) == (True, True)
    assert ln.Feature.get(name="dose").description == "of the drug"
    curator = ln.curators.DataFrameCurator(pd.DataFrame({"dose": ["1.5"]}), Wells)
    curator.validate()
    assert curator.dataset["dose"].to_list() == [1.5]

    class Welcoming(Wells):
        model_config = pydantic.ConfigDict(extra="allow")

    assert Welcoming.to_schema().flexible
    assert Welcoming.to_schema().ordered_set


def test_names_that_no_field_can_have_are_aliases():
    class Odd(ln.DatasetModel):
        of_class: Annotated[int, Field(alias="class")]
        of_schema: Annotated[int, Field(validation_alias="schema")]
        of_two: Annotated[int, Field(validation_alias=pydantic.AliasChoices("a b", "c"))]

    assert [d.name for d in Odd.describe_fields()] == ["class", "schema", "a b"]

    class Deep(ln.DatasetModel):
        x: Annotated[int, Field(validation_alias=pydantic.AliasPath("a", 0))]

    with pytest.raises(InvalidArgument, match="'x' has no column"):
        Deep.to_schema()


def test_a_model_without_fields_is_no_schema():
    class Nothing(ln.DatasetModel):
        pass

    with pytest.raises(InvalidArgument, match="Nothing has no fields"):
        Nothing.to_schema()


def test_floats_of_models_take_integers_as_pydantic_does(lake):
    class Warm(ln.DatasetModel):
        temperature: Annotated[float, Field(ge=0)]

    df = pd.DataFrame({"temperature": [21, 22]})
    assert ln.curators.DataFrameCurator(df, Warm).check().ok
    cold = ln.curators.DataFrameCurator(df - 30, Warm).check()
    assert [failure.rule for failure in cold.failures] == ["constraint", "constraint"]


def test_pandera_gives_the_same_verdict():
    import pandera.pandas as pandera

    class Strict(Immuno):
        model_config = pydantic.ConfigDict(extra="forbid")

        @pydantic.model_validator(mode="after")
        def cold_donors(self):
            if self.temperature < 10 and self.donor:
                raise ValueError("no donor is as cold")
            return self

    made = Strict.to_schema().save().to_pandera()
    assert made.name == "Strict"
    made.validate(rows())
    bad = rows(cell_type=["B-cell", "T cell"], code=["X", "D1"], donor=["ada", "bob"])
    with pytest.raises(pandera.errors.SchemaErrors) as error:
        made.validate(bad.assign(other=1), lazy=True)
    cases = error.value.failure_cases
    assert {"cat[bionty.CellType]", "str", "Strict", "column_in_schema"} == set(cases["check"])
    assert cases.set_index("check").loc["str", "failure_case"] == "X"
    assert set(cases[cases["check"] == "Strict"]["index"]) == {1}


def test_bounds_beyond_what_columns_hold():
    class Huge(ln.DatasetModel):
        n: Annotated[int, Field(ge=-(2**70), le=2**70)]
        m: Annotated[int, Field(gt=2**70)]

    report = ln.curators.DataFrameCurator(pd.DataFrame({"n": [1], "m": [2]}), Huge).check()
    assert [(f.column, f.value) for f in report.failures] == [("m", 2)]


def test_patterns_that_cant_be_applied():
    feature = ln.Feature(name="s", dtype=str).save()
    schema = ln.Schema([feature], constraints={"s": {"pattern": "(?=a)"}}).save()
    with pytest.raises(InvalidArgument, match="'s' can't be applied"):
        ln.curators.DataFrameCurator(pd.DataFrame({"s": ["a"]}), schema).check()


class Rare(ln.DatasetModel):
    pair: tuple[int, str]
    step: Annotated[float, Field(multiple_of=0.1)]
    notes: list[str | None]


def test_rare_annotations_mean_the_same_in_columns_and_rows():
    schema = Rare.to_schema().save()
    row = schema.to_pydantic()
    fine = {"pair": [1, "a"], "step": 0.3, "notes": ["a", None]}
    wrong = {"pair": [1, "a"], "step": 0.35, "notes": [None]}
    frame = pd.DataFrame([fine, wrong])
    found = ln.curators.DataFrameCurator(frame, schema).check()
    assert [(f.column, f.rows) for f in found.failures] == [("step", (1,))]
    row.model_validate(fine)
    with pytest.raises(pydantic.ValidationError, match="1 validation error"):
        row.model_validate(wrong)


def test_rows_of_schemas_with_names_like_those_of_fields():
    numbers = [ln.Feature(name=n, dtype=int).save() for n in ("field_1", "my col", "copy")]
    measured = ln.Feature(name="n", dtype=float, nullable=False).save()
    row = ln.Schema([*numbers, measured], name="names").save().to_pydantic()
    given = {"field_1": 1, "my col": 2, "copy": 3, "n": 1.5}
    assert row.model_validate(given).model_dump(by_alias=True) == given
    for wrong in ({"field_1": "x"}, {"my col": "x"}, {"n": float("nan")}):
        with pytest.raises(pydantic.ValidationError):
            row.model_validate({**given, **wrong})


def test_a_type_that_pydantic_has_no_way_with_is_told_by_field():
    with pytest.raises(InvalidArgument, match="The field 'matrix' of Wrong has a type") as error:

        class Wrong(ln.DatasetModel):
            count: int
            matrix: np.ndarray

    assert "numpy.ndarray" in str(error.value)


def test_addresses_of_mail_name_their_field_or_work():
    """`email-validator` is a package that pydantic asks for when such a field is made."""
    annotations = {"mail": pydantic.EmailStr}
    namespace = {"__annotations__": annotations, "__module__": __name__}
    if importlib.util.find_spec("email_validator") is None:
        with pytest.raises(InvalidArgument, match=r"'mail' of Mail.*\n.*email-validator"):
            type(ln.DatasetModel)("Mail", (ln.DatasetModel,), namespace)
        return
    mail = type(ln.DatasetModel)("Mail", (ln.DatasetModel,), namespace)
    report = ln.curators.DataFrameCurator(pd.DataFrame({"mail": ["a@b.org", "a"]}), mail).check()
    assert report.failures[0].value == "a"
