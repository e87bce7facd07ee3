"""The features that an artifact is annotated with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ALL = 10_000_000
_LABEL = {"gene": "symbol", "user": "handle", "artifact": "key", "transform": "key"}


class FeatureManager:
    """Features and labels of one artifact.

    Example:
        >>> artifact.features.get_values()   # doctest: +SKIP
        {'cell_type': ['B cell', 'T cell']}
    """

    def __init__(self, artifact: Any) -> None:
        self._artifact = artifact
        self._lake = artifact._lake

    def _links(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._lake.state.prefix(
            "artifact_link", self._artifact.uid, _ALL
        )
        return rows

    def _names(self, uids: set[str]) -> dict[str, str]:
        return {r["uid"]: r["name"] for r in self._lake.state.rows("feature", sorted(uids))}

    def by_slot(self) -> dict[str, dict[str, list[str]]]:
        """The labels and values as text, by slot and feature."""
        state = self._lake.state
        links = [r for r in self._links() if r["registry"] != "schema"]
        values = state.prefix("feature_value", self._artifact.uid, _ALL)
        names = self._names({r["feature_uid"] for r in (*links, *values) if r["feature_uid"]})
        found: dict[str, dict[str, list[str]]] = {}
        targets: dict[str, set[str]] = {}
        for row in links:
            targets.setdefault(row["registry"], set()).add(row["target_uid"])
        labels = {
            (table, r["uid"]): str(r[_LABEL.get(table, "name")])
            for table, uids in targets.items()
            for r in state.rows(table, sorted(uids))
        }
        for row in links:
            feature = names.get(row["feature_uid"], row["registry"])
            label = labels.get((row["registry"], row["target_uid"]), row["target_uid"])
            found.setdefault(row["slot"] or "", {}).setdefault(feature, []).append(label)
        for row in values:
            feature = names.get(row["feature_uid"], row["feature_uid"])
            found.setdefault(row["slot"] or "", {}).setdefault(feature, []).append(
                str(row["value"])
            )
        return {s: {f: sorted(v) for f, v in fs.items()} for s, fs in found.items()}

    def get_values(self, external_only: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """The values of all features: one value, or a list where there are several.

        Args:
            external_only: Leave out what was found in the dataset itself.
        """
        out: dict[str, Any] = {}
        state = self._lake.state
        for slot, features in self.by_slot().items():
            if external_only and slot != "__external__":
                continue
            for name, found in features.items():
                out[name] = found[0] if len(found) == 1 else found
        rows = state.prefix("feature_value", self._artifact.uid, _ALL)
        names = self._names({r["feature_uid"] for r in rows})
        for row in rows:
            out[names.get(row["feature_uid"], row["feature_uid"])] = row["value"]
        return out

    @property
    def slots(self) -> Mapping[str, Any]:
        """The inferred schemas by slot: which features are in the dataset."""
        schema = self._lake.directory.get("Schema")
        links = [r for r in self._links() if r["registry"] == "schema"]
        rows = {
            r["uid"]: r for r in self._lake.state.rows("schema", [r["target_uid"] for r in links])
        }
        return {
            r["slot"]: schema._from_row(self._lake, rows[r["target_uid"]])
            for r in links
            if r["target_uid"] in rows
        }

    def __getitem__(self, name: str) -> Any:
        return self.get_values()[name]

    def __repr__(self) -> str:
        return f"features of {self._artifact!r}: {self.get_values()}"
