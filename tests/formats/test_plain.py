"""Json, yaml and text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import UnreadableFile
from lakehouse.formats.plain import Json, Text, Yaml
from lakehouse.testing import FormatContract

VALUE = {"name": "ü", "numbers": [1, 2.5, None], "nested": {"a": True}}


class TestJson(FormatContract):
    fmt = Json()
    suffix = ".json"

    def example(self) -> Any:
        return VALUE

    def test_damaged(self, path: Path) -> None:
        self.truncate(path)
        with pytest.raises(UnreadableFile, match="JSON"):
            self.fmt.load(path)
        path.write_text("")
        with pytest.raises(UnreadableFile, match="empty"):
            self.fmt.load(path)
        path.write_bytes(b"\xff\xfe\0")
        with pytest.raises(UnreadableFile, match="UTF-16"):
            self.fmt.load(path)


class TestYaml(FormatContract):
    fmt = Yaml()
    suffix = ".yaml"

    def example(self) -> Any:
        return VALUE

    def test_code_is_not_run(self, path: Path) -> None:
        path.write_text("!!python/object/apply:os.getcwd []")
        with pytest.raises(UnreadableFile, match="YAML"):
            self.fmt.load(path)


class TestText(FormatContract):
    fmt = Text()
    suffix = ".txt"

    def example(self) -> Any:
        return "hello\nü\n"

    def test_may_be_empty(self, path: Path) -> None:
        path.write_text("")
        assert self.fmt.describe(path).otype is None
        assert self.fmt.load(path) == ""
        with self.fmt.open(path) as handle:
            assert handle.read() == ""
