"""Artifacts: datasets and models stored as files, folders or arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lakehouse._lazy import is_a
from lakehouse.config import notify
from lakehouse.errors import (
    ContentChanged,
    InvalidArgument,
    InvalidKey,
)
from lakehouse.features.filter import lookup_on
from lakehouse.features.frames import with_features
from lakehouse.orm import BaseRecord, current_lake, version_fields
from lakehouse.orm.model.checks import check_same_lake
from lakehouse.orm.model.context import active_batch, use
from lakehouse.registries.artifact import place as placing
from lakehouse.registries.artifact.constructors import ArtifactConstructors
from lakehouse.registries.artifact.payload import Payload, changed_payload, payload_of
from lakehouse.registries.artifact.row import OWN, PATH_SQL, ArtifactRow
from lakehouse.registries.artifact.validate import schema_named, validate_payload, validated_payload
from lakehouse.registries.relations import relations_of
from lakehouse.storage import check_key

if TYPE_CHECKING:
    from lakehouse.registries.place import Branch, Space, Storage
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema.record import Schema


class Artifact(
    ArtifactConstructors,
    row=ArtifactRow,
    name_field="key",
    unique=(("hash_key",),),
    immediate=("storage_key", "storage_uid", "hash", "hash_key", "key_is_virtual"),
    versioned=True,
    foreign_keys={"storage": "Storage", "schema": "Schema"},
    aliases={"transform": "run__transform", "feature_sets": "schemas"},
    computed={**version_fields("artifact"), "path": ("str", PATH_SQL)},
    relations=relations_of("Artifact"),
    feature_lookup=lookup_on("artifact"),
    feature_columns=with_features,
    private=("hash_key", "storage_key", "key_is_virtual", "overwrite_versions", "schema_hash"),
    derived=dict.fromkeys(
        ("size", "hash", "suffix", "n_files", "storage_key", "hash_key", "schema_hash"),
        "artifact.replace(path).save(), or a new version: ln.Artifact(path, revises=artifact)",
    )
    | {"storage": "ln.Artifact(artifact.path, key=…, storage=…) stores it there, too"},
):
    """Datasets & models stored as files, folders or arrays.

    Content that is known already gives the existing artifact. A key that exists already
    makes a new version of it.

    Args:
        path: A local or remote file or folder, or an object in memory: a pandas or polars
            DataFrame, a pyarrow Table, an AnnData.
        key: A relative path within the storage location, e.g. `"study/cells.h5ad"`.
        description: What it is.
        kind: `"dataset"`, `"model"` or any other word.
        features: External features, validated and linked: `{"temperature": 21.6}`.
        schema: A schema, or its name, that the content must satisfy.
        revises: The artifact of which this is a new version, instead of passing `key`.
        overwrite_versions: Taken for compatibility; every version is kept, of folders too.
        storage: The storage location; the lake's own by default.
        branch: The branch; the current one by default.
        space: The space; the current one by default.
        skip_hash_lookup: Make a new artifact even if the content is known.
        key_is_virtual: False stores the bytes under the key itself.
        version, version_tag: A tag for the version, e.g. `"1.0"`.

    Raises:
        UnreadableFile: Nothing is there, or the file isn't what its suffix says.
        ValidationError: The content doesn't match the schema. Nothing is saved.
        InvalidKey, InconsistentKey: The key can't be used, or contradicts the file.

    Example:
        >>> Artifact("cells.parquet", key="study/cells.parquet").save()
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            path: Any = None,
            *,
            key: str | None = None,
            description: str | None = None,
            kind: str | None = None,
            features: Mapping[Any, Any] | None = None,
            schema: Schema | str | None = None,
            revises: Artifact | None = None,
            overwrite_versions: bool | None = None,
            run: Run | bool | None = None,
            storage: Storage | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            skip_hash_lookup: bool | None = None,
            key_is_virtual: bool | None = None,
            extra_data: dict[str, Any] | None = None,
            version: str | None = None,
            version_tag: str | None = None,
            format: str | None = None,
            write_kwargs: Mapping[str, Any] | None = None,
        ) -> None: ...

    def _construct(
        self,
        path: Any = None,
        *more: Any,
        key: str | None = None,
        description: str | None = None,
        kind: str | None = None,
        features: Mapping[Any, Any] | None = None,
        schema: Schema | str | None = None,
        revises: Artifact | None = None,
        overwrite_versions: bool | None = None,
        run: Run | bool | None = None,
        storage: Storage | None = None,
        branch: Branch | None = None,
        space: Space | None = None,
        skip_hash_lookup: bool | None = None,
        key_is_virtual: bool | None = None,
        extra_data: dict[str, Any] | None = None,
        version: str | None = None,
        version_tag: str | None = None,
        format: str | None = None,
        write_kwargs: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> None:
        _check_call(path, more, others)
        if key is not None:
            check_key(key)
        lake = current_lake()
        _check_related(lake, revises, schema)
        if revises is not None:
            key = revises.key if key is None else key
            description = description or revises.description
        options = {"format": format, "kwargs": write_kwargs}
        payload = validated_payload(lake, path, key, schema, features, **options)
        home = None if payload.owned else placing.home_of(lake, payload.path)
        if home is not None and key is None:
            key = home[1]
        object.__setattr__(self, "_payload", payload)
        object.__setattr__(self, "_in_place", home is not None)
        dedupe = home is None if skip_hash_lookup is None else not skip_hash_lookup
        dedupe = dedupe and payload.size() > 0
        super().__init__(
            key=key,
            description=description,
            kind=kind,
            suffix=payload.suffix,
            run=run or None,
            branch=branch,
            space=space,
            extra_data=extra_data,
            version_tag=version_tag or version,
            hash_key=_known_hash(lake, payload) if dedupe else None,
        )
        if self._saved or id(self) in _twins(lake):
            self._tell_key(key)
            if self._saved:
                self._validate_known(schema, features)
            return
        self._check_told(lake, key, run, description, revises, schema, features)
        object.__setattr__(self, "_dedupe", dedupe)
        self._values["overwrite_versions"] = False
        if overwrite_versions:
            notify("every version is kept: overwrite_versions=True changes nothing here", "warning")
        self._choose_place(home, storage, virtual=key_is_virtual is not False)
        if home is not None and not skip_hash_lookup and (row := self._registered(payload)):
            self._adopt(row)
            self._validate_known(schema, features)
            return
        self._begin_version(revises, schema, features)

    if not TYPE_CHECKING:
        __init__ = _construct

    def _begin_version(
        self, revises: Artifact | None, schema: Any, features: Mapping[Any, Any] | None
    ) -> None:
        """New content: the next version of its family, validated and described."""
        if revises is not None:
            self._revise(revises)
        else:
            self._join_family()
        wanted = schema_named(schema)
        if wanted is not None:
            self._values["schema_uid"] = wanted.uid
            self._values["schema_hash"] = wanted.hash
        object.__setattr__(self, "_asked", (wanted, features))
        self._judge()

    def _judge(self) -> None:
        """Validate the content as it was asked for, and describe it."""
        wanted, features = self._asked
        if wanted is not None or features:
            self._validate(wanted, features)
        self._describe_content()

    @staticmethod
    def _check_told(lake: Any, *told: Any) -> None:
        """Refuse an artifact of which nobody could say later what it is.

        Raises:
            InvalidArgument: Nothing is told of it, and it isn't made in a tracked run.
        """
        if not any(told) and lake.run_uid is None:
            raise InvalidArgument(
                "Pass one of key, run or description as a parameter",
                hint="ln.Artifact(path, key='folder/name.csv')",
            )

    def _set_given(self, given: dict[str, Any]) -> None:
        """The content is known: the artifact keeps what it is, but takes a new description."""
        for name in ("description", "kind"):
            if given.get(name) is not None and given[name] != self._values.get(name):
                self._set(name, given[name])

    def _choose_place(
        self, home: tuple[dict[str, Any], str] | None, storage: Any, *, virtual: bool
    ) -> None:
        """Say where the content lies, or will lie.

        Args:
            home: The storage location and the key there, if it is registered in place.
            storage: The storage location that was asked for.
            virtual: Whether the key is a name only, and the bytes lie elsewhere.
        """
        values = self._values
        if home is not None:
            values["storage_uid"], values["storage_key"] = home[0]["uid"], home[1]
            values["key_is_virtual"] = False
            return
        if storage is not None:
            self._set_related("storage", storage)
        else:
            values["storage_uid"] = self._lake.storage_uid
        if not virtual and values.get("key") is None:
            raise InvalidArgument("An artifact whose key isn't virtual needs a key.", hint="key=…")
        if not virtual and str(values["key"]).startswith(OWN):
            raise InvalidKey(
                f"The key {values['key']!r} lies among the lake's own files.",
                hint="choose another key, or leave it virtual",
            )
        values["key_is_virtual"] = virtual

    def _registered(self, payload: Payload) -> dict[str, Any] | None:
        """The row of content that is registered in place already."""
        rows = self._lake.state.arrow("artifact")
        same = pc.equal(rows["storage_key"], self._values["storage_key"])
        hits = rows.filter(
            pc.and_(same, pc.equal(rows["storage_uid"], self._values["storage_uid"]))
        )
        uids = hits["uid"].to_pylist()
        row = self._lake.state.row("artifact", max(uids)) if uids else None
        return row if row is not None and row["hash"] == payload.hashed().hash else None

    def _validate(self, schema: Schema | None, features: Mapping[Any, Any] | None) -> None:
        payload = self._payload
        assert payload is not None
        description = placing.description_of(payload)
        with use(self._lake):
            outcome = validate_payload(self._lake, payload, description, schema, features)
        object.__setattr__(self, "_validation", outcome)
        if outcome.table is not None:
            self._rewrite(payload, outcome.table)

    def _validate_known(self, schema: Any, features: Mapping[Any, Any] | None) -> None:
        """Content that is known is validated, too, and annotated when it is saved."""
        if schema is None and not features:
            return
        wanted = schema_named(schema)
        payload = self._payload
        assert payload is not None
        description = placing.description_of(payload)
        with use(self._lake):
            outcome = validate_payload(self._lake, payload, description, wanted, features)
        if outcome.table is not None:
            raise InvalidArgument(
                f"The schema coerces content that is stored uncoerced as {self!r}.",
                hint="pass skip_hash_lookup=True to store the coerced content as well",
            )
        if not payload.is_unchanged():
            raise ContentChanged(f"{payload.path!r} changed while it was judged.", hint="try again")
        object.__setattr__(self, "_validation", outcome)
        if wanted is not None:
            self._set("schema_uid", wanted.uid)
            self._set("schema_hash", wanted.hash)
        self._dirty = True

    def _judge_assigned(self) -> None:
        """Content has to satisfy the schema that was assigned to its artifact.

        Raises:
            ValidationError: It doesn't; nothing is saved.
        """
        uid, changed = self._values.get("schema_uid"), "schema_uid" in (self._old or {})
        asked = self._asked[0]
        judged = self._validation is not None and (self._validation.demanded or ("",))[0] == uid
        if judged or not (changed if self._saved else uid != (asked and asked.uid)):
            return
        if uid is None:
            self._set("schema_hash", None)
            return
        schema, features = self._get_related("schema"), None
        if self._saved:
            features = self.features.get_values(external_only=True) or None
        if self._payload is not None:
            object.__setattr__(self, "_asked", (schema, features or self._asked[1]))
            self._judge()
            self._set("schema_hash", schema.hash)
            return
        object.__setattr__(self, "_payload", payload_of(self.path, None))
        try:
            self._validate_known(schema, features)
        finally:
            object.__setattr__(self, "_payload", None)

    def _rewrite(self, payload: Payload, table: Any) -> None:
        """Coercion changed the data: what is stored is the coerced table."""
        pandas = is_a(payload.obj, "pandas.DataFrame")
        if isinstance(table, Mapping):
            new = changed_payload(payload, placing.local_copy(payload), table)
            if not payload.is_unchanged():
                raise ContentChanged(
                    f"{payload.path!r} changed while it was judged.", hint="try again"
                )
        else:
            new = payload_of(table.to_pandas() if pandas else table, f"data{payload.suffix}")
        object.__setattr__(self, "_payload", new)
        self._values.pop("hash_key", None)


def _check_call(path: Any, more: tuple[Any, ...], others: Mapping[str, Any]) -> None:
    """Refuse calls without content, and with arguments that there aren't."""
    if more:
        raise InvalidArgument(
            "Only one non-keyword arg allowed: path",
            found=", ".join(map(repr, more)),
            hint=f"ln.Artifact({path!r}, key={more[0]!r})",
        )
    if others:
        raise Artifact.meta.unknown(next(iter(others)))
    if path is None:
        raise InvalidArgument(
            "An artifact is made from a path or an object.",
            hint="ln.Artifact('file.csv', key=…)",
        )


def _check_related(lake: Any, revises: Any, schema: Any) -> None:
    """Refuse records of another lake than the one that an artifact is made in."""
    if revises is not None and not isinstance(revises, Artifact):
        raise InvalidArgument("An Artifact revises an Artifact.", found=repr(revises))
    for record in (revises, schema):
        if isinstance(record, BaseRecord):
            check_same_lake(record, lake, "the new artifact")


def _twins(lake: Any) -> Iterable[int]:
    batch = active_batch(lake)
    return () if batch is None else batch._twins


def _known_hash(lake: Any, payload: Payload) -> str | None:
    """The content's hash, if any artifact has its size: only then can it be known."""
    size = payload.size()
    if active_batch(lake) is None and not lake.matcher.holds(Artifact.meta, "size", size):
        return None
    return payload.hashed().hash
