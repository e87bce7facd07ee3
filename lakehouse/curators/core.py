"""What all curators share."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lakehouse.curation import Report
from lakehouse.curation.failure import every_row
from lakehouse.curation.filter import Filtered, split
from lakehouse.curation.slots import EXTERNAL, Part, otype_of
from lakehouse.curation.slots.copies import changed_copy, changes_of, contents_of
from lakehouse.curators.cat import DataFrameCatManager
from lakehouse.curators.model.model import DatasetModel
from lakehouse.curators.part import ComponentCurator, status
from lakehouse.engine.query.view import operations
from lakehouse.errors import ContentChanged, InvalidArgument, MissingFile, UnknownColumn, near
from lakehouse.extension import added, added_names
from lakehouse.formats import format_for, format_in
from lakehouse.formats.annotated.rewrite import Changes
from lakehouse.formats.base import COLUMNS, is_path
from lakehouse.orm import current_lake
from lakehouse.orm.model.checks import is_saved
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.session.matching import quiet_matching
from lakehouse.registries import Artifact, Schema
from lakehouse.registries.artifact.validate import (
    dataset_failures,
    has_rules,
    joined_report,
    named,
    parts_of,
    told,
)
from lakehouse.storage import Noted, is_remote
from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from lakehouse.orm import Lake


@operations
class Curator:
    """Validates a dataset against a schema, helps to mend it, and saves it as an artifact.

    Args:
        dataset: An object in memory, the path of a file, or an artifact.
        schema: What it must look like: a saved schema, or a `DatasetModel`.
        features: Values of features that the dataset doesn't hold itself.
        require_saved_schema: Whether an unsaved schema is refused.

    Raises:
        InvalidArgument: The dataset or the schema is of another type, or the schema is unsaved.

    Attributes:
        schema: The schema.
        report: What the last validation found; None before.
    """

    otype: ClassVar[str] = ""
    _called: ClassVar[str] = ""  # what users call such a dataset, where that isn't the otype

    def __init__(
        self,
        dataset: Any,
        schema: Schema | type[DatasetModel],
        *,
        features: Mapping[Any, Any] | None = None,
        require_saved_schema: bool = True,
    ) -> None:
        if isinstance(schema, type) and issubclass(schema, DatasetModel):
            with quiet_matching():  # each curator of a model finds its schema again
                schema = schema.to_schema().save()
        if not isinstance(schema, Schema):
            raise InvalidArgument(
                "The schema argument must be a Schema record.",
                found=repr(schema),
                hint=f"ln.Schema.get(name={schema!r})" if isinstance(schema, str) else None,
            )
        if require_saved_schema and not is_saved(schema._lake, schema):
            raise InvalidArgument(
                "Schema must be saved before curation. Please save it using '.save()'.",
                hint="schema.save()",
            )
        self.schema = schema
        self.report: Report | None = None
        self._lake: Lake = current_lake()
        self._artifact = dataset if isinstance(dataset, Artifact) else None
        if features is None and self._artifact is not None and EXTERNAL in schema.slots:
            features = self._artifact.features.get_values(external_only=True)
        self._features = named(features)
        self._saved = self._artifact
        self._data = dataset if self._artifact is None else self._artifact.cache()
        self._noted = noted_of(self._data)
        if self._artifact is None and not is_path(dataset):
            self._check_type(dataset)
        self._parts = self._open()
        self._before = contents_of(self._plain_parts()) if is_path(self._data) else {}

    def _check_type(self, dataset: Any) -> None:
        found = otype_of(dataset)
        if found != self.otype:
            raise InvalidArgument(
                f"The dataset must be {self._called or self.otype}-like for {type(self).__name__}.",
                found=f"{type(dataset).__module__}.{type(dataset).__name__}",
                hint=f"ln.curators.{found}Curator(…)" if found else None,
            )

    def _open(self) -> dict[str, ComponentCurator]:
        parts = parts_of(self._source(), self.otype, self.schema)
        several = len(parts) > 1 or COLUMNS not in parts
        made = {}
        for slot, (part, schema) in parts.items():
            where = f"curator.slots[{slot!r}]" if several and slot != COLUMNS else "curator"
            made[slot] = ComponentCurator(self._lake, part, schema, where.replace("'", '"'))
        external = self.schema.slots.get(EXTERNAL)
        if external is not None or self._features:
            part = Part(EXTERNAL, "values", self._features)
            made[EXTERNAL] = ComponentCurator(
                self._lake, part, external, f'curator.slots["{EXTERNAL}"]'
            )
        return made

    def _source(self) -> Any:
        return self._data

    def _plain_parts(self) -> dict[str, Part]:
        return {slot: curator.part for slot, curator in self._parts.items()}

    def _changes(self) -> Changes:
        """What curation changed in the dataset's file; nothing where it is an object."""
        return changes_of(self._plain_parts(), self._before, self.otype)

    def _refresh(self) -> None:
        """Find the parts of an object in memory again, which its user may have replaced."""
        if is_path(self._data) or all(slot in (COLUMNS, EXTERNAL) for slot in self._parts):
            return
        for slot, (part, _) in parts_of(self._source(), self.otype, self.schema).items():
            if slot != COLUMNS:
                self._parts[slot].part = part

    @property
    def dataset(self) -> Any:
        """The dataset, as curation left it."""
        return self._data

    @property
    def slots(self) -> dict[str, ComponentCurator]:
        """The curators of the parts, by slot."""
        return _Slots({slot: part for slot, part in self._parts.items() if slot != COLUMNS})

    @property
    def is_validated(self) -> bool:
        """Whether the last validation found nothing wrong."""
        return self.report is not None and self.report.ok

    def check(self, *, all_rows: bool = False, saves: bool = True) -> Report:
        """Validate everything, without raising; gives the report.

        Args:
            all_rows: Whether every failure keeps all of its rows instead of the first five.
            saves: Whether terms that only public sources have become records, as they must
                before they can be labels. They are valid in any case.
        """
        self._refresh()
        with every_row() if all_rows else nullcontext():
            reports = {slot: part.check(saves=saves) for slot, part in self._parts.items()}
        self.report = joined_report(reports) if reports else Report()
        changes = self._changes() if has_rules(self.schema) else {}
        with (
            every_row() if all_rows else nullcontext(),
            changed_copy(self._source(), changes) as source,
        ):
            self.report.add(dataset_failures(self._lake, self.schema, source))
        return self.report

    def validate(self) -> None:
        """Validate the dataset against the schema, or raise all that is wrong at once.

        Raises:
            ValidationError: Something is wrong; the error carries the report.
        """
        self.check().raise_for_failures()

    def filter(self, slot: str | None = None) -> Filtered:
        """Split the rows into valid and invalid ones.

        Args:
            slot: Of which part the rows count: by default the table's columns, or `obs`, whose
                rows are those of the whole AnnData or MuData; `rna:obs` gives the modality.

        Example:
            >>> good, bad = curator.filter().good, curator.filter().bad
        """
        self.check(all_rows=True)
        chosen = slot or next(s for s in (COLUMNS, "obs", *self._parts) if s in self._parts)
        part = self._parts[chosen]
        assert part.report is not None
        return split(self._holder(chosen, part.part.data), part.report)

    def _holder(self, slot: str, data: Any) -> Any:
        """What has the rows of a slot: the AnnData or MuData of its `obs`, or its table."""
        if is_path(self.dataset) or slot.rpartition(":")[2] != "obs":
            return data
        inner = slot.split(":")[:-1]
        if not inner:
            return self.dataset
        parts = getattr(self.dataset, "mod" if len(inner) == 1 else inner[0], {})
        found = parts.get(inner[-1]) if hasattr(parts, "get") else None
        return data if found is None else found

    def standardize(self) -> None:
        """Replace synonyms in all parts, and add optional and default columns that are missing."""
        for slot, part in self._parts.items():
            if slot != EXTERNAL:
                part.standardize()

    def save_artifact(
        self,
        *,
        key: str | None = None,
        description: str | None = None,
        revises: Artifact | None = None,
        run: Any = None,
        report: bool = False,
    ) -> Artifact:
        """Validate the dataset and save it, annotated with what it holds.

        Args:
            key: The artifact's key.
            description: What it is.
            revises: The artifact of which this is a new version.
            run: The run that made it.
            report: Save the report of the validation beside it, as `<key>.report.html`, which
                `artifact.artifacts.get(kind="report")` finds.

        Raises:
            ValidationError: Something is wrong; nothing is saved.
        """
        # nobody finds the one without the other, and of what isn't valid nothing is saved
        with batch_on(self._lake), ExitStack() as stack:
            self.validate()
            stack.enter_context(told())
            changes = self._changes()
            self._refuse_changed()
            if self._artifact is not None and is_path(self.dataset) and not changes:
                saved = self._annotate(self._artifact)
            else:
                if key is None:  # what curation changed in an artifact is its next version
                    revises = revises or self._artifact
                with changed_copy(self.dataset, changes) as dataset:
                    made = self._make(
                        dataset,
                        key=key,
                        description=description,
                        revises=revises,
                        run=run,
                        schema=self.schema,
                        features=self._features or None,
                    )
                    if changes and made._payload is not None:
                        made._payload.own()
                    self._refuse_changed()
                    saved = made.save()
            if report:
                self._save_report(saved, run)
        self._saved = saved
        return saved

    def _refuse_changed(self) -> None:
        """Refuse a file that isn't any more what the curator has read.

        Raises:
            ContentChanged: It was changed.
        """
        if self._noted is not None and not self._noted.is_same():
            raise ContentChanged(
                f"{self._noted.path!r} was changed after this curator had read it.",
                hint="make a new curator of it, and validate again",
            )

    def _annotate(self, artifact: Artifact) -> Artifact:
        """Annotate an artifact whose stored content is what was validated."""
        from lakehouse.registries.artifact.payload import from_path

        object.__setattr__(artifact, "_payload", from_path(self._data, None))
        artifact._validate_known(self.schema, self._features or None)
        artifact.save()
        object.__setattr__(artifact, "_payload", None)
        return artifact

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact(dataset, kind="dataset", **options)

    def _save_report(self, artifact: Artifact, run: Any) -> None:
        import tempfile
        from pathlib import Path

        assert self.report is not None
        with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
            path = Path(folder) / "report.html"
            path.write_text(self.report.to_html(), encoding="utf-8")
            stem = artifact.key or artifact.uid
            saved = Artifact(
                path,
                key=f"{stem}.report.html",
                kind="report",
                description=f"validation of {artifact.uid} with {self.schema.name or self.schema.uid}",
                run=run,
                skip_hash_lookup=True,
            ).save()
        artifact.artifacts.add(saved)

    def __repr__(self) -> str:
        name = self.schema.name or f"uid={self.schema.uid}"
        otype = f" ({self.schema.otype})" if self.schema.otype else ""
        slots = [slot for slot in self._parts if slot != COLUMNS]
        shown = f", slots: {slots}" if slots else ""
        saved = f", artifact: {self._saved.uid}" if self._saved is not None else ""
        told = f"Schema: {name}{otype}{shown}, {status(self.report)}"
        return printable_line(f"{type(self).__name__}{saved}({told})")


class _Slots(dict[str, ComponentCurator]):
    """Curators by slot, which say what there is if asked for another one."""

    def __missing__(self, slot: str) -> ComponentCurator:
        close = near(slot, list(self))
        raise UnknownColumn(
            f"The schema has no slot {slot!r}.", expected=", ".join(close or self) or None
        )


def noted_of(dataset: Any) -> Noted | None:
    """What a dataset looks like, if it is a local path."""
    if not is_path(dataset) or is_remote(os.fspath(dataset)) or not os.path.exists(dataset):
        return None
    return Noted.of(os.fspath(dataset))


SlotsCurator = Curator  # every curator is one over slots; the peer has a base class more

_PEER = {  # what the peer's module of this name holds, too → where it is
    "CatLookup": "cat",
    "CatVector": "values",
    "DataFrameCatManager": "cat",
    "DictCurator": "values",
    "ExperimentalDictCurator": "values",
    "annotate_artifact": "annotate",
}


def __getattr__(name: str) -> Any:
    if name not in _PEER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"lakehouse.curators.{_PEER[name]}"), name)


# -- One curator per structure


@operations
class DataFrameCurator(Curator):
    """Curates a table: a pandas or polars frame, an Arrow table, or a file of one.

    A pandas frame is changed in place; of other tables `dataset` gives the changed one.

    Example:
        >>> curator = DataFrameCurator(df, schema)
        >>> curator.validate()
        >>> curator.save_artifact(key="cells.parquet")
    """

    otype = "DataFrame"

    def _source(self) -> Any:
        if not is_path(self._data):
            return self._data
        folder = Path(self._data).is_dir()
        if not folder and str(self._data).lower().endswith(".parquet"):
            return self._data
        adapter = format_in(self._data) if folder else format_for(str(self._data))
        if adapter is None or adapter.otype != "DataFrame":
            raise InvalidArgument(
                f"{str(self._data)!r} holds no table.", expected="a .parquet, .csv, .arrow … path"
            )
        return adapter.table(self._data, COLUMNS)

    @property
    def _table(self) -> ComponentCurator:
        if COLUMNS not in self._parts:
            self._parts[COLUMNS] = ComponentCurator(
                self._lake, Part(COLUMNS, "table", self._data), self.schema
            )
        return self._parts[COLUMNS]

    @property
    def cat(self) -> DataFrameCatManager:
        """Categorical columns: standardize, add and look up values that are no terms."""
        return self._table.cat

    def rename(self, columns: Mapping[str, str]) -> None:
        """Rename columns: `curator.rename({"celltype": "cell_type"})`."""
        self._table.rename(columns)

    def drop(self, *columns: str) -> None:
        """Drop columns: `curator.drop("note")`."""
        self._table.drop(*columns)

    def reorder(self) -> None:
        """Put the columns of the schema first, in its order."""
        self._table.reorder()

    def convert(self, column: str) -> None:
        """Convert the values of one column to its feature's dtype.

        Raises:
            ValidationError: Values can't be converted; nothing is changed.
        """
        self._table.convert(column)

    @property
    def dataset(self) -> Any:
        """The table, as curation left it."""
        part = self._parts.get(COLUMNS)
        if part is None or (is_path(self._data) and part.part.data is self._opened):
            return self._data
        return part.part.data

    def _open(self) -> dict[str, ComponentCurator]:
        made = super()._open()
        part = made.get(COLUMNS)
        self._opened = None if part is None else part.part.data
        return made

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_dataframe(dataset, **options)


@operations
class AnnDataCurator(Curator):
    """Curates an AnnData in memory, backed, or in a file; matrices are never read.

    An AnnData in memory is changed in place.

    Example:
        >>> curator = AnnDataCurator(adata, schema)
        >>> curator.slots["obs"].cat.standardize("cell_type")
    """

    otype = "AnnData"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_anndata(dataset, **options)


@operations
class MuDataCurator(Curator):
    """Curates a MuData: its own `obs` and `uns`, and those of its modalities (`rna:obs`)."""

    otype = "MuData"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_mudata(dataset, **options)


@operations
class SpatialDataCurator(Curator):
    """Curates a SpatialData: `attrs`, and its tables (`tables:table:obs`)."""

    otype = "SpatialData"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_spatialdata(dataset, **options)


@operations
class TiledbsomaExperimentCurator(Curator):
    """Curates a SOMA experiment: `obs`, and its measurements (`ms:RNA.T`)."""

    otype = "tiledbsoma"
    _called = "SOMAExperiment"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_tiledbsoma(dataset, **options)


_BY_OTYPE: dict[str, type[Curator]] = {
    curator.otype: curator
    for curator in (
        DataFrameCurator,
        AnnDataCurator,
        MuDataCurator,
        SpatialDataCurator,
        TiledbsomaExperimentCurator,
    )
}


def curator_of(dataset: Any, schema: Any, **options: Any) -> Curator:
    """The curator for a dataset of any structure, in memory, in a file, or an artifact.

    Args:
        dataset: The dataset.
        schema: What it must look like.
        **options: For the curator, e.g. `features=`.

    Raises:
        InvalidArgument: It has no structure that could be validated.

    Example:
        >>> curator_of("cells.h5ad", schema).check().ok
        True
    """
    otype = otype_of(dataset)
    if isinstance(dataset, Artifact):
        otype = dataset._values.get("otype")
    elif is_path(dataset):
        path = Path(dataset)
        if not path.exists():
            raise MissingFile(f"There is no file or folder {str(path)!r}.")
        adapter = format_for(str(path)) or (format_in(path) if path.is_dir() else None)
        otype = None if adapter is None else adapter.otype
        if adapter is not None and adapter.otype == "AnnData":
            otype = adapter.describe(path).otype  # a .zarr store may hold several structures
    found = _BY_OTYPE.get(otype or "") or (otype and added("curators", otype, _BY_OTYPE))
    if not found:
        raise InvalidArgument(
            "This has no columns to validate.",
            found=otype or (str(dataset) if is_path(dataset) else repr(dataset)),
            expected=", ".join((*_BY_OTYPE, *added_names("curators", _BY_OTYPE))),
        )
    curator: Curator = found(dataset, schema, **options)
    return curator
