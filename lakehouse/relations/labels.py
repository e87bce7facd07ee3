"""All labels of an artifact, whatever their registry: `artifact.labels.add(label, feature=…)`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lakehouse.config import notify
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, TypeMismatch, ValidationError
from lakehouse.orm.model.context import use
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.session.links import Row, belongs, links_from, unlink
from lakehouse.relations.checks import (
    check_categorical,
    check_feature,
    check_record,
    check_saved,
    check_there,
)
from lakehouse.relations.managers import RelatedSet
from lakehouse.relations.tables import link_row
from lakehouse.relations.transfer import transferred
from lakehouse.schema import parse_dtype
from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm import QuerySet, Relation

EXTERNAL = "__external__"
_NO_LABELS = ("schemas",)
_SHOWN = 10


@operations
class LabelManager:
    """Annotate one artifact with labels of any registries.

    Example:
        >>> artifact.labels.add([dmso, ifng], feature=perturbation)
        >>> artifact.labels.get(perturbation, flat_names=True)
        ['DMSO', 'IFNG']
    """

    def __init__(self, record: Any) -> None:
        self._record = record
        self._lake = record._lake
        self._table = f"{record.meta.table}_link"

    # -- reading -----------------------------------------------------------------------

    def _relations(self) -> Iterator[Relation]:
        """The relations that labels are linked by, by accessor."""
        for name, relation in self._record.meta.relations.items():
            own = relation.link == self._table and relation.foreign_key is None
            if own and not relation.reverse and name not in _NO_LABELS:
                yield relation

    def _links(self) -> list[Row]:
        found = links_from(self._lake, self._table, self._record.uid)
        relations = list(self._relations())
        return [r for r in found if any(belongs(relation, r) for relation in relations)]

    def by_relation(self) -> dict[str, QuerySet[Any]]:
        """The labels by accessor, those accessors without labels left out."""
        check_saved(self._record)
        links = self._links()
        found = {}
        for relation in self._relations():
            uids = sorted({r["target_uid"] for r in links if belongs(relation, r)})
            if uids:
                found[relation.name] = self._set_of(relation.target, uids)
        return found

    def _set_of(self, registry: str, uids: list[str]) -> QuerySet[Any]:
        target = self._lake.directory.get(registry)
        return RelatedSet.of(target, self._lake, lambda: uids, f"labels of {self._record!r}")

    def get(
        self,
        feature: Any,
        mute: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
        flat_names: bool = False,  # noqa: FBT001, FBT002
    ) -> QuerySet[Any] | dict[str, QuerySet[Any]] | list[str]:
        """Get the labels that are values of a feature.

        Args:
            feature: The feature, which must be categorical.
            mute: Don't tell that labels come from more than one registry.
            flat_names: Give the names of all labels instead of the labels.

        Returns:
            A query set; where labels come from several registries, one for each by its name.

        Raises:
            TypeMismatch, ValidationError: It is no feature, or no categorical one.
        """
        check_saved(self._record)
        check_categorical(feature)
        links = [r for r in self._links() if r["feature_uid"] == feature.uid]
        found: dict[str, QuerySet[Any]] = {}
        for relation in self._relations():
            uids = sorted({r["target_uid"] for r in links if belongs(relation, r)})
            if uids:
                found[relation.target] = self._set_of(relation.target, uids)
        if flat_names:
            return [str(_name(label)) for labels in found.values() for label in labels]
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            if not mute:
                notify(f"the labels of {feature.name!r} come from several registries", "warning")
            return found
        targets = parse_dtype(str(feature._values["dtype"])).all_targets
        registry = targets[0].registry if targets else "ULabel"
        return self._set_of(registry, [])

    def __getitem__(self, feature: Any) -> Any:
        """The labels of a feature, given by name or as a record; see `get`."""
        if isinstance(feature, str):
            with use(self._lake):
                feature = self._lake.directory.get("Feature").get(name=feature)
        return self.get(feature)

    def describe(self, return_str: bool = True) -> str:  # noqa: FBT001, FBT002 - the peer's signature
        """The labels by accessor, as text."""
        lines = []
        for name, labels in self.by_relation().items():
            names = [printable_line(str(_name(label))) for label in labels]
            shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
            registry = self._record.meta.relations[name].target
            lines.append(f".{name:<20} {registry:<25} {shown}")
        if not lines:
            return ""
        return "\n".join(["Labels", "└── " + lines[0], *("    " + line for line in lines[1:])])

    def __repr__(self) -> str:
        return f"LabelManager {self.describe() if self._record._saved else ''}".rstrip()

    # -- changing ----------------------------------------------------------------------

    def add(self, records: Any, feature: Any = None) -> None:
        """Link labels of any registries, in one commit; links that exist stay as they are.

        Args:
            records: A record, several, or a query set. With a feature, also names of labels
                that exist.
            feature: The feature of which they are values.

        Raises:
            InvalidArgument: The artifact isn't saved, or names come without a feature.
            TypeMismatch: Something is no record that can be a label.
            ValidationError: A label isn't saved, or the feature takes none of its registry.

        Example:
            >>> artifact.labels.add([dmso, ifng], feature=perturbation)
        """
        check_saved(self._record)
        if feature is not None:
            check_categorical(feature)
        labels = [self._label(one, feature) for one in _listed(records)]
        accessors = {relation.target: relation for relation in self._relations()}
        for label in labels:
            self._check(label, accessors, feature)
        known = {(r["target_uid"], r["feature_uid"]) for r in self._links()}
        uid = None if feature is None else feature.uid
        new = [label for label in labels if (label.uid, uid) not in known]
        self._link([(label, feature) for label in new])

    def _label(self, one: Any, feature: Any) -> Any:
        """A label, which with a feature may be given by its name."""
        if not isinstance(one, str):
            return one
        if feature is None:
            raise InvalidArgument(
                "A label's name says nothing without a feature.",
                found=repr(one),
                hint="labels.add(label, feature=…), or pass the record",
            )
        for target in parse_dtype(str(feature._values["dtype"])).all_targets:
            registry = self._lake.directory.get(target.registry)
            with use(self._lake):
                found = registry.filter(**{target.field: one}).first()
            if found is not None:
                return found
        raise ValidationError(
            f"There is no label {one!r} for {feature!r}.",
            expected=str(feature._values["dtype"]),
            hint="save it first, e.g. ln.ULabel(name=…).save()",
        )

    def _check(self, label: Any, accessors: dict[str, Relation], feature: Any) -> None:
        meta = getattr(label, "meta", None)
        if meta is None or meta.name not in accessors or isinstance(label, type):
            raise TypeMismatch(
                f"This can't be a label of {self._record!r}.",
                found=f"{label!r} ({type(label).__name__})",
                expected="a record of " + ", ".join(accessors),
            )
        try:
            check_record(self._record, self._lake.directory.get(meta.name), label)
        except InvalidArgument as error:
            if label._saved or label._lake.uid != self._lake.uid:
                raise
            raise ValidationError(error.message, found=repr(label), hint=error.hint) from None
        if feature is not None:
            check_feature(self._record, feature, meta.name)

    def _link(self, found: list[tuple[Any, Any]]) -> None:
        """Stage links of labels, each with its feature or None."""
        if not found:
            return
        lake, own = self._lake, self._record
        check_there([own, *(label for label, _ in found)])
        stamps = {k: v for k, v in lake.stamps.items() if k in ("created_by_uid", "run_uid")}
        with batch_on(lake) as batch:

            def stage(changes: Changes) -> None:
                rows = [
                    link_row(
                        own.uid,
                        label.meta.table,
                        label.uid,
                        feature_uid=None if feature is None else feature.uid,
                        created_at=batch.now,
                        **stamps,
                    )
                    for label, feature in found
                ]
                changes.insert(self._table, rows, if_absent=True)

            batch.stage(stage)

    def make_external(self, label: Any) -> None:
        """Say of a label that it isn't found in the dataset itself, in one commit.

        Args:
            label: A label that was found when the dataset was validated.
        """
        check_saved(self._record)
        links = [
            r
            for r in self._links()
            if r["target_uid"] == label.uid and r["slot"] not in (None, EXTERNAL)
        ]
        if not links:
            return
        uids = [r["uid"] for r in links]
        names = ("registry", "target_uid", "feature_uid")
        with batch_on(self._lake) as batch:

            def stage(changes: Changes) -> None:
                unlink(changes, self._table, uids)
                rows = [
                    link_row(
                        self._record.uid,
                        slot=EXTERNAL,
                        created_at=batch.now,
                        created_by_uid=self._lake.user_uid or None,
                        **{n: r[n] for n in names},
                    )
                    for r in links
                ]
                changes.insert(self._table, rows, if_absent=True)

            batch.stage(stage)

    def add_from(self, data: Any, transfer_logs: dict[str, Any] | None = None) -> None:
        """Link all labels of another artifact, with their features, in one commit.

        Labels and features of an artifact in another lake are copied first, unless there are
        equal ones.

        Args:
            data: The other artifact.
            transfer_logs: Is filled with what was copied (`transferred`) and what was there
                already (`mapped`).

        Example:
            >>> artifact_2.labels.add_from(artifact_1)
        """
        check_saved(self._record)
        if getattr(data, "meta", None) is None or not isinstance(
            getattr(data, "labels", None), LabelManager
        ):
            raise TypeMismatch("Labels come from an artifact.", found=repr(data))
        other = data.labels
        check_saved(data)
        features = other._features()
        logs: dict[str, Any] = {} if transfer_logs is None else transfer_logs
        known = {(r["target_uid"], r["feature_uid"]) for r in self._links()}
        with batch_on(self._lake):
            new: list[tuple[Any, Any]] = []
            for labels in other.by_relation().values():
                for label in labels:
                    own = transferred(self._lake, label, logs)
                    for uid in other._feature_uids(label):
                        feature = None
                        if uid is not None:
                            feature = transferred(self._lake, features[uid], logs)
                        if (own.uid, None if feature is None else feature.uid) not in known:
                            new.append((own, feature))
            self._link(new)

    def _features(self) -> dict[str, Any]:
        uids = sorted({r["feature_uid"] for r in self._links() if r["feature_uid"]})
        return {f.uid: f for f in self._set_of("Feature", uids)}

    def _feature_uids(self, label: Any) -> list[str | None]:
        rows = [r for r in self._links() if r["target_uid"] == label.uid]
        return list(dict.fromkeys(r["feature_uid"] for r in rows))


def _listed(records: Any) -> Iterable[Any]:
    if isinstance(records, str) or hasattr(records, "meta"):
        return [records]
    if not isinstance(records, Iterable):
        raise TypeMismatch("Labels are records.", found=f"{records!r} ({type(records).__name__})")
    return list(records)


def _name(label: Any) -> Any:
    return label._values.get(label.meta.name_field) or label.uid
