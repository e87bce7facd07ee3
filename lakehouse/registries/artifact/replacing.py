"""Replacing an artifact's content without making a new version."""

from __future__ import annotations

import os
from typing import Any

from lakehouse.config import notify
from lakehouse.errors import InconsistentKey, InvalidArgument
from lakehouse.orm.context import active_batch
from lakehouse.registries.artifact import placing
from lakehouse.registries.artifact.payload import Payload, payload_of
from lakehouse.registries.artifact.row import managed_key
from lakehouse.registries.artifact.saving import ArtifactSaving


class ArtifactReplacing(ArtifactSaving):
    """The part of an artifact that takes other content."""

    def replace(self, data: Any, run: Any = None, format: str | None = None) -> None:
        """Replace the content without making a new version; call `save()` afterwards.

        Args:
            data: A path or an object, as for `Artifact`.
            run: The run that made it.
            format: The format to store an object in.

        Content of another format changes the suffix of the artifact and of its key.

        Raises:
            InvalidArgument: The format is another one and the bytes lie under the key itself, a
                folder would become a file, or the open transaction saves the artifact already.
        """
        batch = active_batch(self._lake)
        if batch is not None and batch.holds(self):
            raise InvalidArgument(
                f"{self!r} is saved by the open transaction with the content that it has.",
                hint="replace the content before save(), or after the transaction",
            )
        payload = _replacement(data, self.suffix or "", format)
        placing.description_of(payload)  # what can't be read replaces nothing
        self._check_replacement(payload)
        object.__setattr__(self, "_payload", payload)
        object.__setattr__(self, "_asked", (None, None))
        if payload.suffix != (self.suffix or ""):
            self._take_suffix(payload.suffix)
        if not self._saved:
            self._values.pop("hash_key", None)
            self._describe_content()
            return
        object.__setattr__(self, "_in_place", False)
        if not self._replaced:
            self._set("storage_key", managed_key(self.uid, self.suffix or "", again=True))
        object.__setattr__(self, "_replaced", True)
        self._set("hash_key", None)
        self._set("schema_uid", None)
        self._set("schema_hash", None)
        if run is not None:
            self.run = run
        self._describe_content()
        self._dirty = True

    def _check_replacement(self, payload: Payload) -> None:
        """Refuse a folder in the place of a file, and another format under a real key."""
        was_folder = self._values.get("n_files") is not None
        if payload.is_folder != was_folder:
            kinds = ("a folder", "a file") if was_folder else ("a file", "a folder")
            raise InvalidArgument(
                f"It is not allowed to replace {kinds[0]} with {kinds[1]}.",
                found=payload.path,
                hint="make a new artifact",
            )
        if payload.suffix != (self.suffix or "") and not self._values.get("key_is_virtual"):
            raise InvalidArgument(
                f"{self!r} can only be replaced by content of the same format, since its bytes "
                "lie under the key itself.",
                found=payload.suffix or "no suffix",
                expected=self.suffix or "no suffix",
            )

    def _take_suffix(self, suffix: str) -> None:
        """The content is of another format now, and so the key ends in another suffix."""
        key, before = self.key, self.suffix or ""
        if key is not None:
            renamed = key[: len(key) - len(before)] + suffix
            notify(
                f"replacing the file will replace key {key!r} with {renamed!r} upon `save()`",
                "warning",
            )
            self._set("key", renamed)
        self._set("suffix", suffix)


def _replacement(data: Any, suffix: str, format: str | None) -> Payload:
    """New content: objects are written in the format of the old one where they can be."""
    if isinstance(data, str | os.PathLike):
        return payload_of(data, None, format=format)
    try:
        return payload_of(data, f"data{suffix}", format=format)
    except InconsistentKey:
        return payload_of(data, None, format=format)
