"""Settings of the biological registries."""

from __future__ import annotations

from typing import Any

from lakehouse.bionty._sources.organisms import organism_record
from lakehouse.orm import current_lake


class Settings:
    """Settings of this process; `bt.settings` is the one instance.

    Example:
        >>> bt.settings.organism = "mouse"
        >>> bt.Gene.from_values(["Cd4"]).save()
    """

    def __init__(self) -> None:
        self._organism: Any = None

    @property
    def organism(self) -> Any:
        """The organism that is meant where none is given; None by default."""
        if self._organism is None:
            return None
        if self._organism._lake is not current_lake():
            # another lake has its own record of the same organism
            self.organism = self._organism.name
        return self._organism

    @organism.setter
    def organism(self, value: Any) -> None:
        if value is None:
            self._organism = None
            return
        found = organism_record(value)
        self._organism = found if found._saved else found.save()

    def __repr__(self) -> str:
        name = None if self._organism is None else self._organism.name
        return f"Settings(organism={name!r})"


settings = Settings()
