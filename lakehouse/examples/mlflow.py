"""Features for runs that MLflow tracks."""

from __future__ import annotations

from lakehouse.examples._trackers import save_features

_TEXTS = (
    *("run_id", "run_name", "experiment_id", "experiment_name", "user_id", "status"),
    *("lifecycle_stage", "artifact_uri"),
)


def save_mlflow_features() -> None:
    """Save the features `mlflow_…` of the feature type `MLflow`; times are in milliseconds.

    Example:
        >>> ln.examples.mlflow.save_mlflow_features()
    """
    numbers: dict[str, type] = {"mlflow_start_time": int, "mlflow_end_time": int}
    save_features("MLflow", {f"mlflow_{name}": str for name in _TEXTS} | numbers)
