"""Artifacts: datasets and models stored as files, folders or arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow.compute as pc

from lakehouse import storage as store
from lakehouse.annotation import annotate
from lakehouse.annotation.features import FeatureManager
from lakehouse.annotation.lookup import feature_lookup
from lakehouse.annotation.managers import manager_of
from lakehouse.annotation.tables import insert_snapshots
from lakehouse.config import notify, settings
from lakehouse.errors import (
    InconsistentKey,
    InvalidArgument,
    InvalidKey,
    MixedLakes,
    UnreadableFile,
)
from lakehouse.formats import format_for, format_in
from lakehouse.formats.base import Description
from lakehouse.identity import next_version
from lakehouse.orm import BaseRecord, Relation, Versioned, current_lake, latest_sql, relations
from lakehouse.orm.context import use
from lakehouse.registries.artifact import families, placing
from lakehouse.registries.artifact.payload import Payload, payload_of
from lakehouse.registries.artifact.row import OWN, ArtifactRow, managed_key
from lakehouse.registries.artifact.validating import Validation, schema_named, validate_payload
from lakehouse.storage import CacheDir, check_key

if TYPE_CHECKING:
    from upath import UPath

    from lakehouse.engine import Changes
    from lakehouse.orm import Batch
    from lakehouse.registries.schema import Schema

_LINKED = 10_000_000
_TARGETS = {
    "ulabels": ("ULabel", "ulabel"),
    "records": ("Record", "record"),
    "users": ("User", "user"),
    "schemas": ("Schema", "schema"),
    "cell_types": ("bionty.CellType", "cell_type"),
    "organisms": ("bionty.Organism", "organism"),
    "genes": ("bionty.Gene", "gene"),
    "tissues": ("bionty.Tissue", "tissue"),
    "diseases": ("bionty.Disease", "disease"),
    "phenotypes": ("bionty.Phenotype", "phenotype"),
    "pathways": ("bionty.Pathway", "pathway"),
    "experimental_factors": ("bionty.ExperimentalFactor", "experimental_factor"),
    "developmental_stages": ("bionty.DevelopmentalStage", "developmental_stage"),
    "cell_lines": ("bionty.CellLine", "cell_line"),
    "ethnicities": ("bionty.Ethnicity", "ethnicity"),
}


class Artifact(
    Versioned,
    row=ArtifactRow,
    name_field="key",
    unique=(("hash_key",),),
    versioned=True,
    foreign_keys={"storage": "Storage", "schema": "Schema"},
    aliases={"transform": "run__transform"},
    computed={"is_latest": ("bool", latest_sql("artifact"))},
    relations=relations(
        *(
            Relation(name, registry, "artifact_link", registry=table, manager=manager_of(name))
            for name, (registry, table) in _TARGETS.items()
        )
    ),
    feature_lookup=feature_lookup,
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
        storage: The storage location; the lake's own by default.
        skip_hash_lookup: Make a new artifact even if the content is known.
        key_is_virtual: False stores the bytes under the key itself.

    Raises:
        UnreadableFile: Nothing is there, or the file isn't what its suffix says.
        ValidationError: The content doesn't match the schema. Nothing is saved.
        InvalidKey, InconsistentKey: The key can't be used, or contradicts the file.

    Example:
        >>> Artifact("cells.parquet", key="study/cells.parquet").save()  # doctest: +SKIP
    """

    _payload: Payload | None = None
    _description: Description | None = None
    _validation: Validation | None = None
    _in_place: bool = False
    _stored: str | None = None
    _replaced: str | None = None

    def __init__(
        self,
        path: Any = None,
        *,
        key: str | None = None,
        description: str | None = None,
        kind: str | None = None,
        features: Mapping[Any, Any] | None = None,
        schema: Any = None,
        revises: Artifact | None = None,
        overwrite_versions: bool | None = None,
        run: Any = None,
        storage: Any = None,
        branch: Any = None,
        skip_hash_lookup: bool | None = None,
        key_is_virtual: bool | None = None,
        extra_data: dict[str, Any] | None = None,
        version_tag: str | None = None,
        format: str | None = None,
        write_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if path is None:
            raise InvalidArgument(
                "An artifact is made from a path or an object.",
                hint="ln.Artifact('file.csv', key=…)",
            )
        if key is not None:
            check_key(key)
        lake = current_lake()
        if revises is not None and not isinstance(revises, Artifact):
            raise InvalidArgument("An Artifact revises an Artifact.", found=repr(revises))
        _check_same(lake, revises, schema)
        if revises is not None and key is None:
            key = revises.key
        payload = payload_of(path, key, format=format, kwargs=write_kwargs)
        home = None if payload.owned else placing.home_of(lake, payload.path)
        if home is not None and key is None:
            key = home[1]
        object.__setattr__(self, "_payload", payload)
        object.__setattr__(self, "_in_place", home is not None)
        columns: dict[str, Any] = {
            "key": key,
            "description": description,
            "kind": kind,
            "suffix": payload.suffix,
            "run": run or None,
            "branch": branch,
            "extra_data": extra_data,
            "version_tag": version_tag,
        }
        dedupe = home is None if skip_hash_lookup is None else not skip_hash_lookup
        dedupe = dedupe and payload.size() > 0
        if dedupe and _size_known(lake, payload.size()):
            columns["hash_key"] = payload.hashed().hash
        super().__init__(**columns)
        if self._saved or id(self) in _twins(lake):
            self._tell_key(key)
            if self._saved and (schema is not None or features):
                self._validate_known(schema, features)
            return
        object.__setattr__(self, "_dedupe", dedupe)
        self._fill(
            lake,
            payload,
            home,
            storage,
            key_is_virtual=key_is_virtual,
            overwrite_versions=overwrite_versions,
        )
        if home is not None and not skip_hash_lookup and (row := self._registered(payload)):
            self._adopt(row)
            if schema is not None or features:
                self._validate_known(schema, features)
            return
        self._find_family(key, revises)
        wanted = schema_named(schema)
        if wanted is not None:
            self._values["schema_uid"] = wanted.uid
        if wanted is not None or features:
            self._validate(wanted, features)
        self._describe_content()

    _dedupe: bool = True

    def _tell_key(self, key: str | None) -> None:
        if key is not None and self.key != key:
            notify(
                f"this content is known as the artifact with key {self.key!r}, which is returned; "
                "skip_hash_lookup=True makes another one",
                "warning",
            )

    def _set_given(self, given: dict[str, Any]) -> None:
        """The content is known: the artifact keeps what it is, but takes a new description."""
        for name in ("description", "kind"):
            if given.get(name) is not None and given[name] != self._values.get(name):
                self._set(name, given[name])

    def _fill(
        self,
        lake: Any,
        payload: Payload,
        home: tuple[dict[str, Any], str] | None,
        storage: Any,
        *,
        key_is_virtual: bool | None,
        overwrite_versions: bool | None,
    ) -> None:
        values = self._values
        is_folder = not payload.remote and os.path.isdir(payload.path)
        values["overwrite_versions"] = (
            is_folder if overwrite_versions is None else overwrite_versions
        )
        if home is not None:
            values["storage_uid"], values["storage_key"] = home[0]["uid"], home[1]
            values["key_is_virtual"] = False
            return
        if storage is not None:
            self._set_related("storage", storage)
        else:
            values["storage_uid"] = lake.storage_uid
        virtual = key_is_virtual is not False
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

    def _find_family(self, key: str | None, revises: Artifact | None) -> None:
        if revises is not None:
            self._revise(revises)
            return
        if key is None:
            return
        uid = families.family_of(self._lake, key)
        self._claims_uid = True
        if uid is not None:
            row = self._lake.state.row("artifact", uid)
            if row is not None:
                self._revise(Artifact._from_row(self._lake, row))

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
        object.__setattr__(self, "_validation", outcome)
        if wanted is not None:
            self._set("schema_uid", wanted.uid)
        self._dirty = True

    def _rewrite(self, payload: Payload, table: Any) -> None:
        """Coercion changed the data: what is stored is the coerced table."""
        pandas = payload.obj is not None and type(payload.obj).__module__.startswith("pandas")
        new = payload_of(table.to_pandas() if pandas else table, f"data{payload.suffix}")
        object.__setattr__(self, "_payload", new)
        self._values.pop("hash_key", None)

    def _describe_content(self) -> None:
        payload = self._payload
        assert payload is not None
        description = placing.description_of(payload)
        object.__setattr__(self, "_description", description)
        if description is not None:
            self._set("otype", description.otype)
            self._set("n_observations", description.n_observations)

    # -- constructors ------------------------------------------------------------------

    @classmethod
    def from_dataframe(
        cls,
        df: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Any = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Any = None,
        parquet_kwargs: Mapping[str, Any] | None = None,
        csv_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a table, validated and annotated if a schema is given.

        Args:
            df: A pandas or polars DataFrame, a pyarrow Table, or the path of a table.
            key, description, schema, features, revises, run: See `Artifact`.
            parquet_kwargs: For the Parquet writer.
            csv_kwargs: For the CSV writer.
            **kwargs: Further arguments of `Artifact`.
        """
        cls._refuse(df, "DataFrame", key)
        return cls(
            df,
            key=key,
            description=description,
            kind=kwargs.pop("kind", "dataset"),
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            write_kwargs=parquet_kwargs or csv_kwargs,
            **kwargs,
        )

    @classmethod
    def from_anndata(
        cls,
        adata: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Any = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Any = None,
        format: str | None = None,
        h5ad_kwargs: Mapping[str, Any] | None = None,
        zarr_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of an AnnData, validated and annotated if a schema is given.

        Args:
            adata: An AnnData, or the path of one.
            key, description, schema, features, revises, run: See `Artifact`.
            format: `"h5ad"` or `"zarr"`; by default what the key's suffix says.
            h5ad_kwargs, zarr_kwargs: For the writers.
            **kwargs: Further arguments of `Artifact`.
        """
        cls._refuse(adata, "AnnData", key)
        return cls(
            adata,
            key=key,
            description=description,
            kind=kwargs.pop("kind", "dataset"),
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            format=format,
            write_kwargs=h5ad_kwargs or zarr_kwargs,
            **kwargs,
        )

    @staticmethod
    def _refuse(data: Any, otype: str, key: str | None) -> None:
        """Refuse a path whose format is of another type of object."""
        if isinstance(data, str | os.PathLike):
            adapter = format_for(os.fspath(data)) or (
                format_in(data) if os.path.isdir(data) else None
            )
            if os.path.exists(data) and (adapter is None or adapter.otype != otype):
                raise UnreadableFile(
                    f"{os.fspath(data)!r} holds no {otype}.",
                    found=adapter.otype or adapter.name if adapter else "an unknown format",
                    hint=f"ln.Artifact(path, key={key!r})",
                )

    @classmethod
    def from_dir(
        cls, path: str | os.PathLike[str], *, key: str | None = None, run: Any = None
    ) -> ArtifactList:
        """One artifact per file in a directory.

        Args:
            path: The directory.
            key: Prefix of the keys; the directory's name by default, or its place in a
                registered storage location.
            run: The run that made the files.

        Example:
            >>> Artifact.from_dir("project/run_1").save()  # doctest: +SKIP
        """
        folder = Path(path).expanduser().absolute()
        if not folder.is_dir():
            raise UnreadableFile(f"{str(folder)!r} is no directory.")
        lake = current_lake()
        home = placing.home_of(lake, str(folder))
        prefix = key if key is not None else (home[1] if home else folder.name)
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not _hidden(p, folder))
        inside = home is not None or str(folder) == lake.root
        return ArtifactList(
            cls(
                p,
                key=None if inside and key is None else f"{prefix}/{p.relative_to(folder)}",
                run=run,
            )
            for p in files
        )

    @classmethod
    def get(cls, uid: str | None = None, **lookups: Any) -> Self:
        """One artifact; a key means its latest version."""
        choosing = {"is_latest", "version", "version_tag"} & lookups.keys()
        if uid is None and "key" in lookups and not choosing:
            found = list(cls.filter(**lookups).order_by("uid"))
            if len({a.stem_uid for a in found}) == 1:
                return found[-1]
        return super().get(uid, **lookups)

    # -- saving ------------------------------------------------------------------------

    @classmethod
    def _before_save_many(cls, batch: Batch, records: list[Any]) -> None:
        """Store the files of many artifacts at once, which is several times faster."""
        new = [r for r in records if not r._saved and r._payload is not None and r._stored is None]
        for record in new:
            record._number(batch)
        plain = [
            r for r in new if not r._in_place and not r._payload.owned and not r._payload.remote
        ]
        plain = [r for r in plain if not os.path.isdir(r._payload.path)]
        if len(plain) < 2:
            return
        for record in plain:
            record._plan()
        targets = [r._target() for r in plain]
        if len(set(targets)) < len(targets):
            return  # of two with one real key the second is refused, one by one
        for record, target in zip(plain, targets, strict=True):
            record._refuse_taken(target)
        batch.on_rollback(lambda: _forget_stored(plain))
        batch.on_rollback(lambda: placing.take_all_back(targets))
        contents = store.store_many(
            [(r._payload.path, t) for r, t in zip(plain, targets, strict=True)], progress=None
        )
        for record, target, content in zip(plain, targets, contents, strict=True):
            record._payload.content = content
            object.__setattr__(record, "_stored", target)

    def _number(self, batch: Batch) -> None:
        """Choose the uid among those of the family that the same transaction saves."""
        if self._numbered or self._saved:
            return
        self._values["uid"] = families.uid_among_staged(batch, self.uid, self.key)
        self._numbered = True
        batch.on_rollback(lambda: setattr(self, "_numbered", False))

    _numbered: bool = False

    def _uid_key(self) -> str | None:
        return families.claimed_key(self._values, super()._uid_key())

    def _renew_uid(self) -> bool:
        key = self._values.get("key")
        if key is None or not families.is_first(self.uid):
            return super()._renew_uid()
        before = families.latest_uid(self._lake, key, hidden=True)
        self._claims_uid = before is not None  # nobody has the key any more: it is free
        if before is not None:
            self._values["uid"] = next_version(before)
        return True

    def _plan(self) -> None:
        """Decide where the bytes will lie."""
        values = self._values
        if values.get("storage_key") is None:
            virtual = values["key_is_virtual"]
            values["storage_key"] = (
                managed_key(self.uid, values.get("suffix") or "") if virtual else values["key"]
            )

    def _target(self) -> str:
        location = placing.location_of(self._lake, self._values["storage_uid"])
        return location.uri(self._values["storage_key"])

    def _before_save(self, batch: Batch) -> None:
        payload = self._payload
        if self._saved and self._old is not None and "key" in self._old:
            self._rename(batch, self._old["key"])
        if self._saved and self._replaced is None and self._validation is not None:
            annotation, now = self._validation.annotation, batch.now
            batch.stage(lambda c: annotate.stage(c, annotation, self.uid, self._lake, now))
            batch.on_commit(lambda: setattr(self, "_validation", None))
        if payload is None or (self._saved and self._replaced is None):
            return
        self._number(batch)
        self._store(batch, payload)
        content = payload.hashed()
        self._set("size", content.size)
        self._set("hash", content.hash)
        self._set("n_files", content.n_files)
        if self._replaced is not None:
            known = self._lake.matcher.find(self.meta, {"hash_key": content.hash})
            if known is None or known["uid"] == self.uid:
                self._set("hash_key", content.hash if content.size else None)
        elif self._dedupe:
            self._values["hash_key"] = content.hash
            self._find_twin(batch)
            if self._saved:
                return
        batch.stage(lambda changes: self._stage(changes, batch))
        batch.on_commit(lambda: self._settle(batch))

    def _rename(self, batch: Batch, before: str | None) -> None:
        """Give back the old key, and take the new one unless another family has it."""
        after = check_key(self._values["key"]) if self._values.get("key") is not None else None

        def stage(changes: Changes) -> None:
            if before is not None:
                changes.release("artifact", families.family_claim(before), self.uid)
            if after is not None and families.is_first(self.uid):
                changes.claim("artifact", families.family_claim(after), self.uid)

        batch.stage(stage)

    def _store(self, batch: Batch, payload: Payload) -> None:
        if self._in_place:
            payload.hashed()
            return
        self._plan()
        target = self._target()
        if self._replaced == "":
            self._store_beside(batch, payload, target)
            return
        if self._stored is None:
            self._refuse_taken(target)
            batch.on_rollback(lambda: self._unstore(target))
            placing.put(payload, target)
            object.__setattr__(self, "_stored", target)
        elif self._stored != target:
            raise InvalidArgument(f"{self!r} was stored at another place.", found=self._stored)

    def _refuse_taken(self, target: str) -> None:
        """Bytes under a real key are never written over by another artifact."""
        if not self._values.get("key_is_virtual") and store.exists(target):
            raise InconsistentKey(
                f"There already is a file at the place of {self!r}.",
                found=target,
                hint="register it in place: ln.Artifact(that path), or leave the key virtual",
            )

    def _store_beside(self, batch: Batch, payload: Payload, target: str) -> None:
        """Store content that replaces other content once the commit has happened."""
        location = placing.location_of(self._lake, self._values["storage_uid"])
        beside = location.uri(managed_key(self.uid, self.suffix or "", again=True))
        batch.on_rollback(lambda: self._unstore(beside))
        placing.put(payload, beside)
        batch.on_commit(lambda: placing.move(beside, target))

    def _unstore(self, target: str) -> None:
        placing.take_back(target)
        object.__setattr__(self, "_stored", None)
        if self._payload is not None and self._payload.owned and self._payload.obj is not None:
            renewed = payload_of(self._payload.obj, f"data{self._payload.suffix}")
            object.__setattr__(self, "_payload", renewed)

    def _find_twin(self, batch: Batch) -> None:
        """The content may be known after all, now that its hash is."""
        target = self._stored
        row = self._lake.matcher.find(self.meta, self._values)
        if row is None:
            return
        key = self._values.get("key")
        self._adopt(row)
        self._tell_key(key)
        if target is not None and target != self._target():
            batch.on_commit(lambda: placing.take_back(target))

    def _stage(self, changes: Changes, batch: Batch) -> None:
        if self._saved and self._replaced is None:
            return  # another process saved this content first, and its row was adopted
        if self._replaced is not None:
            rows = self._lake.state.prefix("artifact_snapshot", self.uid, _LINKED)
            changes.delete("artifact_snapshot", [r["uid"] for r in rows])
        if self._description is not None:
            components = {
                slot: (c.schema, c.n_rows) for slot, c in self._description.components.items()
            }
            insert_snapshots(changes, self.uid, components)
        if self._validation is not None:
            annotate.stage(changes, self._validation.annotation, self.uid, self._lake, batch.now)

    def _settle(self, batch: Batch) -> None:
        stored, old = self._stored, self._replaced
        object.__setattr__(self, "_stored", None)
        object.__setattr__(self, "_payload", None)
        object.__setattr__(self, "_replaced", None)
        object.__setattr__(self, "_validation", None)
        if stored is not None and stored != self._target():
            placing.take_back(stored)  # an equal artifact was adopted
        if old:
            placing.take_back(old)

    def replace(self, data: Any, run: Any = None, format: str | None = None) -> None:
        """Replace the content without making a new version; call `save()` afterwards.

        Args:
            data: A path or an object, as for `Artifact`.
            run: The run that made it.
            format: The format to store an object in.
        """
        is_path = isinstance(data, str | os.PathLike)
        payload = payload_of(data, None if is_path else f"data{self.suffix or ''}", format=format)
        if payload.suffix != (self.suffix or ""):
            raise InvalidArgument(
                f"{self!r} can only be replaced by content of the same format.",
                found=payload.suffix,
                expected=self.suffix,
            )
        placing.description_of(payload)  # what can't be read replaces nothing
        object.__setattr__(self, "_payload", payload)
        if not self._saved:
            self._values.pop("hash_key", None)
            self._describe_content()
            return
        object.__setattr__(self, "_in_place", False)
        old = self._replaced or ""  # content under its own key is replaced where it is
        if self._values.get("key_is_virtual") and self._replaced is None:
            old = self._target()
            self._set("storage_key", managed_key(self.uid, self.suffix or "", again=True))
        object.__setattr__(self, "_replaced", old)
        self._set("hash_key", None)
        if run is not None:
            self.run = run
        self._describe_content()
        self._dirty = True

    def _before_delete(self, batch: Batch) -> None:
        target = self._target()
        virtual = bool(self._values.get("key_is_virtual"))
        wanted = self._delete_storage if self._delete_storage is not None else virtual

        def unlink(changes: Changes) -> None:
            for table in ("artifact_link", "artifact_snapshot", "feature_value"):
                rows = self._lake.state.prefix(table, self.uid, _LINKED)
                changes.delete(table, [r["uid"] for r in rows])

        batch.stage(unlink)
        if wanted:
            batch.on_commit(lambda: placing.take_back(target))

    _delete_storage: bool | None = None

    def delete(self, permanent: bool | None = None, storage: bool | None = None) -> None:  # noqa: FBT001
        """Move the artifact to the trash; delete it for good if it is there already.

        Args:
            permanent: True deletes at once.
            storage: Whether its bytes are deleted too; by default those that the lake manages.
        """
        object.__setattr__(self, "_delete_storage", storage)
        super().delete(permanent)

    # -- content -----------------------------------------------------------------------

    @property
    def path(self) -> UPath | Path:
        """Where the bytes lie, or will lie once it is saved."""
        if self._payload is not None and not self._saved and not self._in_place:
            self._plan()
        location = placing.location_of(self._lake, self._values["storage_uid"])
        if location.is_local:
            return Path(location.uri(self._values["storage_key"]))
        return location.path(self._values["storage_key"])

    @property
    def hash(self) -> str | None:
        """The content hash; computed when it is asked for before saving."""
        if self._payload is not None and self._values.get("hash") is None:
            return self._payload.hashed().hash
        found: str | None = self._values.get("hash")
        return found

    def cache(self, *, is_run_input: bool | None = None, mute: bool = False) -> Path:
        """A local path of the content; remote content is downloaded once and verified.

        Args:
            is_run_input: Accepted for the peer's sake; tracking comes with lineage.
            mute: Accepted for the peer's sake.
        """
        if self._payload is not None and not self._saved:
            return placing.local_copy(self._payload)
        location = placing.location_of(self._lake, self._values["storage_uid"])
        uri = location.uri(self._values["storage_key"])
        name = (self.key or self.storage_key).rpartition("/")[2]
        return CacheDir(settings.cache_dir).fetch(
            uri, name, self.size, self.hash or "", options=dict(location.options) or None
        )

    def load(self, *, is_run_input: bool | None = None, mute: bool = False, **kwargs: Any) -> Any:
        """The content in memory: a pandas DataFrame, an AnnData …; a path if it has no loader.

        Args:
            is_run_input, mute: Accepted for the peer's sake.
            **kwargs: For the loader.
        """
        path = self.cache()
        adapter = self._format(path)
        return path if adapter is None else adapter.load(path, **kwargs)

    def open(
        self,
        mode: str = "r",
        engine: str = "pyarrow",
        is_run_input: bool | None = None,  # noqa: FBT001 - the peer's signature
        **kwargs: Any,
    ) -> Any:
        """Open the content without loading it.

        Args:
            mode: `"r"`.
            engine: `"pyarrow"` for a dataset, `"polars"` for a context manager that yields a
                LazyFrame; only tables have a choice.
            is_run_input: Accepted for the peer's sake.
            **kwargs: For the reader.
        """
        if mode != "r":
            raise InvalidArgument("Artifacts are opened for reading.", found=mode, expected="'r'")
        path = self.cache()
        adapter = self._format(path)
        if adapter is None:
            raise InvalidArgument(
                f"{self!r} has no format that can be opened lazily.",
                found=self.suffix or "no suffix",
                hint="artifact.cache() gives the path",
            )
        return adapter.open(path, engine=engine, **kwargs)

    def _format(self, path: Path) -> Any:
        adapter = format_for(f"x{self.suffix}") if self.suffix else None
        if adapter is None and path.is_dir():
            adapter = format_in(path)
        return adapter

    # -- what it says ------------------------------------------------------------------

    @property
    def transform(self) -> Any:
        """The transform whose run made the artifact."""
        return None if self.run is None else self.run.transform

    @property
    def features(self) -> FeatureManager:
        """The features that the artifact is annotated with."""
        return FeatureManager(self)

    @property
    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Names and types of the columns by slot, from the schema snapshots."""
        state = self._lake.state
        found = {}
        for row in state.prefix("artifact_snapshot", self.uid, _LINKED):
            rows = state.prefix("snapshot_column", row["snapshot_uid"], _LINKED)
            found[row["slot"]] = [(r["name"], r["type"]) for r in rows]
        return dict(sorted(found.items()))

    def describe(self, return_str: bool = False) -> str | None:  # noqa: FBT001, FBT002 - the peer's
        """Show the artifact with its columns, features and labels.

        Args:
            return_str: Give the text instead of printing it.
        """
        from lakehouse.annotation.describe import artifact_tree, shown

        return shown(artifact_tree(self, self.features.by_slot()), return_str=return_str)


class ArtifactList(list[Artifact]):
    """Artifacts that are saved together."""

    def save(self) -> ArtifactList:
        """Save all in one commit."""
        if self:
            self[0]._lake.save(self)
        return self


def _check_same(lake: Any, *records: Any) -> None:
    """Refuse records of another lake than the one that an artifact is made in."""
    for record in records:
        if isinstance(record, BaseRecord) and record._lake.uid != lake.uid:
            raise MixedLakes(
                f"{record!r} belongs to another lake than the new artifact.",
                found=record._lake.root,
                expected=lake.root,
            )


def _forget_stored(artifacts: list[Artifact]) -> None:
    for artifact in artifacts:
        object.__setattr__(artifact, "_stored", None)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _twins(lake: Any) -> Iterable[int]:
    from lakehouse.orm.context import active_batch

    batch = active_batch(lake)
    return () if batch is None else batch._twins


def _size_known(lake: Any, size: int) -> bool:
    """Whether any artifact has this size: only then can its content be known."""
    from lakehouse.orm.context import active_batch

    if active_batch(lake) is not None:
        return True
    return bool(pc.index(lake.state.arrow("artifact")["size"], size).as_py() >= 0)
