"""Parsed ontologies as Parquet, by content hash, so that each file is parsed once."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.config import settings, user_dir
from lakehouse.errors import StorageError
from lakehouse.ontology.model.model import SCHEMAS, LeftOut, Metadata, Ontology, Repair

Keep = Path | str | Literal[False] | None

TEMPORARY = ".tmp-"
_STALE = 24 * 3600
# raise it whenever the same file would give other tables
PARSER_VERSION = 6
_ABOUT = "about.json"


@dataclass(frozen=True)
class Shelf:
    """A folder of parsed ontologies.

    Attributes:
        path: The folder; made when something is stored.
        required: Whether failing to write is an error (the caller named the folder) or merely
            costs the next reader a parse (a default cache on a read-only machine).
    """

    path: Path
    required: bool

    @classmethod
    def at(cls, path: Path | str | None) -> Shelf:
        """The shelf in a folder, or the default one."""
        if path is not None:
            return cls(Path(path), required=True)
        given = os.environ.get("LAKEHOUSE_CACHE_DIR")
        cache = Path(given) if given else user_dir("cache") or settings.cache_dir
        return cls(cache / "ontologies", required=False)

    def folder(self, digest: str) -> Path:
        """Where a source's tables lie: content, parser and reader versions name it."""
        return self.path / f"{digest}-{PARSER_VERSION}-{version('pronto')}"

    def load(self, digest: str) -> Ontology | None:
        """A parsed ontology, or None when it isn't there or is damaged."""
        folder = self.folder(digest)
        try:
            about = orjson.loads((folder / _ABOUT).read_bytes())
            tables = {name: _read(folder / f"{name}.parquet") for name in SCHEMAS}
            repairs = tuple(Repair(*row) for row in about["repairs"])
            left_out = tuple(LeftOut(*row) for row in about["left_out"])
            metadata = Metadata(**about["metadata"])
            kept = Ontology(**tables, metadata=metadata, repairs=repairs, left_out=left_out)
        except (OSError, ValueError, KeyError, TypeError):
            # pa.ArrowInvalid and orjson's error are ValueErrors; a damaged copy is parsed anew
            return None
        whole = all(tables[name].schema.equals(SCHEMAS[name]) for name in SCHEMAS)
        return kept if whole else None

    def store(self, digest: str, ontology: Ontology) -> None:
        """Keep a parsed ontology; the folder appears whole or not at all.

        Raises:
            StorageError: The folder was named by the caller and can't be written.
        """
        temporary = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_stale(self.path)
            temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=self.path))
            for name in SCHEMAS:
                table = getattr(ontology, name)
                pq.write_table(table, temporary / f"{name}.parquet", compression="zstd")
            about = {
                "metadata": asdict(ontology.metadata),
                "repairs": [[r.line_number, r.text, r.reason] for r in ontology.repairs],
                "left_out": [[e.kind, e.count, e.example] for e in ontology.left_out],
            }
            (temporary / _ABOUT).write_bytes(orjson.dumps(about))
            self._publish(temporary, self.folder(digest))
        except OSError as error:
            if self.required:
                raise StorageError(
                    f"The parsed ontology can't be kept in {self.path}.",
                    found=str(error),
                    expected="a writable folder",
                    hint="pass keep=<another folder>, or keep=False to keep nothing",
                ) from error
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)

    def _publish(self, temporary: Path, target: Path) -> None:
        # a folder already there is either damaged (or we would have loaded it) or equal
        if target.exists():
            shutil.rmtree(target, ignore_errors=True)
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():
                raise


def remove_stale(folder: Path) -> None:
    """Remove what killed processes left half written; what is younger may still be written."""
    oldest = time.time() - _STALE
    for path in folder.glob(f"{TEMPORARY}*"):
        try:
            if path.stat().st_mtime >= oldest:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError:
            # another process was faster, or it belongs to somebody else
            continue


def _read(path: Path) -> pa.Table:
    return pq.read_table(path, memory_map=False).combine_chunks()
