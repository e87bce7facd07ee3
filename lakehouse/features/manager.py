"""The features that an artifact, a run or a record is annotated with: `artifact.features`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lakehouse.config import notify
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, ValidationError
from lakehouse.features.check import Prepared, prepare
from lakehouse.features.codec import as_dtype, encoded, is_null, plain
from lakehouse.features.read import annotated, value_of
from lakehouse.features.reference import Known, resolve
from lakehouse.features.sheets import check_constraints, completed, members_for
from lakehouse.features.write import (
    external,
    link_table,
    links_of,
    of_features,
    remove_rows,
    stage_values,
    values_of,
)
from lakehouse.orm.lake.current import current_lake
from lakehouse.orm.model.checks import is_saved
from lakehouse.orm.session.batch import batch_on

Values = Mapping[Any, Any]


@operations
class FeatureManager:
    """Annotate one artifact, run or record with values of features.

    Example:
        >>> artifact.features.set_values({"temperature": 21.6, "donor": "D1"})
        >>> artifact.features.get_values()
        {'donor': 'D1', 'temperature': 21.6}
    """

    def __init__(self, record: Any) -> None:
        self._record = record
        self._lake = record._lake

    # -- writing -----------------------------------------------------------------------

    def add_values(self, values: Values, feature_field: Any = None, schema: Any = None) -> None:
        """Add values beside those that are there; all of one call is one commit.

        Args:
            values: Values by feature: a name, or a Feature. Categorical values are names, or
                records; lists give several. None is left out.
            feature_field: The field that text keys are compared with; the name.
            schema: A schema that the values must satisfy: all that it requires is among them, and
                nothing else if it has `maximal_set`.

        Raises:
            ValidationError: Unknown features, values of the wrong dtype, missing categories;
                everything at once, and nothing is saved. Also for a feature of a Record that
                takes one value only.

        Example:
            >>> artifact.features.add_values({"cell_type": ["B cell", "T cell"]})
        """
        self._refuse_external_schema("add")
        prepared = self._prepared("add", values, feature_field, schema)
        if self._record.meta.table == "record":
            single = [f.name for f in prepared.features.values() if f.dtype.kind != "list"]
            if single:
                raise ValidationError(
                    f"Cannot use add_values() for to-one features on a Record: {single}. "
                    "Use set_values() to replace all feature annotations."
                )
        with batch_on(self._lake) as batch:
            stage_values(batch, self._record, prepared, None)

    def set_values(self, values: Values, feature_field: Any = None, schema: Any = None) -> None:
        """Replace all values that were set before; those of the dataset itself stay.

        Args:
            values: See `add_values`. An empty dictionary removes all.
            feature_field: The field that text keys are compared with; the name.
            schema: A schema that the values must satisfy.

        Raises:
            ValidationError: See `add_values`; nothing is removed.
        """
        prepared = self._prepared("set", values, feature_field, schema, whole=True)
        with batch_on(self._lake) as batch:
            stage_values(batch, self._record, prepared, external)

    def update_values(self, values: Values, feature_field: Any = None, schema: Any = None) -> None:
        """Replace the values of these features and leave those of others.

        Args:
            values: See `add_values`; None, `[]` and `{}` remove a feature's values.
            feature_field: The field that text keys are compared with; the name.
            schema: A schema that all values must then satisfy.

        Raises:
            ValidationError: See `add_values`.
        """
        prepared = self._prepared("update", values, feature_field, schema)
        with batch_on(self._lake) as batch:
            stage_values(batch, self._record, prepared, of_features(prepared.features))

    def remove_values(self, feature: Any = None, *, value: Any = None) -> None:
        """Remove the values of some features, or one value of one.

        Args:
            feature: A name or Feature, several in a list, or a dictionary of features and the
                values to remove; None removes all that were set.
            value: Only this value.

        Raises:
            ValidationError: There is no such feature.
            InvalidArgument: The values were found in the dataset, so they can't be removed.
        """
        self._check_saved()
        self._refuse_external_schema("remove")
        if feature is None:
            with batch_on(self._lake) as batch:
                remove_rows(self._record, external, batch)
            return
        wanted: dict[Any, Any] = (
            dict(feature) if isinstance(feature, Mapping)
            else dict.fromkeys(feature) if isinstance(feature, list | tuple | set)
            else {feature: value}
        )  # fmt: skip
        members = members_for(self._record, None) or ()
        known = resolve(self._lake, wanted, wanted, [m for m, _ in members])
        gone: set[str] = set()
        for key, single in wanted.items():
            gone.update(self._rows_to_remove(known[key], single))
        if gone:
            with batch_on(self._lake) as batch:
                remove_rows(self._record, lambda row: row["uid"] in gone, batch)

    def _refuse_external_schema(self, verb: str) -> None:
        """What an artifact's schema demands of outside is changed as a whole only."""
        if self._record.meta.table == "artifact" and members_for(self._record, None) is not None:
            raise InvalidArgument(
                f"Cannot {verb} values if artifact has external schema.",
                found=repr(self._record),
                hint="artifact.features.set_values({…}) with all values",
            )

    def _rows_to_remove(self, feature: Known, value: Any) -> Iterable[str]:
        record = self._record
        rows = links_of(self._lake, record.meta.table, record.uid)
        rows += values_of(self._lake, record.meta.table, record.uid)
        rows = [r for r in rows if r["feature_uid"] == feature.uid]
        inside = bool(rows) and not any(external(r) for r in rows)
        if inside:
            raise InvalidArgument(
                "Cannot remove values for dataset features.",
                found=f"{feature.name!r} of {record!r}",
                hint="they follow from the dataset; change that and save a new version",
            )
        matches = _matching(self._lake, feature, value)
        found = [r["uid"] for r in rows if external(r) and matches(r)]
        if not found:
            of = "" if value is None else f" with value {value!r}"
            kind = record.meta.name.lower()
            notify(f"no feature {feature.name!r}{of} found on {kind} {record.uid!r}!", "warning")
        return found

    def _prepared(
        self, verb: str, values: Values, feature_field: Any, schema: Any, *, whole: bool = False
    ) -> Prepared:
        if not isinstance(values, Mapping):
            raise InvalidArgument(
                "Feature values are given as a dictionary.",
                found=f"{values!r} ({type(values).__name__})",
                hint="{'feature name': value}",
            )
        if feature_field is not None and getattr(feature_field, "name", feature_field) != "name":
            values = _by_name(values, str(getattr(feature_field, "name", feature_field)))
        self._check_saved()
        members = members_for(self._record, schema)
        what = f"Failed to {verb} features on {_titled(self._record)}"
        check_constraints(self._record, schema, values, what)
        if schema is None:
            return prepare(self._lake, values, what, members, whole=whole)
        stay = frozenset[str]()
        if verb == "update":
            stay = frozenset(entry.feature.uid for entry in annotated(self._record, external))
        closed = bool(schema.maximal_set)
        return prepare(self._lake, values, what, members, whole=True, closed=closed, beside=stay)

    def _check_saved(self) -> None:
        record = self._record
        if not is_saved(self._lake, record):
            raise InvalidArgument(
                f"{record!r} isn't saved, so it can't be annotated.", hint="call .save() first"
            )

    # -- reading -----------------------------------------------------------------------

    def get_values(self, external_only: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Get the values of all features: one value, a list as it was set, or a set of several.

        Args:
            external_only: Leave out what was found in the dataset itself.
        """
        if not is_saved(self._lake, self._record):
            return {}
        return completed(self._record, self.present(external_only=external_only))

    def present(self, *, external_only: bool = False) -> dict[str, Any]:
        """The values that there are, without the missing ones of a sheet.

        Args:
            external_only: Leave out what was found in the dataset itself.
        """
        groups: dict[str, list[Any]] = {}
        for entry in annotated(self._record, external if external_only else None):
            groups.setdefault(entry.feature.name, []).append(entry)
        return {name: value_of(self._lake, entries) for name, entries in groups.items()}

    def __getitem__(self, feature: Any) -> Any:
        """The value of one feature; records of categorical ones, not their names."""
        names = {getattr(feature, "name", feature)}
        entries = [e for e in annotated(self._record) if e.feature.name in names]
        if not isinstance(feature, str):
            entries = [e for e in entries if e.feature.uid == feature.uid]
        if not entries:
            if isinstance(feature, str) and feature not in _known_names(self._lake):
                raise ValidationError(f"Feature with name {feature} not found")
            return {}
        labels = [label for e in entries for label in e.labels]
        if not labels:
            return _listed(value_of(self._lake, entries))
        ordered = any(e.feature.dtype.kind == "list" for e in entries)
        tables = {table for table, _ in labels}
        by_table = self._lake.directory.by_table
        records = [by_table[table]._from_row(self._lake, dict(row)) for table, row in labels]
        if len(records) == 1 and not ordered:
            return records[0]
        if ordered or len(tables) > 1:
            return records
        query = records[0]._query()
        return query.filter(uid__in=[r.uid for r in records])

    @property
    def slots(self) -> Mapping[str, Any]:
        """The inferred schemas by slot: which features are in the dataset."""
        record, lake = self._record, self._lake
        schema = lake.directory.get("Schema")
        rows = lake.state.prefix(link_table(record.meta.table), record.uid, 10_000_000)
        links = [r for r in rows if r["registry"] == "schema" and r["slot"]]
        found = {r["uid"]: r for r in lake.state.rows("schema", [r["target_uid"] for r in links])}
        return {
            r["slot"]: schema._from_row(lake, found[r["target_uid"]])
            for r in links
            if r["target_uid"] in found
        }

    def describe(self, return_str: bool = False) -> str | None:  # noqa: FBT001, FBT002 - the peer's
        """Show the features as a tree.

        Args:
            return_str: Give the text instead of printing it.
        """
        return self._described(return_str=return_str)

    def __repr__(self) -> str:
        return self._described(return_str=True) or ""

    def _described(self, *, return_str: bool) -> str | None:
        show = self._lake.directory.describe
        text: str | None = show(self._record, return_str=return_str, features_only=True)
        return text


def _titled(record: Any) -> str:
    """What an error calls a record."""
    name = record._values.get("name") if record.meta.table == "record" else None
    return f"{record.meta.name} {name!r}" if name else f"{record.meta.name} (uid={record.uid})"


def _listed(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, set) else value


def _known_names(lake: Any) -> set[str]:
    return set(lake.state.arrow("feature")["name"].to_pylist())


def _by_name(values: Values, field: str) -> dict[Any, Any]:
    feature = current_lake().directory.get("Feature")
    return {
        (feature.filter(**{field: key}).one() if isinstance(key, str) else key): value
        for key, value in values.items()
    }


def _matching(lake: Any, feature: Known, value: Any) -> Callable[[dict[str, Any]], bool]:
    """Whether a row holds a value; any if none is given."""
    if value is None:
        return lambda row: True
    if feature.dtype.is_categorical:
        listed = value if isinstance(value, list | tuple | set) else [value]
        names = [v for v in listed if isinstance(v, str)]
        uids = {v.uid for v in listed if hasattr(v, "_values")}
        if names:
            prepared = prepare(
                lake, {feature.name: names}, "Failed to remove values", [(feature, True)]
            )
            uids.update(uid for _, _, uid, _ in prepared.labels)
        return lambda row: row.get("target_uid") in uids
    try:
        wanted = encoded(as_dtype(value, feature.dtype, convert=feature.coerce))
    except (TypeError, ValueError, ArithmeticError):
        wanted = encoded(value)
    if is_null(value):
        return lambda row: False
    return lambda row: "value" in row and encoded(plain(row["value"])) == wanted
