"""Names that are terms themselves, such as gene ids: which are synonyms, and giving others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.annotation.inspection import counted, shown
from lakehouse.annotation.specs import resolver_of
from lakehouse.config import notify
from lakehouse.curation import ColumnRule, synonyms_in
from lakehouse.errors import InvalidArgument
from lakehouse.schema import DType

if TYPE_CHECKING:
    from lakehouse.curators.parts import ComponentCurator

_SHOWN = 10


def name_synonyms(curator: ComponentCurator) -> dict[str, str]:
    """Which names of a part are synonyms, and of which term.

    Raises:
        InvalidArgument: The names are those of features.
    """
    target = curator.spec.names
    if target is None:
        raise InvalidArgument(
            "The columns here are features, which have no synonyms.",
            hint=f"{curator._where}.rename({{'old': 'new'}})",
        )
    own = {rule.name for rule in curator.spec.columns}
    names = [name for name in _names(curator) if name not in own]
    rule = ColumnRule("names", DType("cat", targets=(target,)))
    column = pa.chunked_array([pa.array(names, pa.string())])
    return synonyms_in(column, rule, resolver_of(curator._lake))


def standardize_names(curator: ComponentCurator) -> dict[str, str]:
    """Rename what is a synonym, in the dataset; gives what was renamed.

    What would get the name of another one keeps its own, and is told.
    """
    found, names = name_synonyms(curator), _names(curator)
    taken, mapping = set(names), {}
    for old, new in found.items():
        if new not in taken:
            taken.add(new)
            mapping[old] = new
    if stay := [old for old in found if old not in mapping]:
        notify(
            f"{counted(len(stay), 'synonym')} would get a name that is there already: "
            f"{shown(stay, _SHOWN)}",
            "warning",
        )
    if mapping:
        curator._check_changeable()
        if curator.part.replace is not None and curator.part.kind == "names":
            renamed = pa.array([mapping.get(name, name) for name in names], pa.string())
            curator.part.replace({"names": pa.chunked_array([renamed])})
            curator.part.data = renamed
        else:
            curator.rename(mapping)
        told = ", ".join(f"{old!r} → {new!r}" for old, new in list(mapping.items())[:_SHOWN])
        notify(f"renamed {len(mapping)} of {len(names)} names: {told}", "success")
    if curator.report is not None:
        curator.check()
    return mapping


def _names(curator: ComponentCurator) -> list[str]:
    part = curator.part
    found: list[str] = part.data.to_pylist() if part.kind == "names" else curator._names()
    return found
