"""What json, yaml and text share: files that are loaded whole and have no schema."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument
from lakehouse.formats.base import Description, is_path
from lakehouse.formats.probe import reading, sniff, unreadable, writing

if TYPE_CHECKING:
    import pyarrow as pa


class Plain(ABC):
    """Text that is read and written whole."""

    name: str
    suffixes: tuple[str, ...]
    otype: str | None = None
    expected: str

    @abstractmethod
    def parse(self, text: str) -> Any:
        """The object that a text stands for; `ValueError` if it stands for none."""

    @abstractmethod
    def dump(self, obj: Any, **kwargs: Any) -> str:
        """The text of an object; `TypeError` or `ValueError` if it has none."""

    def describe(self, path: Path) -> Description:
        """See `Format.describe`; there is nothing to say but that the file can be read."""
        found, _ = sniff(Path(path))
        if found == "a folder" or found.startswith(("nothing", "a file that")):
            raise unreadable(Path(path), self.expected)
        return Description(None, None)

    def table(self, source: Any, slot: str, columns: Sequence[str] | None = None) -> pa.Table:
        """These files have no slots."""
        del source, columns
        raise InvalidArgument(f"{self.expected} has no slot {slot!r}.", found="no slots")

    def load(self, path: Path, **kwargs: Any) -> Any:
        """The object of a file."""
        path = Path(path)
        self.describe(path)
        with reading(path, self.expected, ValueError):
            return self.parse(path.read_text(**({"encoding": "utf-8-sig"} | kwargs)))

    def open(self, path: Any, engine: str = "pyarrow", **kwargs: Any) -> Any:
        """A text handle."""
        del engine
        if not is_path(path):
            raise InvalidArgument("Several text files can't be opened as one.")
        self.describe(Path(path))
        return Path(path).open(**({"encoding": "utf-8-sig"} | kwargs))

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`."""
        with writing(Path(path), self.expected, TypeError, ValueError):
            text = self.dump(obj, **kwargs)
            Path(path).write_text(text, encoding="utf-8")


# -- JSON


class Json(Plain):
    """`.json` files."""

    name = "json"
    suffixes = (".json",)
    expected = "JSON"

    def parse(self, text: str) -> Any:
        """See `Plain.parse`."""
        return json.loads(text)

    def dump(self, obj: Any, **kwargs: Any) -> str:
        """See `Plain.dump`; kwargs go to `json.dumps`."""
        return json.dumps(obj, **({"indent": 2, "ensure_ascii": False} | kwargs)) + "\n"


# -- YAML, without the tags that run code


class Yaml(Plain):
    """`.yaml` files."""

    name = "yaml"
    suffixes = (".yaml", ".yml")
    expected = "YAML"

    def parse(self, text: str) -> Any:
        """See `Plain.parse`."""
        yaml = require("yaml", "load .yaml files")
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error

    def dump(self, obj: Any, **kwargs: Any) -> str:
        """See `Plain.dump`; kwargs go to `yaml.safe_dump`."""
        yaml = require("yaml", "write .yaml files")
        try:
            text = yaml.safe_dump(obj, **({"sort_keys": False, "allow_unicode": True} | kwargs))
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error
        return str(text)


# -- Plain text


class Text(Plain):
    """`.txt` and `.md` files."""

    name = "text"
    suffixes = (".txt", ".md")
    expected = "text"

    def parse(self, text: str) -> str:
        """See `Plain.parse`."""
        return text

    def dump(self, obj: Any, **kwargs: Any) -> str:
        """See `Plain.dump`."""
        if not isinstance(obj, str):
            raise TypeError(f"{type(obj).__name__} is not text")
        return obj
