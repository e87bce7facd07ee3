"""Validating the content of a new artifact against a schema, before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.config import Verbosity, notify
from lakehouse.curation import ColumnRule, DatasetSpec, Report, validate_values
from lakehouse.curation.data.chunks import missing, with_columns
from lakehouse.curation.data.sources import source_of
from lakehouse.curation.datasets import check_dataset
from lakehouse.curation.failure import Failure
from lakehouse.curation.slots import Part, slots_in
from lakehouse.curation.slots.copies import changes_of, contents_of
from lakehouse.curation.validation import validate_part
from lakehouse.engine import Changes
from lakehouse.errors import (
    InvalidArgument,
    InvalidData,
    ObjectDoesNotExist,
    UnreadableFile,
    ValidationError,
    near,
)
from lakehouse.features import annotate
from lakehouse.features.annotate import Annotation
from lakehouse.features.check import Preparation, Prepared
from lakehouse.features.reference import unknown_text
from lakehouse.features.sheets import members_of
from lakehouse.formats import format_of, suffix_of
from lakehouse.formats.base import COLUMNS, Description, is_path
from lakehouse.orm import Batch, Lake
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.view.present import present
from lakehouse.registries.artifact.payload import Payload, payload_of
from lakehouse.registries.artifact.place import local_copy
from lakehouse.registries.schema.arguments import of_features
from lakehouse.registries.schema.record import Schema
from lakehouse.relations.tables import EXTERNAL
from lakehouse.schemas.conditions import ROWS
from lakehouse.schemas.spec import known_rules, resolver_of, rule_of, spec_of
from lakehouse.terms.branches import Branches
from lakehouse.terms.obsolete import obsolete_among, told_obsolete

# -- Telling what a validation passed over: unknown names, obsolete terms; and what to do


_TOLD: ContextVar[bool] = ContextVar("what validation passes over was told", default=False)
_SHOWN = 10


@contextmanager
def told() -> Iterator[None]:
    """What is validated inside was validated before: nothing of it is told again."""
    token = _TOLD.set(True)
    try:
        yield
    finally:
        _TOLD.reset(token)


def tell_unknown(
    schema: Any, report: Report, part: Part, curator: str | None = None, before: str | None = None
) -> str | None:
    """Say which columns or names are not known, where that is no failure.

    Args:
        schema: The schema of the part.
        report: What validation found.
        part: The part.
        curator: How users write the curator of the part, where there is one.
        before: What was said of the part before, which isn't said again.

    Returns:
        What there was to say.
    """
    text, level = _unknown(schema, report, part, curator)
    return _tell(text, before, level)


def tell_obsolete(
    lake: Lake, report: Report, part: Part, curator: str | None = None, before: str | None = None
) -> str | None:
    """Say which valid values are obsolete terms, and what replaces them.

    Args:
        lake: The lake.
        report: What validation found.
        part: The part.
        curator: How users write the curator of the part, where there is one.
        before: What was said of the part before, which isn't said again.

    Returns:
        What there was to say.
    """
    said = []
    where = "" if part.slot == COLUMNS else f" in slot {part.slot!r}"
    for column, matches in report.terms.items():
        found = obsolete_among(lake, matches) if column in report.columns else []
        if found:
            own = f"bt.{matches[0].target.registry.rpartition('.')[2]}.obsolete_labels().apply()"
            call = f"{curator}.cat.replace_obsolete({column!r})" if curator else own
            said.append(told_obsolete(found, f" of {column!r}{where}", call))
    return _tell("\n! ".join(said) or None, before, "warning")


def _tell(text: str | None, before: str | None, level: Verbosity) -> str | None:
    if text is not None and text != before and not _TOLD.get():
        notify(text, level)
    return text


def _unknown(
    schema: Any, report: Report, part: Part, curator: str | None
) -> tuple[str | None, Verbosity]:
    where = "" if part.slot == COLUMNS else f" of slot {part.slot!r}"
    if part.kind == "names" and report.unknown and not schema.maximal_set:
        unknown = next(iter(report.unknown.values()))
        if not unknown:
            return None, "warning"
        own = curator or f'ln.curators.curator_of(dataset, schema).slots["{part.slot}"]'
        return (
            f"{len(unknown)} of {report.n_rows} names{where} are not validated as "
            f"{schema.itype}: {_some(unknown)}\n"
            f'  → save them as terms via: {own}.cat.add_new_from("columns")'
        ), "warning"
    if part.kind != "table" or not schema.flexible:
        return None, "success"
    known = set(report.columns)
    unknown = [n for n in source_of(part.data).names if n not in known]
    if not unknown:
        return None, "success"
    return (
        f"{len(unknown)} columns{where} are no registered features and weren't validated: "
        f"{_some(unknown)}"
    ), "success"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


_BUILT_IN = ("valid_features", "ensembl_gene_ids_and_valid_features_in_obs")


def schema_named(schema: Any) -> Schema | None:
    """The schema that a caller means by a record, a name or a model; built-in ones are made.

    Raises:
        ObjectDoesNotExist: There is none of this name.
    """
    if isinstance(schema, type) and hasattr(schema, "to_schema"):
        made: Schema = schema.to_schema().save()
        return made
    if schema is None or isinstance(schema, Schema):
        if schema is not None and not schema._saved:
            schema.save()
        return schema
    if schema == "valid_features":
        return Schema(name="valid_features", itype="Feature").save()
    if schema in (_BUILT_IN[1], f"anndata_{_BUILT_IN[1]}"):
        genes = Schema(name="valid_ensembl_gene_ids", itype="bionty.Gene.ensembl_gene_id").save()
        obs = Schema(name="valid_features", itype="Feature").save()
        return Schema(
            name=f"anndata_{_BUILT_IN[1]}", otype="AnnData", slots={"obs": obs, "var.T": genes}
        ).save()
    if isinstance(schema, str):
        found = Schema.filter(name=schema).first()
        if found is not None:
            return found
        names = [n for n in Schema.filter().to_list("name") if n]
        raise ObjectDoesNotExist(
            f"There is no schema named {schema!r}.",
            expected=", ".join(near(schema, [*names, *_BUILT_IN]) or [*names, *_BUILT_IN]),
        )
    raise InvalidArgument("A schema is given as a Schema or its name.", found=repr(schema))


class Validation:
    """The outcome for one payload: the annotation, and what coercion changed.

    Attributes:
        annotation: What the content says of its artifact.
        table: The coerced table, or the object whose parts were coerced, or what of a file was,
            if something changed.
        demanded: Uid, hash and content of the schema as it was then.
    """

    def __init__(self, schema: Schema | None = None) -> None:
        self.annotation = Annotation()
        self.table: Any = None
        self.demanded: tuple[str, str, Any] | None = None
        if schema is not None:
            self.demanded = schema.uid, str(schema.hash), schema._values.get("content")

    def stage(self, changes: Changes, artifact_uid: str, batch: Batch) -> None:
        """Put what was found into the commit of a batch."""
        annotate.stage(changes, self.annotation, artifact_uid, batch)
        uid, hash_, content = self.demanded or ("", "", None)
        row = batch.lake.state.row("schema", uid)
        kept = {} if row is None else row["history"] or {}
        changed = any(record.uid == uid for record in batch.records("schema"))
        if row is None or hash_ in kept or changed:
            return
        if row["hash"] == hash_:
            raw = batch.lake.engine.state().row("schema", uid)  # a branch may see another one
            if raw is not None and raw["hash"] == hash_:
                # who changes the schema meanwhile has to see that it was used
                changes.expect_row("schema", uid, {"hash": hash_})
        elif content is not None:  # somebody changed it since, who didn't know of its use
            changes.update("schema", uid, {"history": {**kept, hash_: content}})


def validate_payload(
    lake: Lake,
    payload: Payload,
    description: Description | None,
    schema: Schema | None,
    features: Mapping[Any, Any] | None,
) -> Validation:
    """Validate content and external features; every failure is reported at once.

    Raises:
        ValidationError: Something doesn't match; the error carries the report.
    """
    out = Validation(schema)
    reports: dict[str, Report] = {}
    parts: dict[str, tuple[Part, Any]] = {}
    external: Prepared | None = None
    with batch_on(lake):  # what isn't valid saves no terms of public sources either
        if schema is not None:
            check_suffix(schema, payload.suffix)
            otype = None if description is None else description.otype
            parts = parts_of(_source(payload, otype), otype, schema)
            resolver = resolver_of(lake, saves=True, schema=schema)
            for slot, (part, demanded) in parts.items():
                reports[slot] = validate_part(part, spec_of(demanded, lake.state), resolver)
                tell_unknown(demanded, reports[slot], part)
                tell_obsolete(lake, reports[slot], part)
        externals = {} if schema is None else schema.slots
        if features is not None or EXTERNAL in externals:
            outer = externals.get(EXTERNAL)
            reports[EXTERNAL], external = external_values(lake, features or {}, outer)
        if reports:
            joined = joined_report(reports)
            if schema is not None:
                joined.add(dataset_failures(lake, schema, _source(payload, schema.otype)))
            joined.raise_for_failures()
    content = {slot: r for slot, r in reports.items() if slot != EXTERNAL}
    demanded_by = {slot: demanded for slot, (_, demanded) in parts.items()}
    out.annotation = annotate.from_reports(lake, content, demanded_by)
    out.annotation.external = external
    out.table = _changed(payload, parts, content)
    return out


def dataset_failures(lake: Lake, schema: Any, source: Any) -> tuple[Failure, ...]:
    """What is wrong with a dataset as a whole, by the rules that its schema names.

    Args:
        lake: Whose terms count.
        schema: The schema of the whole dataset.
        source: The dataset, or its path.
    """
    if not has_rules(schema):
        return ()
    demanded = schema.constraints[ROWS]["dataset"]
    obs = schema.slots.get("obs")
    rules = [] if obs is None else [rule_of(feature) for feature, _ in obs.feature_list()]
    return check_dataset(source, demanded, Branches(lake.state, rules).permit)


def has_rules(schema: Any) -> bool:
    """Whether a schema has rules for its dataset as a whole."""
    return (schema.constraints or {}).get(ROWS, {}).get("dataset") is not None


def _changed(
    payload: Payload, parts: Mapping[str, tuple[Part, Any]], reports: Mapping[str, Report]
) -> Any:
    """What is to be stored in the place of the content, because coercion changed it.

    Raises:
        InvalidArgument: The content is a file that can't be changed in part.
    """
    slots = [slot for slot, report in reports.items() if report.changed]
    if not slots:
        return None
    if COLUMNS in slots:
        return reports[COLUMNS].table
    touched = {slot: parts[slot][0] for slot in slots}
    before = contents_of(touched) if payload.obj is None else {}
    renewed = False
    for slot, part in touched.items():
        report = reports[slot]
        columns = changed_columns(part.data, report) if part.kind == "table" else report.table
        if not columns:
            continue
        if part.copied:
            part.data = with_columns(source_of(part.data).table(), columns)
        elif part.replace is not None:
            part.replace(columns)
        else:
            raise InvalidArgument(
                f"The schema converts values of slot {slot!r}, which can't be changed there.",
                hint="load the dataset, and pass the object",
            )
        renewed = True
    if payload.obj is None and renewed:
        assert payload.format is not None
        return changes_of(touched, before, str(payload.format.otype)) or None
    return payload.obj if renewed else None


def changed_columns(data: Any, report: Report) -> dict[str, pa.ChunkedArray]:
    """The columns whose values coercion or defaults changed; another encoding is no change."""
    source = source_of(data)
    table: pa.Table = report.table
    found = {}
    changes, names = set(report.changes), set(source.names)
    before: pa.Table | None = None
    for name in (name for name in table.column_names if name in changes):
        if name not in names and name != source.index:
            found[name] = table[name]
            continue
        new, old = table.schema.field(name).type, source.type_of(name)
        nulls = source.null_count(name)
        if nulls is None:
            before = source.table() if before is None else before  # read once, from files, too
            nulls = _missing(before[name])
        if old is None or _plain(new) != _plain(old) or _missing(table[name]) != nulls:
            found[name] = table[name]
    return found


def _missing(column: pa.ChunkedArray) -> int:
    return sum(missing(chunk).true_count for chunk in column.chunks)


def _plain(arrow: pa.DataType) -> pa.DataType:
    plain = arrow.value_type if pa.types.is_dictionary(arrow) else arrow
    return pa.string() if pa.types.is_large_string(plain) else plain


def joined_report(reports: Mapping[str, Report]) -> Report:
    """One report of all slots; that of a plain table stays as it is."""
    return reports[COLUMNS] if list(reports) == [COLUMNS] else Report.join(reports)


def named(features: Mapping[Any, Any] | None) -> dict[str, Any]:
    """Feature values by name; features themselves may be keys, too."""
    return {getattr(k, "name", k): v for k, v in (features or {}).items()}


def check_suffix(schema: Schema, suffix: str) -> None:
    """Refuse content of another suffix than the schema demands.

    Raises:
        InvalidArgument: It has another one.
    """
    wanted = schema._values.get("suffix")
    if wanted is not None and suffix.lower() != wanted.lower():
        raise InvalidArgument(
            f"The schema {schema.name or schema.uid!r} is for artifacts of another suffix.",
            found=suffix or "no suffix",
            expected=wanted,
            hint=f"store the dataset as {wanted}",
        )


def parts_of(source: Any, otype: str | None, schema: Any) -> dict[str, tuple[Part, Any]]:
    """The parts of a dataset that a schema speaks of, each with its schema, by slot.

    Raises:
        InvalidArgument: The schema is for another type of object, or a part is missing.
        UnknownField: The structure has no such slot.
    """
    slots = {slot: part for slot, part in schema.slots.items() if slot != EXTERNAL}
    own = bool(schema.feature_list()) or schema.itype is not None
    shown = schema.name or schema.uid
    if not slots and not own:
        return {}
    if otype is None:
        raise InvalidArgument(
            "Only tables and annotated matrices can be validated against a schema.",
            found="content without columns",
            hint="give the schema only the slot __external__, and pass features=",
        )
    if schema.otype not in (None, otype) or (otype != "DataFrame" and not slots):
        raise InvalidArgument(
            f"Schema otype must be {otype!r}: {shown!r} is for another type of object.",
            found=schema.otype or "a schema of one table",
            expected=otype,
            hint=None if slots else f"ln.Schema(slots={{'obs': schema}}, otype={otype!r})",
        )
    found = slots_in(source, otype)
    out: dict[str, tuple[Part, Any]] = {}
    if otype == "DataFrame" and (own or not slots):
        out[COLUMNS] = (found.part(COLUMNS, of_features=True), schema)
    for slot, demanded in slots.items():
        by_feature = of_features(demanded.itype or "Feature")
        out[slot] = (found.part(slot, of_features=by_feature), demanded)
    return out


def _source(payload: Payload, otype: str | None) -> Any:
    """What the slots are read from: the object, or a local path."""
    if payload.obj is not None or otype is None:
        return payload.obj
    payload.note()
    path = local_copy(payload)
    if otype != "DataFrame":
        return path
    assert payload.format is not None
    if path.is_dir():
        return payload.format.open(path).to_table()
    return path if payload.suffix.lower() == ".parquet" else payload.format.table(path, COLUMNS)


def external_values(
    lake: Lake, features: Mapping[Any, Any], schema: Schema | None
) -> tuple[Report, Prepared]:
    """What is wrong with values that are set beside the content, and the checked values.

    Raises:
        ValidationError: A name is no feature.
    """
    members = None if schema is None else members_of(lake, schema.uid)
    preparation = Preparation(lake, members, whole=members is not None)
    prepared = preparation.add(features)
    preparation.look_up()
    columns = {f.name: str(f.dtype) for f in prepared.features.values()}
    return Report(failures=tuple(preparation.failures), columns=columns, n_rows=1), prepared


def external_report(lake: Lake, values: Mapping[str, Any], schema: Schema | None) -> Report:
    """Validate external feature values, by a schema or each by its feature.

    Raises:
        ValidationError: A name is no feature.
    """
    known = known_rules(present(lake))
    if unknown := [n for n in values if n not in known]:
        raise ValidationError(unknown_text(unknown, values))
    spec = (
        spec_of(schema, lake.state)
        if schema is not None
        else DatasetSpec(columns=tuple(known[n] for n in values))
    )
    missing: tuple[ColumnRule, ...] = tuple(
        known[n] for n in values if n not in {c.name for c in spec.columns}
    )
    if missing:
        spec = DatasetSpec(columns=(*spec.columns, *missing), coerce=spec.coerce)
    return validate_values(dict(values), spec, resolver_of(lake), slot=EXTERNAL)


# -- Objects that no file can hold as they are: what their schema says of them comes first


def validated_payload(
    lake: Lake,
    data: Any,
    key: str | None,
    schema: Any,
    features: Mapping[Any, Any] | None,
    **options: Any,
) -> Payload:
    """The payload of an object that can't be written, as its schema makes it.

    A column that mixes types is wrong by most schemas, and maybe not all that is wrong; by those
    that convert it, nothing is.

    Args:
        lake: The lake.
        data: A path or an object.
        key: The artifact's key.
        schema: The schema that the content must satisfy, if any.
        features: Values that are set beside the content.
        **options: For `payload_of`.

    Raises:
        ValidationError: The object doesn't match the schema; the error carries the report.
        InvalidData: It does, and can't be written all the same.
    """
    try:
        return payload_of(data, key, **options)
    except UnreadableFile:
        raise
    except InvalidData:
        adapter = None if schema is None or is_path(data) else format_of(data)
        if adapter is None:
            raise
        suffix = suffix_of(key) if key else adapter.suffixes[0]
        unwritten = Payload("", suffix, adapter, obj=data)
        described = Description(adapter.otype, None)
        found = validate_payload(lake, unwritten, described, schema_named(schema), features)
        if found.table is None:
            raise
    changed = found.table
    if is_a(data, "pandas.DataFrame") and hasattr(changed, "to_pandas"):
        changed = changed.to_pandas()
    return payload_of(changed, key, **options)
