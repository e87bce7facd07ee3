"""Schemas: which features a dataset has, and what is demanded of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pydantic

from lakehouse.config import notify
from lakehouse.errors import InvalidArgument
from lakehouse.orm import QuerySet
from lakehouse.registries.feature import Feature
from lakehouse.registries.relations import relations_of
from lakehouse.registries.schema import arguments, content
from lakehouse.registries.schema import arguments as making
from lakehouse.registries.schema.members import SchemaContent
from lakehouse.registries.schema.row import SchemaRow
from lakehouse.schemas.models import pandera_schema, row_model

if TYPE_CHECKING:
    from lakehouse.orm.model.unset import UNSET, Unset
    from lakehouse.registries.place import Branch, Space


class Schema(
    SchemaContent,
    row=SchemaRow,
    unique=(("hash_key",),),
    match=(("hash_key",), ("hash",)),
    foreign_keys={"type": "Schema", "index": "Feature"},
    relations=relations_of("Schema"),
    derived={
        "hash": "change what the schema demands: its features, slots or settings, then .save()",
        "n_members": "schema.features.add(…), or schema.features.remove(…)",
        "itype": "make another schema: ln.Schema(features, itype=…)",
    },
    private=("hash_key", "slots_uids", "content", "history"),
    immediate=(
        "hash",
        "hash_key",
    ),  # what it demands changes with its links to features, which know no branch
):
    """What a dataset must look like.

    Constructing a schema with equal content gives the existing one, whatever its name; that may
    be a set of features, which some dataset was found to have.
    Constructing one with the name of an existing schema gives that one, with its content
    changed when it is saved; what it demanded before stays known, see `versions()`.

    Args:
        features: Its features, saved or not; a feature with `.with_config(optional=True)`, or
            one named in `optionals`, need not be there. Records of another registry, e.g.
            genes, are possible, too.
        index: The feature of the index.
        slots: Schemas of the components of a composite dataset, e.g. `{"obs": schema}`.
        name: A name.
        description: What it is for.
        itype: What identifies the columns: `Feature`, or a field such as
            `bt.Gene.ensembl_gene_id`; a feature type means its features only.
        otype: `"DataFrame"`, `"AnnData"` …
        suffix: The suffix that validated artifacts must have.
        dtype: The dtype of all columns, where they have one.
        minimal_set: Whether all features that aren't optional must be there.
        maximal_set: Whether other columns are refused.
        ordered_set: Whether the order of columns counts.
        coerce: Whether values are converted to the features' dtypes.
        flexible: Whether columns beside the features are validated if they are named like a
            feature; by default only in schemas without features.
        optionals: Names or features that need not be there.
        constraints: Further conditions by feature name, e.g. `{"temperature": {"ge": 0}}`.
        **fields: `type` and `is_type`.

    Example:
        >>> Schema([Feature(name="donor", dtype=str)], name="donors").save()
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            features: Iterable[Any] | None = None,
            index: Feature | None = None,
            slots: Mapping[str, Schema] | None = None,
            *,
            name: str | None = None,
            description: str | None = None,
            itype: Any = None,
            otype: str | None = None,
            suffix: str | None = None,
            dtype: Any = None,
            minimal_set: bool = True,
            maximal_set: bool = False,
            ordered_set: bool = False,
            coerce: bool | None = None,
            flexible: bool | None = None,
            optionals: Iterable[str | Feature] = (),
            constraints: Mapping[str, Mapping[str, Any]] | None = None,
            type: Schema | Unset | None = UNSET,
            is_type: bool | None = False,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
        ) -> None: ...

    _everybodys = True
    _named = ("type", "is_type", "uid", "branch", "space")

    def _hash_of_content(
        self, columns: dict[str, Any], parts: Mapping[str, Schema], index: Feature | None
    ) -> str:
        """The hash of what the schema says, which is put into `columns`."""
        hashes = {slot: (part.uid, str(part._values.get("hash"))) for slot, part in parts.items()}
        columns["content"] = content.content_of(
            columns, self._given_members(), None if index is None else index.uid, hashes
        )
        return content.hash_of(columns["content"])

    def _construct(
        self,
        features: Iterable[Any] | None = None,
        index: Feature | None = None,
        slots: Mapping[str, Schema] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        itype: Any = None,
        otype: str | None = None,
        suffix: str | None = None,
        dtype: Any = None,
        minimal_set: bool = True,
        maximal_set: bool = False,
        ordered_set: bool = False,
        coerce: bool | None = None,
        flexible: bool | None = None,
        optionals: Iterable[str | Feature] = (),
        constraints: Mapping[str, Mapping[str, Any]] | None = None,
        **fields: Any,
    ) -> None:
        arguments.check_known(
            fields, (*self._named, "type_id", "branch_uid", "space_uid", "n_members")
        )
        arguments.check_index(index)
        members = arguments.members_of(features, optionals)
        parts = arguments.slots_of(slots, otype, Schema)
        is_type = bool(fields.get("is_type"))
        if not (members.records or parts or itype is not None or is_type or index is not None):
            raise InvalidArgument(
                "A schema needs features, slots or an itype, or is_type=True.",
                hint="ln.Schema([feature]), or ln.Schema(itype=ln.Feature)",
            )
        kind = arguments.itype_of(itype, members, slots=bool(parts), is_type=is_type)
        object.__setattr__(self, "_members", members)
        object.__setattr__(self, "_slots", parts)
        columns: dict[str, Any] = {
            "dtype": arguments.dtype_of(dtype, kind),
            "itype": kind,
            "otype": otype,
            "suffix": suffix,
            "minimal_set": minimal_set,
            "maximal_set": maximal_set,
            "ordered_set": ordered_set,
            "coerce": coerce or None,
            "flexible": not members.records and arguments.of_features(kind)
            if flexible is None
            else flexible,
            "slots_uids": {slot: part.uid for slot, part in parts.items()} or None,
            "constraints": {k: dict(v) for k, v in (constraints or {}).items()} or None,
        }
        given = fields.pop("n_members", None)
        columns["n_members"] = len(members.records) + (index is not None) or given
        hashed = None if is_type else self._hash_of_content(columns, parts, index)
        super().__init__(
            name=name,
            description=description,
            hash=hashed,
            hash_key=hashed,
            index=index,
            **columns,
            **fields,
        )

    if not TYPE_CHECKING:
        __init__ = _construct

    def _match(self, *, any_type: bool) -> None:
        """Become the schema of equal content, or else the one of the same name."""
        of_name = self._of_name()
        if of_name is not None:
            equal = self._lake.matcher.find(self.meta, self._values, any_type=False)
            if equal is not None and equal["name"] is None:
                # what a dataset has, or had by this very schema before it was changed
                self._demand_of(of_name)
                return
        super()._match(any_type=any_type and bool(self._values.get("is_type")))
        if self._saved:
            self._forget()
        elif of_name is not None:
            self._demand_of(of_name)

    def _of_name(self) -> dict[str, Any] | None:
        """The row of the schema that has this name, if there is one."""
        name = self._values.get("name")
        if name is None or self._values.get("hash") is None:
            return None
        rows = self._lake.state.arrow("schema")
        uids = Schema.filter(name=name, is_type=False).to_list("uid") if len(rows) else []
        found = [self._lake.state.row("schema", uid) for uid in uids]
        same = [r for r in found if r and r["type_uid"] == self._values.get("type_uid")]
        return dict(same[-1]) if same else None

    def _demand_of(self, row: dict[str, Any]) -> None:
        """Become the schema of a row, and demand from now on what was given."""
        notify(f"returning the schema with the same name: {row['name']!r}")
        given = self._values
        self._adopt(row)
        for column in (*content.DEMANDS, "n_members", "slots_uids", "index_uid"):
            self._set(column, given.get(column))
        object.__setattr__(self, "_dirty", True)

    def _set_given(self, given: dict[str, Any]) -> None:
        """An equal schema exists: it takes the name and what else is said of it."""
        for name in ("name", "description", "type_uid"):
            if given.get(name) is not None and given[name] != self._values.get(name):
                self._set(name, given[name])

    def query_schemas(self) -> QuerySet[Schema]:
        """The schemas of this type and of all types below it."""
        return self._members_of_type()

    # -- making --------------------------------------------------------------------------

    @classmethod
    def from_values(  # type: ignore[override]  # the peer's: one schema of the values
        cls,
        values: Any,
        field: Any = None,
        dtype: Any = None,
        name: str | None = None,
        mute: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
        organism: Any = None,
        source: Any = None,
        raise_validation_error: bool = True,  # noqa: FBT001, FBT002 - as above
    ) -> Schema:
        """A schema of the records that values name, e.g. of gene symbols.

        Args:
            values: The values, e.g. `adata.var["symbol"]`.
            field: The field that they are of, `Feature.name` by default.
            dtype: The dtype of all columns.
            name: A name.
            mute: Tell nothing.
            organism: The organism that genes belong to.
            source: The source that terms come from.
            raise_validation_error: Whether unknown values are an error; else they are left out.

        Raises:
            ValidationError: A value is unknown.

        Example:
            >>> Schema.from_values(["CD8A", "CD4"], field=bt.Gene.symbol, organism="human")
        """
        ref = making.field_of(field)
        records = making.known_records(
            values, ref, mute=mute, organism=organism, source=source, demand=raise_validation_error
        )
        return cls(records, name=name, dtype=dtype, itype=ref.registry)

    @classmethod
    def from_dataframe(
        cls,
        df: Any,
        field: Any = None,
        name: str | None = None,
        mute: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
        organism: Any = None,
        source: Any = None,
    ) -> Schema | None:
        """A schema of the columns of a table that are known; None if none is.

        Args:
            df: A pandas or polars DataFrame, a pyarrow Table.
            field: What its columns are named by, `Feature.name` by default.
            name, mute, organism, source: See `from_values`.
        """
        ref = making.field_of(field)
        names = [str(column) for column in getattr(df, "column_names", df.columns)]
        records = making.known_records(
            names, ref, mute=mute, organism=organism, source=source, demand=False
        )
        if not records:
            making.tell_nothing_known()
            return None
        dtype = None if ref.registry is Feature else making.single_dtype(df)
        return cls(records, name=name, dtype=dtype, itype=ref.registry)

    from_df = from_dataframe

    def to_pydantic(self) -> type[pydantic.BaseModel]:
        """The pydantic model of one row: types, conditions, and terms by the registries of now.

        Example:
            >>> schema.to_pydantic()(cell_type="B cell", temperature=21.6)
        """
        return row_model(self, self._lake)

    def to_pandera(self) -> Any:
        """The pandera schema of pandas frames; its checks are those of this schema.

        Example:
            >>> schema.to_pandera().validate(df, lazy=True)
        """
        return pandera_schema(self, self._lake)
