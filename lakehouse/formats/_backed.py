"""An AnnData on disk, used like one in memory and closed like a file."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class Backed:
    """An AnnData whose matrices stay on disk.

    Everything that AnnData has is there: `obs`, `var`, `X`, slices, `to_memory()`.

    Example:
        >>> with artifact.open() as adata:
        ...     adata[adata.obs.cell_type == "T cell"].to_memory()
    """

    def __init__(self, adata: Any, close: Callable[[], None]) -> None:
        self._adata = adata
        self._close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adata, name)

    def __getitem__(self, index: Any) -> Any:
        return self._adata[index]

    def __len__(self) -> int:
        return len(self._adata)

    def __repr__(self) -> str:
        return f"Backed {self._adata!r}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._close()
