"""For the tests of extensions and of programs that use lakes: fresh lakes, and suites to pass.

`fresh_lake()` needs nothing; everything else needs pytest, which isn't installed with lakehouse.

Example:
    >>> import lakehouse as ln
    >>> from lakehouse.testing import fresh_lake
    >>> with fresh_lake() as lake:
    ...     label = ln.ULabel(name="treated").save()
    ...     print(lake.ULabel.get(name="treated").name)
    treated
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lakehouse._lazy import load_name, require
from lakehouse.testing.lakes import fresh_lake

if TYPE_CHECKING:
    from lakehouse.testing._catalogs import CatalogContract as CatalogContract
    from lakehouse.testing._formats import DamageContract as DamageContract
    from lakehouse.testing._formats import FormatContract as FormatContract
    from lakehouse.testing._formats import StructuredContract as StructuredContract
    from lakehouse.testing._formats import TableContract as TableContract
    from lakehouse.testing._slots import SlotsContract as SlotsContract

_SUITES = {
    "CatalogContract": "lakehouse.testing._catalogs:CatalogContract",
    "DamageContract": "lakehouse.testing._formats:DamageContract",
    "FormatContract": "lakehouse.testing._formats:FormatContract",
    "SlotsContract": "lakehouse.testing._slots:SlotsContract",
    "StructuredContract": "lakehouse.testing._formats:StructuredContract",
    "TableContract": "lakehouse.testing._formats:TableContract",
}

__all__ = ["fresh_lake", *_SUITES]

if (
    _pytest := sys.modules.get("pytest")
) is not None:  # so that a failed assert of a suite shows what it compared
    for _module in sorted({dotted.partition(":")[0] for dotted in _SUITES.values()}):
        _pytest.register_assert_rewrite(_module)


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        if name not in _SUITES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        require("pytest", f"use lakehouse.testing.{name}")
        return load_name(_SUITES[name])


def __dir__() -> list[str]:
    return list(__all__)
