"""From a schema in the registry to the specification that validation takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.curation import ColumnRule, DatasetSpec, TableResolver
from lakehouse.curation.coercion import coerce_value
from lakehouse.engine import State
from lakehouse.errors import InvalidArgument
from lakehouse.orm import Lake
from lakehouse.orm.view.present import present
from lakehouse.orm.view.visible import branches_of
from lakehouse.schema import CatTarget, DType, parse_dtype
from lakehouse.schemas.conditions import ROWS, conditions, row_judge
from lakehouse.terms.adopt import AdoptingResolver
from lakehouse.terms.branches import cases_of


def rule_of(
    feature: Any, *, optional: bool = False, constraints: Mapping[str, Any] | None = None
) -> ColumnRule:
    """The rule of a feature, given as a record or as a row.

    Args:
        feature: The feature.
        optional: Whether it need not be there.
        constraints: What a schema demands of it beyond its dtype.
    """
    get = feature.get if isinstance(feature, dict) else feature._values.get
    demanded = dict(constraints or {})
    dtype = parse_dtype(get("dtype") or "object")
    nullable = demanded.pop("nullable", get("nullable") is not False)
    default = demanded.pop("default", get("default_value"))
    cases = demanded.pop("cases", None) or {}
    if demanded.pop("integers", False) and dtype.kind == "float":
        dtype = DType("num")
    if isinstance(default, str) and dtype.kind in ("date", "datetime", "time"):
        default = coerce_value(default, dtype)
    return ColumnRule(
        str(get("name")),
        dtype,
        required=not optional,
        nullable=bool(nullable),
        coerce=bool(get("coerce")),
        default=default,
        checks=conditions(demanded, dtype, str(get("name"))),
        delimiter=cases.get("delimiter"),
    )


def known_rules(state: State, type_uid: str | None = None) -> dict[str, ColumnRule]:
    """The rules of all visible features by name; those without a type win over equal names.

    Args:
        state: The state of the lake.
        type_uid: Only features of this feature type.
    """
    rows = state.arrow("feature").select(
        [
            "name",
            "dtype",
            "nullable",
            "coerce",
            "default_value",
            "is_type",
            "type_uid",
            "branch_uid",
        ]
    )
    found: dict[str, ColumnRule] = {}
    branches = branches_of(state)
    for row in sorted(rows.to_pylist(), key=lambda r: r["type_uid"] is not None):
        if type_uid is not None and row["type_uid"] != type_uid:
            continue
        if not row["is_type"] and row["branch_uid"] in branches and row["dtype"]:
            row["default_value"] = _decoded(row["default_value"])
            found.setdefault(row["name"], rule_of(row))
    return found


def _decoded(text: str | None) -> Any:
    import orjson

    return None if text is None else orjson.loads(text)


def spec_of(schema: Any, state: State) -> DatasetSpec:
    """The specification of one component's schema.

    Raises:
        InvalidArgument: The schema is composite, so it has one specification per slot.
    """
    state = present(schema._lake, state)
    itype = schema.itype or "Feature"
    if schema.itype is None and schema.slots:
        raise InvalidArgument(
            f"The schema {schema.name or schema.uid!r} has slots; it describes no table.",
            found=", ".join(schema.slots),
        )
    index = schema.index
    names = None
    demanded = schema.constraints or {}
    of_features = itype == "Feature" or itype.startswith("Feature[")
    type_uid = type_of_features(itype)
    if not of_features:
        registry, _, field = itype.rpartition(".")
        known = "." in registry or registry in ("ULabel", "Record", "Feature")
        names = CatTarget(registry, field) if known else CatTarget(itype, _name_field(itype))
    columns = tuple(
        rule_of(f, optional=o, constraints=demanded.get(str(f.name)))
        for f, o in schema.feature_list()
    )
    return DatasetSpec(
        columns=columns,
        minimal_set=bool(schema.minimal_set),
        maximal_set=bool(schema.maximal_set),
        ordered_set=bool(schema.ordered_set),
        coerce=bool(schema.coerce),
        index=None if index is None else _index_rule(index, demanded.get(str(index.name))),
        flexible=bool(schema.flexible) and of_features,
        known=known_rules(state, type_uid) if schema.flexible and of_features else {},
        names=names,
        forbidden=frozenset(name for name, c in demanded.items() if c.get("forbidden")),
        rows=row_judge(demanded.get(ROWS, {}), schema.name or schema.uid),
        cases=cases_of(demanded, columns, state),
    )


def _index_rule(feature: Any, constraints: Mapping[str, Any] | None) -> ColumnRule:
    """The rule of an index, which names every row."""
    return replace(rule_of(feature, constraints=constraints), nullable=False)


def type_of_features(itype: str | None) -> str | None:
    """The uid of the feature type that a schema is made for, of its itype `Feature[uid]`."""
    kind, _, uid = (itype or "").partition("[")
    return uid.removesuffix("]") or None if kind == "Feature" else None


def _name_field(registry: str) -> str:
    return CatTarget(registry).default_field


def registry_tables(lake: Lake) -> dict[str, str]:
    """The table of every registry by its full name."""
    return {cls.meta.name: cls.meta.table for cls in lake.directory.all()}


def resolver_of(lake: Lake, *, saves: bool = False, schema: Any = None) -> TableResolver:
    """A resolver of terms over the lake's present state, and its public sources.

    Args:
        lake: The lake.
        saves: Whether terms of public sources become records, so that they can be labels.
        schema: The schema by which a dataset is validated, whose names must each mean a single
            record. Rows of sheets may name any of several: their own records say which.
    """
    one_each = schema is not None and not _of_sheets(schema, lake.state)
    return AdoptingResolver(lake, registry_tables(lake), saves=saves, one_each=one_each)


def _of_sheets(schema: Any, state: State) -> bool:
    """Whether a type of records has the schema, so that its records can be exported."""
    schemas = state.arrow("record")["schema_uid"]
    uids = [schema.uid, *(part.uid for part in schema.slots.values())]
    return bool(pc.any(pc.is_in(schemas, value_set=pa.array(uids, pa.string()))).as_py())
