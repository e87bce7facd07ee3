"""JSON."""

from __future__ import annotations

import json
from typing import Any

from lakehouse.formats._plain import Plain


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
