"""YAML, without the tags that run code."""

from __future__ import annotations

from typing import Any

from lakehouse._lazy import require
from lakehouse.formats._plain import Plain


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
