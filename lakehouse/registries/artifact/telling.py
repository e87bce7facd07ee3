"""Telling what a validation passed over: unknown names, obsolete terms; and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from lakehouse.annotation.obsolete import obsolete_among, told_obsolete
from lakehouse.config import Verbosity, notify
from lakehouse.curation import Report
from lakehouse.curation.inputs import source_of
from lakehouse.curation.slots import Part
from lakehouse.formats.base import COLUMNS
from lakehouse.orm import Lake

_TOLD: ContextVar[bool] = ContextVar("what validation passes over was told", default=False)
_SHOWN = 10


@contextmanager
def told() -> Iterator[None]:
    """What is validated inside was validated before: nothing of it is told again."""
    token = _TOLD.set(True)
    try:
        yield
    finally:
        _TOLD.reset(token)


def tell_unknown(
    schema: Any, report: Report, part: Part, curator: str | None = None, before: str | None = None
) -> str | None:
    """Say which columns or names are not known, where that is no failure.

    Args:
        schema: The schema of the part.
        report: What validation found.
        part: The part.
        curator: How users write the curator of the part, where there is one.
        before: What was said of the part before, which isn't said again.

    Returns:
        What there was to say.
    """
    text, level = _unknown(schema, report, part, curator)
    return _tell(text, before, level)


def tell_obsolete(
    lake: Lake, report: Report, part: Part, curator: str | None = None, before: str | None = None
) -> str | None:
    """Say which valid values are obsolete terms, and what replaces them.

    Args:
        lake: The lake.
        report: What validation found.
        part: The part.
        curator: How users write the curator of the part, where there is one.
        before: What was said of the part before, which isn't said again.

    Returns:
        What there was to say.
    """
    said = []
    where = "" if part.slot == COLUMNS else f" in slot {part.slot!r}"
    for column, matches in report.terms.items():
        found = obsolete_among(lake, matches) if column in report.columns else []
        if found:
            own = f"bt.{matches[0].target.registry.rpartition('.')[2]}.obsolete_labels().apply()"
            call = f"{curator}.cat.replace_obsolete({column!r})" if curator else own
            said.append(told_obsolete(found, f" of {column!r}{where}", call))
    return _tell("\n! ".join(said) or None, before, "warning")


def _tell(text: str | None, before: str | None, level: Verbosity) -> str | None:
    if text is not None and text != before and not _TOLD.get():
        notify(text, level)
    return text


def _unknown(
    schema: Any, report: Report, part: Part, curator: str | None
) -> tuple[str | None, Verbosity]:
    where = "" if part.slot == COLUMNS else f" of slot {part.slot!r}"
    if part.kind == "names" and report.unknown and not schema.maximal_set:
        unknown = next(iter(report.unknown.values()))
        if not unknown:
            return None, "warning"
        own = curator or f'ln.curators.curator_of(dataset, schema).slots["{part.slot}"]'
        return (
            f"{len(unknown)} of {report.n_rows} names{where} are not validated as "
            f"{schema.itype}: {_some(unknown)}\n"
            f'  → save them as terms via: {own}.cat.add_new_from("columns")'
        ), "warning"
    if part.kind != "table" or not schema.flexible:
        return None, "success"
    known = set(report.columns)
    unknown = [n for n in source_of(part.data).names if n not in known]
    if not unknown:
        return None, "success"
    return (
        f"{len(unknown)} columns{where} are no registered features and weren't validated: "
        f"{_some(unknown)}"
    ), "success"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
