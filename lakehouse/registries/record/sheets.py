"""Importing the rows of a data frame as records of one type, in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import is_a
from lakehouse.config import notify
from lakehouse.curation import ColumnRule, DatasetSpec, Report, as_arrow, validate
from lakehouse.errors import InvalidArgument, TypeMismatch, ValidationError
from lakehouse.features.codec import is_null
from lakehouse.features.reference import Known, resolve
from lakehouse.features.sheets import index_of, members_of
from lakehouse.features.write import link_rows, stamps_of, texts_of, value_table
from lakehouse.identity import new_uids
from lakehouse.orm.lake.current import current_lake
from lakehouse.orm.model.rows import as_table
from lakehouse.orm.record.record_list import RecordList
from lakehouse.orm.session.batch import batch_on
from lakehouse.registries.record.export import NAME
from lakehouse.relations.tables import EXTERNAL
from lakehouse.schemas.spec import registry_tables, resolver_of, spec_of

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm import Batch
    from lakehouse.registries.record.record import Record


# -- Data frames on their way to records: as Arrow tables, with names and dictionaries


_OWN = ("__lakehouse_record_", "__lamindb_record_")
_SOME = pa.struct([("some", pa.null())])


def table_and_dictionaries(df: Any) -> tuple[pa.Table, dict[str, list[Any]]]:
    """A data frame as an Arrow table, a named index as a column; and its dictionaries.

    Arrow would give every dictionary of a column all keys of the others, so that the table says
    only where there are any.
    """
    if is_a(df, "pandas.DataFrame") and df.index.name is not None:
        if df.index.name not in df.columns:
            df = df.reset_index()
    elif is_a(df, "pandas.DataFrame"):
        df = df.reset_index(drop=True)
    found = _dictionaries_of(df) if is_a(df, "pandas.DataFrame") else {}
    table = as_arrow(df.assign(**dict.fromkeys(found)) if found else df)
    for name, values in found.items():
        there = pa.array([{} if isinstance(v, dict) else None for v in values], _SOME)
        table = table.set_column(table.column_names.index(name), name, there)
    return table.replace_schema_metadata(None), found


def _dictionaries_of(df: Any) -> dict[str, list[Any]]:
    """The columns of a pandas frame that hold nothing but dictionaries."""
    if not df.columns.is_unique:
        return {}
    columns = {n: df[n].tolist() for n in df.columns if isinstance(n, str) and df[n].dtype == "O"}
    found = {}
    for name, values in columns.items():
        present = [v for v in values if isinstance(v, dict) or not is_null(v)]
        if present and all(isinstance(v, dict) for v in present):
            found[name] = values
    return found


def uids_of(table: pa.Table) -> list[str | None]:
    """The records' uids, where the table is an exported sheet."""
    for name in table.column_names:
        if name.startswith(_OWN) and name.endswith("_uid__"):
            found: list[str | None] = pc.cast(table[name], pa.string()).to_pylist()
            given = [uid for uid in found if uid is not None]
            if len(set(given)) == len(given):
                return found
    return [None] * table.num_rows


def without_own(table: pa.Table, name_field: str) -> pa.Table:
    """A table without the columns that exports add, except for the names."""
    names = []
    for name in table.column_names:
        own = name.startswith(_OWN)
        names.append(NAME if own and name.endswith("_name__") and name != name_field else name)
    table = table.rename_columns(names)
    kept = [n for n in names if n in (NAME, name_field) or not n.startswith(_OWN)]
    return table.select(kept)


def sample_of(column: pa.ChunkedArray) -> Any:
    """One value, from which a missing feature's dtype can be guessed."""
    found = pc.drop_null(column.slice(0, 1_000))
    return found[0].as_py() if len(found) else None


def names_of(table: pa.Table, column: str) -> list[str | None]:
    """The names of the records, from a column that may be missing."""
    if column not in table.column_names:
        return [None] * table.num_rows
    try:
        found: list[str | None] = table[column].cast(pa.string()).to_pylist()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise TypeMismatch(
            f"The column {column!r} can't name records.",
            found=str(table[column].type),
            expected="texts, or what can be written as texts",
        ) from None
    return found


_IMPORTS = "Imports"


class RecordBatch:
    """Rows of a data frame that are to become records of one type, in one commit.

    Args:
        df: A pandas or polars DataFrame, or an Arrow table.
        type: The record type, or the name of a new one.
        name_field: The column with the records' names; `name` if there is none such.

    Example:
        >>> Record.from_dataframe(df, type=samples).save().to_list("name")
        ['S-1', 'S-2']
    """

    def __init__(self, registry: type[Record], df: Any, type: Any, name_field: str) -> None:
        self._registry = registry
        self._lake = current_lake()
        table, self._dictionaries = table_and_dictionaries(df)
        self._uids = uids_of(table)
        self._table = without_own(table, name_field)
        self._names = name_field if name_field in self._table.column_names else "name"
        self._made: list[Any] = []
        self._type = self._type_named(type) if isinstance(type, str) else _checked(type)
        self._records: RecordList[Record] | None = None

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        saved = "saved" if self._records is not None else "not saved, call .save()"
        return f"RecordBatch({len(self)} records of type {self._type.name!r}, {saved})"

    @property
    def type(self) -> Record:
        """The type of the records."""
        return self._type

    def _type_named(self, name: str) -> Record:
        """A new type under `Imports`, with a schema of the columns that are features."""
        registry, lake = self._registry, self._lake
        imports = registry(name=_IMPORTS, is_type=True, type=None)
        if imports._saved:
            known = registry.filter(name=name, type=imports).one_or_none()
            if known is not None:
                raise InvalidArgument(
                    f"type {name!r} already exists under {_IMPORTS!r}, please pass it as a Record "
                    "object to reuse.",
                    found=repr(known),
                    hint=f"ln.Record.get({known.uid!r})",
                )
        feature, schema = lake.directory.get("Feature"), lake.directory.get("Schema")
        columns = [c for c in self._table.column_names if c not in (self._names, "name", NAME)]
        features = [f for f in feature.filter(name__in=columns) if not f.is_type]
        by_name = {f.name: f for f in reversed(features)}
        members = [by_name[c] for c in columns if c in by_name]
        if not members:
            raise InvalidArgument(
                "Could not infer a schema from dataframe columns.",
                found=", ".join(columns),
                expected="columns that are features",
                hint="make features: ln.Feature.from_dataframe(df).save(), or pass a record type",
            )
        made = schema(members, name=name)
        self._made = [imports, made]
        return registry(name=name, is_type=True, type=imports, schema=made)

    def save(self) -> RecordList[Record]:
        """Validate all rows and save them in one commit.

        A row whose name a record of the type has already replaces the values of that record;
        so does a row of an exported sheet, by the record's uid, where the record has no name.

        Returns:
            The records, in the order of the rows.

        Raises:
            ValidationError: With all that is wrong in all columns; nothing is saved.
        """
        if self._records is None:
            with batch_on(self._lake) as batch:
                for made in (*self._made, self._type):
                    batch.add(made)
                self._records = self._stage(batch)
                batch.on_rollback(lambda: setattr(self, "_records", None))
        return self._records

    # -- one commit --------------------------------------------------------------------

    def _stage(self, batch: Batch) -> RecordList[Record]:
        columns, names = self._columns()
        report = self._validated(columns)
        data = report.table if report.changed else self._table
        rows, existing = self._rows(batch, names)
        uids = [row["uid"] for row in rows]
        links, values = self._annotation(batch, columns, report, data, uids)

        def stage(changes: Changes) -> None:
            for row in rows:
                row["type_uid"] = self._type.uid
            fresh = [r for r in rows if r["uid"] not in existing]
            if fresh:
                changes.insert("record", as_table(self._registry.meta.spec, fresh))
            _replace(self._lake, changes, existing, "record_link", links)
            _replace(self._lake, changes, existing, "feature_value", values)

        batch.stage(stage)
        records = RecordList(self._registry._from_row(self._lake, row) for row in rows)
        for record in records:
            if record.uid not in existing:
                object.__setattr__(record, "_saved", False)
        for record in records:
            batch.on_commit(record._mark_saved)
        return records

    def _columns(self) -> tuple[dict[str, Known], list[str | None]]:
        """The features of the columns, and the records' names."""
        lake, table = self._lake, self._table
        schema_uid = self._type._values.get("schema_uid")
        members = members_of(lake, schema_uid)
        known = table.column_names
        if members is None:
            others = [c for c in known if c != self._names]
            samples = {c: sample_of(table[c]) for c in others}
            return resolve(lake, others, samples), names_of(table, self._names)
        columns = {m.name: m for m, _ in members if m.name in known}
        ignored = [c for c in known if c not in columns and c not in (self._names, "name")]
        if ignored and self._type.schema is not None and self._type.schema.maximal_set:
            raise ValidationError(
                f"Columns are not in the schema of {self._type._values.get('name')!r}.",
                found=", ".join(map(repr, ignored)),
                expected=", ".join(m.name for m, _ in members),
                hint="leave them out, or give a schema without maximal_set=True to the type",
            )
        if ignored:
            notify(f"columns that aren't in the schema are ignored: {ignored}", "warning")
        index = index_of(lake, schema_uid)
        name_column = index if index in columns else self._names
        return columns, names_of(table, name_column or self._names)

    def _validated(self, columns: Mapping[str, Known]) -> Report:
        lake = self._lake
        members = members_of(lake, self._type._values.get("schema_uid"))
        listed = members or [(known, True) for known in columns.values()]
        schema = self._type.schema if members else None
        whole = DatasetSpec() if schema is None else spec_of(schema, lake.state)
        checks = {rule.name: rule.checks for rule in whole.columns}
        rules = tuple(
            ColumnRule(
                known.name, str(known.dtype), required=not optional, nullable=known.nullable,
                coerce=known.coerce, checks=checks.get(known.name, {}),
            )
            for known, optional in listed
        )  # fmt: skip
        table = self._table.select([c for c in self._table.column_names if c in columns])
        spec = DatasetSpec(columns=rules, coerce=whole.coerce, rows=whole.rows, cases=whole.cases)
        report = validate(table, spec, resolver_of(lake, saves=True))
        if report.failures:
            name = self._type._values.get("name")
            text = f"Rows can't become records of type {name!r}:\n{report}"
            raise ValidationError(text, report=report)
        return report

    def _rows(self, batch: Batch, names: list[str | None]) -> tuple[list[dict[str, Any]], set[str]]:
        """The rows of the records, and the uids of those that exist."""
        lake, meta = self._lake, self._registry.meta
        given = [n for n in names if n is not None]
        if len(set(given)) < len(given):
            twice = sorted({n for n in given if given.count(n) > 1}) if len(given) < 10_000 else []
            raise ValidationError(
                "Several rows have the same record name.",
                found=", ".join(map(repr, twice[:10]))
                or f"{len(given) - len(set(given))} repeated",
                hint="leave names out, or make them unique",
            )
        known = self._existing(given)
        stamps = {**lake.stamps, "created_at": batch.now, "updated_at": batch.now}
        base = {**meta.defaults, **{n: v for n, v in stamps.items() if n in meta.fields}}
        exported = self._exported()
        uids = new_uids(len(names))
        rows: list[dict[str, Any]] = []
        for uid, name, former in zip(uids, names, self._uids, strict=True):
            # of records without a name an export's uid tells which one a row is
            row = exported.get(former) if name is None else known.get(name)
            rows.append({**base, "uid": uid, "name": name} if row is None else row)
        there = {row["uid"] for row in (*known.values(), *exported.values())}
        return rows, {row["uid"] for row in rows if row["uid"] in there}

    def _exported(self) -> dict[str | None, dict[str, Any]]:
        """The visible records of the type whose uids stand in an exported sheet."""
        given = [uid for uid in self._uids if uid is not None] if self._type._saved else []
        rows = self._lake.state.rows("record", list(dict.fromkeys(given)))
        mine = [r for r in rows if r["type_uid"] == self._type.uid]
        seen = self._lake.visible_branches
        return {r["uid"]: r for r in mine if r["branch_uid"] in seen and r["name"] is None}

    def _existing(self, names: list[str]) -> dict[Any, dict[str, Any]]:
        """The rows of visible records of the type that have one of the names."""
        if not self._type._saved or not names:
            return {}
        table = self._lake.state.arrow("record")
        found = table.filter(pc.equal(table["type_uid"], self._type.uid))
        found = found.filter(pc.is_in(found["name"], pa.array(names, pa.string())))
        rows = self._lake.state.rows("record", found["uid"].to_pylist())
        return {r["name"]: r for r in rows if r["branch_uid"] in self._lake.visible_branches}

    def _annotation(
        self, batch: Batch, columns: Mapping[str, Known], report: Report, data: Any, uids: list[str]
    ) -> tuple[list[pa.Table], list[pa.Table]]:
        lake = self._lake
        specs = lake.engine.specs
        stamps = stamps_of(lake, batch.now)
        tables = registry_tables(lake)
        links, values = [], []
        for name, known in columns.items():
            column = data[name]
            if known.dtype.is_categorical:
                matches = report.terms.get(name, ())
                links.append(
                    link_rows(
                        specs["record_link"],
                        uids,
                        known,
                        column,
                        matches,
                        tables.__getitem__,
                        stamps,
                    )
                )
                continue
            if name in self._dictionaries:
                column = self._dictionaries[name]
            texts = texts_of(column, known.dtype, convert=known.coerce)
            values.append(value_table(specs["feature_value"], "record", uids, known, texts, stamps))
        return links, values


def _replace(
    lake: Any, changes: Changes, existing: set[str], name: str, new: list[pa.Table]
) -> None:
    """Insert rows; those of existing records replace what was set before."""
    tables = [t for t in new if t.num_rows]
    rows = pa.concat_tables(tables) if tables else None
    if existing:
        present = lake.state.arrow(name)
        mine = pc.is_in(present["subject_uid"], pa.array(sorted(existing), pa.string()))
        slots = pc.or_kleene(pc.is_null(present["slot"]), pc.equal(present["slot"], EXTERNAL))
        gone = present.filter(pc.and_(mine, slots))
        gone = gone.filter(pc.is_valid(gone["feature_uid"]))["uid"]
        if rows is not None:
            gone = gone.filter(pc.invert(pc.is_in(gone, rows["uid"].combine_chunks())))
        if len(gone):
            changes.delete(name, gone.to_pylist())
    if rows is not None:
        changes.insert(name, rows.sort_by("uid"), if_absent=bool(existing))


def _checked(kind: Any) -> Any:
    """A record type, saved or not."""
    if isinstance(kind, type) or getattr(getattr(kind, "meta", None), "table", None) != "record":
        raise InvalidArgument(
            "The type of imported records is a record type, or the name of a new one.",
            found=f"{kind!r} ({type(kind).__name__})",
            hint="ln.Record(name='Samples', is_type=True)",
        )
    if not kind._values.get("is_type"):
        raise InvalidArgument(
            "`type` needs to be a record type (`is_type=True`).", found=repr(kind)
        )
    return kind
