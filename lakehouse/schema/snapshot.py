"""Schema snapshots: what a table's columns are, addressed by content."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from lakehouse.identity import digest_text
from lakehouse.schema import _arrow
from lakehouse.schema.dtype import infer_dtype


@dataclass(frozen=True, slots=True)
class SnapshotField:
    """One column of a snapshot.

    Attributes:
        position: From 0.
        name: The column's name.
        type: The Arrow type as text; the value type of dictionary-encoded columns.
        dtype: The same in the dtype language.
        nullable: Whether the schema allows nulls.
        categorical: Whether values are dictionary-encoded.
        ordered: Whether the categories have an order.
    """

    position: int
    name: str
    type: str
    dtype: str
    nullable: bool = True
    categorical: bool = False
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The columns of one table.

    Equal columns give an equal uid, whoever wrote them: metadata, the width of
    dictionary indices and the offset width of text and lists don't count, since pandas,
    polars and Arrow choose them differently for the same data.

    Example:
        >>> Snapshot.of(pa.schema({"cell_type": pa.string()})).fields[0].type
        'string'
    """

    uid: str
    fields: tuple[SnapshotField, ...]

    @classmethod
    def of(cls, schema: pa.Schema) -> Snapshot:
        """Take the snapshot of an Arrow schema."""
        fields = tuple(_field(position, field) for position, field in enumerate(schema))
        return cls(_uid(fields), fields)

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(field.name for field in self.fields)


def _field(position: int, field: pa.Field) -> SnapshotField:
    categorical = pt.is_dictionary(field.type)
    return SnapshotField(
        position=position,
        name=field.name,
        type=str(plain(field.type)),
        dtype=str(infer_dtype(field.type)),
        nullable=field.nullable,
        categorical=categorical,
        ordered=bool(categorical and field.type.ordered),
    )


def plain(arrow: pa.DataType) -> pa.DataType:
    """The logical type, stripped of how its values are laid out in memory."""
    if pt.is_dictionary(arrow) or pt.is_run_end_encoded(arrow):
        return plain(arrow.value_type)
    if _arrow.is_text(arrow):
        return pa.string()
    if pt.is_large_binary(arrow) or pt.is_binary_view(arrow):
        return pa.binary()
    if pt.is_fixed_size_list(arrow):
        return pa.list_(_item(arrow), arrow.list_size)
    if _arrow.is_list(arrow):
        return pa.list_(_item(arrow))
    if pt.is_struct(arrow):
        return pa.struct([member.with_type(plain(member.type)) for member in arrow])
    if pt.is_map(arrow):
        return pa.map_(plain(arrow.key_type), plain(arrow.item_type))
    return arrow


def _item(arrow: pa.DataType) -> pa.Field:
    # Parquet calls list items "element", Arrow "item".
    return pa.field("item", plain(arrow.value_type), nullable=arrow.value_field.nullable)


def _uid(fields: tuple[SnapshotField, ...]) -> str:
    # Lengths before texts, so that no column name can imitate a boundary.
    texts = [
        f"{len(f.name)}:{f.name}:{f.type}:{f.nullable:d}{f.categorical:d}{f.ordered:d}"
        for f in fields
    ]
    return digest_text("\n".join(texts).encode("utf-8", "surrogatepass"))
