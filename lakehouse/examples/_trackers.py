"""Features for what experiment trackers know of a run."""

from __future__ import annotations

from collections.abc import Mapping


def save_features(kind: str, dtypes: Mapping[str, type]) -> None:
    """Save a feature type and its features in one commit; those that exist stay.

    Args:
        kind: Name of the feature type.
        dtypes: Dtypes by feature name.
    """
    # the registries are loaded by who saves features, not by who looks at the examples
    from lakehouse.orm import transaction
    from lakehouse.registries import Feature

    with transaction(message=f"features of {kind}"):
        parent = Feature(name=kind, is_type=True, type=None).save()
        for name, dtype in dtypes.items():
            Feature(name=name, dtype=dtype, type=parent).save()
