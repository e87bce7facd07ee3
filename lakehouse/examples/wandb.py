"""Features for runs that Weights & Biases tracks."""

from __future__ import annotations

from lakehouse.examples._trackers import save_features

_TEXTS = (
    "run_id",
    "run_name",
    "run_entity",
    "project",
    "state",
    "url",
    "tags",
    "group",
    "job_type",
)


def save_wandb_features() -> None:
    """Save the features `wandb_…` of the feature type `Weights & Biases`.

    Example:
        >>> ln.examples.wandb.save_wandb_features()
    """
    numbers: dict[str, type] = {"wandb_timestamp": float, "wandb_runtime": float}
    save_features("Weights & Biases", {f"wandb_{name}": str for name in _TEXTS} | numbers)
