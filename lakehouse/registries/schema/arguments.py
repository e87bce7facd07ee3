"""What the constructor of a schema is given, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from lakehouse.config import notify
from lakehouse.errors import FieldValidationError, InvalidArgument, TypeMismatch, ValidationError
from lakehouse.orm import BaseRecord, FieldRef
from lakehouse.registries.feature import Feature
from lakehouse.schema import DType
from lakehouse.schema.dtype import parse_dtype

EXTERNAL = "__external__"
FEATURE = "Feature"
_COMPOSITE = "Composite"  # what the peer wrote for schemas with slots


class Members(NamedTuple):
    """The members of a schema as they were given.

    Attributes:
        records: Features, or records of one other registry such as genes.
        optional: Names of the features that need not be there.
    """

    records: tuple[Any, ...] = ()
    optional: frozenset[str] = frozenset()

    @property
    def registry(self) -> str | None:
        """The registry of the members."""
        return self.records[0].meta.name if self.records else None


def check_index(index: Any) -> None:
    """Refuse an index that is no feature, e.g. a name that isn't passed by keyword."""
    if index is not None and not isinstance(index, Feature):
        raise TypeMismatch(
            "The index of a schema is a feature.",
            found=f"{index!r} ({type(index).__name__})",
            hint="names are passed by keyword: ln.Schema([feature], name=…)",
        )


def members_of(features: Any, optionals: Iterable[Any] = ()) -> Members:
    """The members that were given, each with its configuration or without.

    Raises:
        InvalidArgument: An optional feature that is no member.
        TypeMismatch: A single record instead of a list, something that is no record, or records
            of several registries.
    """
    if isinstance(features, BaseRecord | str) or not hasattr(features or (), "__iter__"):
        raise TypeMismatch(
            "A schema takes a list of features, not a single one.",
            found=repr(features),
            hint="ln.Schema([feature])",
        )
    given = [f if isinstance(f, tuple) else (f, {}) for f in features or ()]
    records = tuple(record for record, _ in given)
    for record in records:
        if not isinstance(record, BaseRecord):
            raise TypeMismatch(
                "A schema is made of features: its features have to be feature records.",
                found=f"{record!r} ({type(record).__name__})",
                expected="ln.Feature records",
                hint="ln.Feature(name=…, dtype=…), or ln.Schema.from_values(values)",
            )
    registries = {record.meta.name for record in records}
    if len(registries) > 1:
        raise TypeMismatch(
            "A schema can only contain records of a single registry.",
            found=", ".join(sorted(registries)),
        )
    optional = {str(f.name) for f, config in given if config.get("optional")}
    optional |= {o if isinstance(o, str) else str(o.name) for o in optionals}
    names = {str(r.name) for r in records if isinstance(r, Feature)}
    if unknown := optional - names:
        raise InvalidArgument(
            "Optional features must be among the schema's features.", found=sorted(unknown)
        )
    _check_distinct(records)
    return Members(records, frozenset(optional))


def _check_distinct(records: tuple[Any, ...]) -> None:
    seen: set[str] = set()
    for record in records:
        if record.uid in seen:
            raise InvalidArgument(f"{record!r} stands twice among the features of one schema.")
        seen.add(record.uid)


def slots_of(slots: Mapping[str, Any] | None, otype: str | None, schema: type) -> dict[str, Any]:
    """The schemas of the components, by slot.

    Raises:
        InvalidArgument: One is no schema, or nothing says which type of object has the slots.
    """
    parts = dict(slots or {})
    for slot, part in parts.items():
        if not isinstance(part, schema):
            raise InvalidArgument(
                f"The slot {slot!r} takes a schema.",
                found=f"{part!r} ({type(part).__name__})",
                hint=f"slots={{{slot!r}: ln.Schema([…])}}",
            )
    if otype is None and set(parts) - {EXTERNAL}:
        raise InvalidArgument(
            "A schema with slots says which type of object has them.",
            found=", ".join(parts),
            expected="otype='AnnData', 'MuData', 'SpatialData', 'tiledbsoma' or 'DataFrame'",
            hint=f"ln.Schema(slots={{{next(iter(parts))!r}: …}}, otype='AnnData')",
        )
    return parts


def itype_of(itype: Any, members: Members, *, slots: bool, is_type: bool) -> str | None:
    """What identifies the columns: a registry, a field of one, or a feature type.

    Raises:
        InvalidArgument: Nothing of the kind was given.
    """
    if itype is None:
        return members.registry or (None if is_type or slots else FEATURE)
    if isinstance(itype, FieldRef):
        return f"{itype.registry.meta.name}.{itype.name}"
    if isinstance(itype, type) and issubclass(itype, BaseRecord):
        return str(itype.meta.name)
    if isinstance(itype, Feature) and itype._values.get("is_type"):
        return f"Feature[{itype.uid}]"
    if isinstance(itype, str):
        return None if itype == _COMPOSITE else itype
    raise InvalidArgument(
        "The itype of a schema names what identifies its columns.",
        found=repr(itype),
        expected="ln.Feature, a feature type, or a field such as bt.Gene.ensembl_gene_id",
    )


def of_features(itype: str | None) -> bool:
    """Whether columns are named by features."""
    return itype is not None and itype.partition("[")[0] == FEATURE


def dtype_of(dtype: Any, itype: str | None) -> str | None:
    """The dtype of all columns as text; measurements of genes and the like are numbers."""
    if dtype is not None:
        return str(dtype if isinstance(dtype, DType) else parse_dtype(dtype))
    plain = itype is None or of_features(itype)
    return None if plain else "num"


def check_known(fields: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse keyword arguments that a schema doesn't have.

    Raises:
        FieldValidationError: There are some.
    """
    names = list(known)
    if unknown := [name for name in fields if name not in names]:
        raise FieldValidationError(
            "A schema doesn't take these arguments.",
            found=", ".join(unknown),
            expected=", ".join(names),
        )


# -- Schemas made from values and from tables


def field_of(field: Any) -> FieldRef:
    """The field that identifies features.

    Raises:
        TypeMismatch: It is no field of a registry.
    """
    if field is None:
        field = Feature
    if isinstance(field, FieldRef):
        return field
    if isinstance(field, type) and issubclass(field, BaseRecord):
        found: FieldRef = getattr(field, field.meta.name_field)
        return found
    raise TypeMismatch(
        "The field of a schema's values is a field of a registry.",
        found=repr(field),
        expected="e.g. ln.Feature.name or bt.Gene.symbol",
    )


def known_records(
    values: Any, field: FieldRef, *, mute: bool, organism: Any, source: Any, demand: bool
) -> list[Any]:
    """The records that values name, in the order of the values.

    Raises:
        InvalidArgument: There are no values.
        ValidationError: One names nothing, if all are demanded.
    """
    listed = [values] if isinstance(values, str) else list(dict.fromkeys(values))
    if not listed:
        raise InvalidArgument("Provide a list of at least one value.", found=repr(values))
    registry: Any = field.registry
    valid = registry.validate(listed, field=field, mute=mute, organism=organism, source=source)
    known = [value for value, ok in zip(listed, valid, strict=True) if ok]
    wrong = [value for value, ok in zip(listed, valid, strict=True) if not ok]
    if wrong and demand:
        spoken = registry.meta.name.replace("bionty.", "bt.")
        raise ValidationError(
            f"These values could not be validated: {wrong[:20]}{' …' if len(wrong) > 20 else ''}",
            expected=f"values of {registry.meta.name}.{field.name}",
            hint=f"fix typos, or add them to their registry: {spoken}({field.name}=…).save()",
        )
    if not known:
        return []
    found = registry.from_values(known, field=field, organism=organism, source=source, mute=True)
    first: dict[Any, Any] = {}
    for record in found:
        first.setdefault(getattr(record, field.name), record)
    return [first[value] for value in known if value in first]


def single_dtype(df: Any) -> str:
    """The dtype that all columns of a table share.

    Raises:
        InvalidArgument: They have several.
    """
    from lakehouse.curation.data.sources import source_of
    from lakehouse.schema import infer_dtype

    source = source_of(df)
    found = {
        str(infer_dtype(arrow))
        for arrow in (source.type_of(name) for name in source.names)
        if arrow is not None
    }
    if len(found) > 1:
        raise InvalidArgument(
            "The columns are of several dtypes, so the schema can't have one.",
            found=", ".join(sorted(found)),
            hint="pass dtype=, or convert the columns",
        )
    return found.pop() if found else "num"


def tell_nothing_known() -> None:
    """Say that no column is known, so that there is no schema."""
    notify("no column is a registered feature, so there is no schema to make", "warning")
