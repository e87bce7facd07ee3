"""What to do about values of categoricals that are no terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.config import notify
from lakehouse.curation import ColumnRule, synonyms_in
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, UnknownColumn, UnknownField, ValidationError, near
from lakehouse.orm.view.present import present
from lakehouse.registries.feature import Feature
from lakehouse.schema import CatTarget, DType
from lakehouse.schemas.spec import known_rules, resolver_of
from lakehouse.terms.inspect import counted, shown
from lakehouse.terms.obsolete import obsolete_among

if TYPE_CHECKING:
    from lakehouse.curators.part import ComponentCurator
    from lakehouse.orm import Lake


# -- Names that are terms themselves, such as gene ids: which are synonyms, and giving others


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


COLUMNS = "columns"


@operations
class DataFrameCatManager:
    """Categorical columns of one part of a dataset: validate, standardize, add terms.

    Example:
        >>> curator.cat.non_validated
        {'cell_type': ['B-cell'], 'perturbation': ['TNF']}
        >>> curator.cat.standardize("cell_type")
        >>> curator.cat.add_new_from("perturbation")
    """

    def __init__(self, curator: ComponentCurator) -> None:
        self._curator = curator

    @property
    def _targets(self) -> dict[str, tuple[CatTarget, ...]]:
        found = {
            name: rule.dtype.all_targets
            for name, rule in self._curator.rules().items()
            if rule.dtype.all_targets
        }
        names = self._curator.spec.names
        found[COLUMNS] = (names,) if names is not None else (CatTarget("Feature"),)
        return found

    @property
    def categoricals(self) -> list[Feature]:
        """The categorical features among the columns of the part; the index is none of them."""
        state = present(self._curator._lake)
        members = {str(f.name): f for f, _ in self._curator.schema.feature_list()}
        index = self._curator.schema.index
        left_out = {COLUMNS, None if index is None else str(index.name)}
        names = [name for name in self._targets if name not in left_out]
        known = known_rules(state)
        return [
            members.get(name) or Feature.get(name=name)
            for name in names
            if name in members or name in known
        ]

    @property
    def non_validated(self) -> dict[str, list[str]]:
        """The values that are no terms, by column.

        Raises:
            ValidationError: Nothing was validated yet.
        """
        report = self._curator.report
        if report is None:
            raise ValidationError(
                "Nothing was validated yet: please run validate() first.", hint="curator.validate()"
            )
        found = report.non_validated()
        for failure in report.failures:
            if failure.rule == "names":
                found.setdefault(COLUMNS, []).append(failure.value)
        return found

    def validate(self) -> bool:
        """Whether all values are terms."""
        self._curator.check()
        return not self.non_validated

    def standardize(self, key: str) -> None:
        """Replace the synonyms in a column by the terms that they mean.

        Args:
            key: The column; `"columns"` for names of genes and the like, which get other names
                in the dataset; `"all"` for every categorical one.

        Raises:
            UnknownColumn: It is no categorical column.
        """
        if key == "all":
            self._curator.standardize()
            return
        name = self._checked(key, "standardize")
        if name == COLUMNS:
            standardize_names(self._curator)
        else:
            self._curator.standardize_column(name, self._curator.rules()[name])

    def replace_obsolete(self, key: str) -> None:
        """Replace terms that are obsolete in their ontology by those that replace them.

        Terms that nothing replaces, or several terms may, stay.

        Args:
            key: The column.

        Raises:
            UnknownColumn: It is no categorical column.

        Example:
            >>> curator.cat.replace_obsolete("cell_type")
        """
        name, curator = self._checked(key, "replace_obsolete"), self._curator
        if curator.report is None:
            curator.check()
        assert curator.report is not None
        found = obsolete_among(curator._lake, curator.report.terms.get(name, ()))
        mapping = {x.value: x.replacement for x in found if x.replacement is not None}
        if name in curator.rules():
            curator.standardize_column(name, curator.rules()[name], mapping)

    def add_new_from(self, key: str, **kwargs: Any) -> None:
        """Save the values of a column that are no terms as terms of its registry.

        Values that the public source of the registry knows are taken from there. Of a column
        that may hold terms of several registries, each value goes to the first registry whose
        public source knows it, or else to the first registry. Synonyms of terms aren't added:
        standardize them.

        Args:
            key: The column; `"columns"` for names of genes and the like, `"all"` for all.
            **kwargs: Further fields of the new records, e.g. `organism="human"`.

        Raises:
            UnknownColumn: It is no categorical column.
        """
        names = [*self._targets] if key == "all" else [self._checked(key, "add_new_from")]
        if self._curator.report is None:
            self._curator.check()
        lake = self._curator._lake
        for name in names:
            values, synonyms = self._new_values(name)
            if synonyms:
                notify(
                    f"{len(synonyms)} values of {name!r} are synonyms and aren't added: "
                    f'.cat.standardize("{name}")',
                    "warning",
                )
            if values:
                for registry, n in save_new(lake, self._targets[name], values, kwargs):
                    records = "1 record" if n == 1 else f"{n} records"
                    notify(f"added {records} of {registry} from {name!r}", "success")
        self._curator.check()

    def lookup(self, public: bool = False) -> CatLookup:  # noqa: FBT001, FBT002 - the peer's
        """Look terms up by attribute.

        Args:
            public: Look the public sources up instead of the registries.

        Example:
            >>> curator.cat.lookup(public=True)["cell_type"].b_cell.name
            'B cell'
        """
        return CatLookup(self._curator, self._targets, public=public)

    def _new_values(self, name: str) -> tuple[list[str], list[str]]:
        report = self._curator.report
        assert report is not None
        if name == COLUMNS:
            found = dict.fromkeys(
                [*report.unknown.get(COLUMNS, ()), *self.non_validated.get(COLUMNS, ())]
            )
            if self._curator.spec.names is None:
                return list(found), []
            mapped = name_synonyms(self._curator)
            return [v for v in found if v not in mapped], list(mapped)
        synonyms = report.synonyms().get(name, {})
        values = self.non_validated.get(name, [])
        return [v for v in values if v not in synonyms], list(synonyms)

    def _checked(self, key: str, call: str) -> str:
        targets = self._targets
        index = self._curator.schema.index
        if key == "index" and index is not None:
            return str(index.name)
        if key not in targets:
            raise self._unknown(key, call)
        return key

    def _unknown(self, key: str, call: str) -> UnknownColumn:
        """The error for a key that means no categorical column; names those that there are."""
        names = list(self._targets)
        rule = self._curator.rules().get(key)
        if rule is not None:
            said = f"The column {key!r} holds no categories: its dtype is {rule.dtype}."
        elif key in self._curator._names():
            said = f"The column {key!r} holds no categories: it is no feature."
        else:
            said = f"There is no column {key!r}."
        close = near(key, names)
        return UnknownColumn(
            said,
            expected=f"a categorical column: {', '.join(names)}",
            hint=f"{self._curator._where}.cat.{call}({close[0]!r})" if close else None,
        )

    def __repr__(self) -> str:
        n = len(self._targets) - 1
        report = self._curator.report
        fine = report is not None and not report.non_validated()
        shown = "validated" if fine else "unvalidated"
        return f"{type(self).__name__}(categorical_features={n}, {shown})"


def save_new(
    lake: Lake, targets: tuple[CatTarget, ...], values: list[str], fields: Any
) -> list[tuple[str, int]]:
    """Save values as terms, in one commit; gives how many of which registry.

    What a public source knows is taken from there; the rest becomes terms of the first registry.
    """
    first = targets[0]
    if first.registry == "Feature":
        raise InvalidArgument(
            "Columns become features with a dtype, which can't be guessed from their names.",
            found=", ".join(values[:10]),
            hint=f"ln.Feature(name={values[0]!r}, dtype=…).save()",
        )
    new: dict[str, list[Any]] = {}
    left = values
    for target in targets:
        found = _public(lake, target, left, fields)
        known = {getattr(record, target.field) for record in found}
        left = [value for value in left if value not in known]
        new.setdefault(target.registry, []).extend(found)
    registry = lake.directory.get(first.registry)
    fields = dict(fields)
    if first.type_path:
        fields.setdefault("type", _type_of(registry, first))
    if left and fields.get("organism") is None and "organism" in registry.meta.foreign_keys:
        fields["organism"] = registry.usual_organism(values)
    new[first.registry] += [registry(**{first.field: value, **fields}) for value in left]
    lake.save([record for records in new.values() for record in records])
    return [(name, len(records)) for name, records in new.items() if records]


def _public(lake: Lake, target: CatTarget, values: list[str], fields: Any) -> list[Any]:
    """The records that a registry's public source has for values."""
    registry = lake.directory.get(target.registry)
    if not (values and target.registry.startswith("bionty.") and hasattr(registry, "public")):
        return []
    found: list[Any] = registry.from_values(
        values,
        field=target.field,
        organism=fields.get("organism"),
        source=fields.get("source"),
        mute=True,
    )
    return found


def _type_of(registry: Any, target: CatTarget) -> Any:
    """The record of a target's type, found from the outermost one on."""
    found = None
    for name in target.type_path:
        inside = registry.filter(name=name, is_type=True, type=found).first()
        found = inside or registry.get(name=name, is_type=True)
    return found


@operations
class CatLookup:
    """Look-up objects by column: `lookup["cell_type"].b_cell`."""

    def __init__(
        self, curator: ComponentCurator, targets: dict[str, tuple[CatTarget, ...]], *, public: bool
    ) -> None:
        self._curator = curator
        self._targets = targets
        self._public = public

    def __getitem__(self, name: str) -> Any:
        if name not in self._targets:
            raise UnknownColumn(
                f"There is no look-up for {name!r}.", expected=", ".join(self._targets)
            )
        found = [self._lookup(target) for target in self._targets[name]]
        return found[0] if len(found) == 1 else _Either(found)

    def _lookup(self, target: CatTarget) -> Any:
        registry = self._curator._lake.directory.get(target.registry)
        if self._public and hasattr(registry, "public"):
            return registry.public().lookup()
        if target.type_path:
            kind = _type_of(registry, target)
            return getattr(kind, f"query_{registry.meta.table}s")().lookup()
        return registry.lookup()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._targets:
            raise UnknownField(
                f"There is no look-up for {name!r}.", expected=", ".join(self._targets)
            )
        return self[name]

    def __repr__(self) -> str:
        source = "public sources" if self._public else "registries"
        listed = "\n".join(f"  lookup[{name!r}]" for name in self._targets)
        more = "" if self._public else "\nin public sources: .lookup(public=True)"
        return f"terms of the {source}:\n{listed}{more}"


class _Either:
    """Look-ups of several registries, of which the first that knows a name answers."""

    def __init__(self, lookups: list[Any]) -> None:
        self._lookups = lookups

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for lookup in self._lookups[:-1]:
            found = getattr(lookup, name, None)
            if found is not None:
                return found
        return getattr(self._lookups[-1], name)

    def __dir__(self) -> list[str]:
        return list(dict.fromkeys(name for lookup in self._lookups for name in dir(lookup)))

    def __repr__(self) -> str:
        return " or ".join(map(repr, self._lookups))
