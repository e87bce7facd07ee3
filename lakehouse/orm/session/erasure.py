"""Erasing records: nothing of them is left in any kept state, nor in what lies beside the tables.

What is to go is planned first and kept as a journal among the lake's settings, so that the next
`gc` finishes an erasure that was cut short. Then the rows go (`lakehouse.engine.history.erasure`), the
stored bytes and cached copies, and at last the journal, with a catalog that is written anew.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lakehouse.engine.history.erasure import Doomed, Erased
from lakehouse.errors import CatalogUnavailable, InvalidArgument, ObjectDoesNotExist, ReadOnlyLake
from lakehouse.identity import new_uid
from lakehouse.orm.model.context import active_batch
from lakehouse.text.printable import printable

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake

_JOURNAL = "erasure."
_SHOWN = 20
_BACKUPS = "backups and copies of the lake aren't reached: erase there, too, or let them expire"


@dataclass(frozen=True)
class Plan:
    """What is to go with a record.

    Attributes:
        uids: The record, or all its versions.
        doomed: The rows.
        things: What its module must know to remove stored bytes, as JSON values.
        stays: What has to do with it and stays, in words.
    """

    uids: tuple[str, ...]
    doomed: Doomed
    things: dict[str, Any]
    stays: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bytes:
    """Stored bytes of a record.

    Attributes:
        places: Where they lie, or lay, with their sizes.
        stays: What is left alone, and why.
    """

    places: dict[str, int] = field(default_factory=dict)
    stays: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErasureReport:
    """What an erasure did, or would do.

    Attributes:
        dry_run: Whether nothing was changed.
        uids: What is erased.
        rows: Rows that go, by table, in however many states they are.
        emptied: Rows that stay, and lose a reference, by table.
        states: How many kept states change.
        tags: The tags among them.
        files: Files that go: of tables, and stored bytes.
        bytes: Their size.
        messages: Messages of commits that go, since they mention it.
        stays: What has to do with it and stays.
        left: What is still to be done, and why; erase again.
        commit: The id of the commit that says that there was an erasure.
    """

    dry_run: bool
    uids: tuple[str, ...]
    rows: dict[str, int]
    emptied: dict[str, int]
    states: int
    tags: tuple[str, ...]
    files: tuple[str, ...]
    bytes: int
    messages: int
    stays: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    commit: str | None = None

    def __str__(self) -> str:
        verb = "would erase" if self.dry_run else "erased"
        lines = [f"gc {verb} {', '.join(self.uids) or 'nothing'}:"]
        lines += [f"  {n} row(s) of {table}" for table, n in self.rows.items()]
        lines += [f"  the reference to it in {n} row(s) of {t}" for t, n in self.emptied.items()]
        tags = f", among them the tags {', '.join(self.tags)}" if self.tags else ""
        lines.append(f"  in {self.states} kept state(s){tags}")
        lines.append(f"  with {len(self.files)} file(s), {self.bytes / 1e6:.1f} MB")
        if self.messages:
            lines.append(f"  and {self.messages} message(s) of commits that mention it")
        lines += [f"stays: {what}" for what in _some(self.stays)]
        lines += [f"not done yet: {what}" for what in _some(self.left)]
        return printable("\n".join(lines))


def _some(texts: Iterable[str]) -> list[str]:
    known = list(texts)
    more = [f"{len(known) - _SHOWN} more"] if len(known) > _SHOWN else []
    return known[:_SHOWN] + more


def erase(lake: Lake, uid: str, *, dry_run: bool) -> ErasureReport:
    """Erase a record from all kept states.

    Args:
        lake: The lake.
        uid: The record's uid; of a versioned one the first 16 characters mean all versions.
        dry_run: Only tell what would go.

    Raises:
        ObjectDoesNotExist: No kept state has it, and no file on disk.
        InvalidArgument: A transaction is open.
        ReadOnlyLake: The lake is bound to a past state.
    """
    if lake.read_only:
        raise ReadOnlyLake("This lake is bound to a past state and takes no writes.")
    if active_batch(lake) is not None:
        raise InvalidArgument("A transaction is open.", hint="erase before it, or after")
    # what was cut short comes first: nothing is planned from half-erased states
    finished = [] if dry_run else finish(lake)
    for name in lake.directory.erasers:
        plan: Plan | None = importlib.import_module(name).plan(lake, uid)
        if plan is None:
            continue
        told = lake.engine.eraser().look(plan.doomed)  # what is damaged is told before all else
        if dry_run:
            return _report(lake, name, plan, told, dry_run=True)
        journal = {
            "by": name,
            "uids": plan.uids,
            "doomed": plan.doomed.to_dict(),
            "things": plan.things,
            "stays": plan.stays,
            "commit": new_uid(),
            "user": lake.user_uid,
        }
        entry = _JOURNAL + str(journal["commit"])
        # before anything goes, so that the next gc knows what is left
        lake.engine.set_info(**{entry: journal})
        return _apply(lake, entry, journal)
    if finished:  # it was cut short, and is done now
        return finished[-1]
    raise ObjectDoesNotExist(
        f"There is nothing to erase: no kept state has an artifact {uid!r}.",
        expected="a uid of 20 characters, or the first 16 of them for all versions",
        hint="lake.at(tag).Artifact.filter(…) finds what is in a past state",
    )


def finish(lake: Lake) -> list[ErasureReport]:
    """Do what is left of erasures that were cut short."""
    journals = {n: j for n, j in lake.engine.fresh_info().items() if n.startswith(_JOURNAL)}
    return [_apply(lake, name, journal) for name, journal in sorted(journals.items())]


def _apply(lake: Lake, entry: str, journal: dict[str, Any]) -> ErasureReport:
    """Erase what a journal says, and remove the journal."""
    engine, left = lake.engine, []
    report = None
    if "doomed" in journal:
        plan = Plan(
            tuple(journal["uids"]),
            Doomed.from_dict(journal["doomed"]),
            journal["things"],
            tuple(journal["stays"]),
        )
        told = engine.eraser().erase(
            plan.doomed, journal["commit"], journal["user"], "erased from all kept states"
        )
        # cached versions and names still hold what is gone from disk
        engine.forget()
        lake.matcher.forget()
        report = _report(lake, journal["by"], plan, told, dry_run=False)
        # only the wipe is left; the journal itself names what is erased, so it shrinks before that
        engine.set_info(**{entry: {"commit": journal["commit"]}})
    if _wiped(lake):
        engine.drop_info(entry)
    else:
        left.append(
            "the catalog's database may still hold deleted text, since others read it, the"
            " disk is full, or the user may not vacuum it; the next gc tries again"
        )
    # an earlier run did all but the wipe
    if report is None:
        return ErasureReport(False, (), {}, {}, 0, (), (), 0, 0, (), tuple(left))
    return replace(report, left=(*report.left, *left))


def _wiped(lake: Lake) -> bool:
    """Write the catalog's database anew, which takes as much space again."""
    try:
        return lake.engine.wipe()
    except CatalogUnavailable:
        return False


def _report(lake: Lake, name: str, plan: Plan, told: Erased, *, dry_run: bool) -> ErasureReport:
    # bytes only after the rows, as in every removal; a dry run just looks at them
    stored: Bytes = importlib.import_module(name).bytes_of(lake, plan.things, remove=not dry_run)
    tags = [tag for tag, commit in lake.tags().items() if commit.seq in told.seqs]
    return ErasureReport(
        dry_run,
        plan.uids,
        told.rows,
        told.emptied,
        len(told.seqs),
        tuple(tags),
        (*told.files, *stored.places),
        told.bytes + sum(stored.places.values()),
        told.messages,
        (*plan.stays, *stored.stays, _BACKUPS),
        tuple(told.left),
        told.commit,
    )
