"""The dtype language: what a feature's values may be.

Simple dtypes are `int`, `float`, `num` (either), `str`, `bool`, `date`, `datetime`,
`datetime64[ns, UTC]`, `time`, `dict`, `bytes`, `path`, `url` and `object` (anything).
`list[...]` holds any of them, and `cat[...]` names the registries that list the valid
values.

Example:
    >>> dtype = parse_dtype("list[cat[bionty.Tissue.ontology_id|bionty.CellType]]")
    >>> dtype.item.targets[0]
    CatTarget(registry='bionty.Tissue', field='ontology_id', type_path=(), filters=())
    >>> str(dtype)
    'list[cat[bionty.Tissue.ontology_id|bionty.CellType]]'
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import types
import typing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from lakehouse._lazy import is_a, is_type
from lakehouse.errors import UnknownDtype, near
from lakehouse.schema import _arrow, _grammar

SIMPLE = (
    "int float num str bool date datetime time dict bytes path url object".split()  # noqa: SIM905
)
_UTC_TEXT = "datetime64[ns, UTC]"

# Registries whose records are named by another field than `name`.
NAME_FIELDS = {
    "Artifact": "key",
    "Transform": "key",
    "User": "handle",
    "Storage": "root",
    "bionty.Gene": "symbol",
}

# Spellings of other languages, only for the hint of the error.
_MEANT = {
    "integer": "int",
    "string": "str",
    "text": "str",
    "boolean": "bool",
    "double": "float",
    "number": "num",
    "numeric": "num",
    "timestamp": "datetime",
    "json": "dict",
    "mapping": "dict",
    "category": "cat",
    "categorical": "cat",
    "array": "list",
}

_PYTHON: dict[Any, str] = {
    int: "int",
    float: "float",
    str: "str",
    bool: "bool",
    dict: "dict",
    list: "list",
    bytes: "bytes",
    object: "object",
    datetime.date: "date",
    datetime.datetime: "datetime",
    datetime.time: "time",
    pathlib.Path: "path",
}


@dataclass(frozen=True, slots=True)
class CatTarget:
    """One registry, narrowed or not, that lists the valid values of a categorical.

    Attributes:
        registry: E.g. `"ULabel"` or `"bionty.CellType"`.
        field: The field that values are compared with.
        type_path: Types that the record must lie under, outermost first.
        filters: `(field, value)` pairs that the record must fulfil.
        spelled: Whether the text names the field although it is the default; that changes
            nothing but the text.
    """

    registry: str
    field: str = "name"
    type_path: tuple[str, ...] = ()
    filters: tuple[tuple[str, str], ...] = ()
    spelled: bool = dataclasses.field(default=False, compare=False, repr=False)

    @property
    def default_field(self) -> str:
        """The field that is meant where the dtype names none."""
        return NAME_FIELDS.get(self.registry, "name")

    def __str__(self) -> str:
        types_text = ""
        for name in reversed(self.type_path):
            types_text = f"{name}[{types_text}]" if types_text else name
        inner = [types_text] if types_text else []
        inner += [_grammar.filter_text(field, value) for field, value in self.filters]
        narrowed = f"[{', '.join(inner)}]" if inner else ""
        plain = self.field == self.default_field and (not self.spelled or self.field == "name")
        return f"{self.registry}{narrowed}{'' if plain else f'.{self.field}'}"


@dataclass(frozen=True, slots=True)
class DType:
    """A parsed dtype; `str()` gives the canonical text, which parses back to an equal one.

    Attributes:
        kind: A simple dtype's name, `"list"` or `"cat"`.
        item: What a list holds; None for a list of anything.
        targets: The registries of a categorical; none for a bare `cat`.
        utc: Whether a datetime must carry a time zone.
    """

    kind: str
    item: DType | None = None
    targets: tuple[CatTarget, ...] = ()
    utc: bool = False

    def __str__(self) -> str:
        if self.kind == "list":
            return "list" if self.item is None else f"list[{self.item}]"
        if self.kind == "cat" and self.targets:
            return f"cat[{'|'.join(map(str, self.targets))}]"
        return _UTC_TEXT if self.utc else self.kind

    @property
    def is_categorical(self) -> bool:
        """Whether values, or the items of lists, are looked up in registries."""
        return self.kind == "cat" or (self.item is not None and self.item.is_categorical)

    @property
    def all_targets(self) -> tuple[CatTarget, ...]:
        """The targets of a categorical or of a list of categoricals."""
        return self.item.all_targets if self.item is not None else self.targets

    def arrow_type(self) -> pa.DataType:
        """The Arrow type in which new columns of this dtype are made.

        Dictionaries are stored as JSON text.
        """
        if self.kind == "list":
            return pa.list_(self.item.arrow_type() if self.item else pa.string())
        if self.utc:
            return pa.timestamp("us", "UTC")
        return _arrow.STORED_AS[self.kind]

    def accepts(self, arrow: pa.DataType) -> bool:
        """Whether every value of an Arrow type is of this dtype, categories left aside."""
        if pt.is_null(arrow):
            return True
        if pt.is_dictionary(arrow) or pt.is_run_end_encoded(arrow):
            return self.accepts(arrow.value_type)
        if self.kind == "list":
            return _arrow.is_list(arrow) and (
                self.item is None or self.item.accepts(arrow.value_type)
            )
        if self.utc:
            return pt.is_timestamp(arrow) and arrow.tz is not None
        return _arrow.ACCEPTS[self.kind](arrow)


def parse_dtype(dtype: object) -> DType:
    """Make a DType of its text, a Python type, or a numpy, pandas or Arrow type.

    Raises:
        UnknownDtype: It is outside the dtype language.
    """
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, CatTarget):
        return DType("cat", targets=(dtype,))
    if isinstance(dtype, str):
        try:
            return _parse_text(dtype.strip())
        except _grammar.Malformed as error:
            raise UnknownDtype(
                f"{dtype!r} is not a dtype: {error}.",
                expected=", ".join([*SIMPLE, "list[…]", "cat[…]"]),
                hint=_hint(dtype),
            ) from error
    if isinstance(dtype, pa.DataType):
        return infer_dtype(dtype)
    found = _from_python(dtype) or _from_numpy_like(dtype)
    if found is None:
        raise UnknownDtype(
            f"{dtype!r} is not a dtype.",
            found=type(dtype).__name__,
            expected="a dtype's text, a Python type, or a numpy, pandas or Arrow type",
        )
    return found


def infer_dtype(arrow: pa.DataType) -> DType:
    """The dtype that describes an Arrow type; dictionary-encoded text is `cat`."""
    if pt.is_dictionary(arrow):
        return DType("cat") if _arrow.is_text(arrow.value_type) else infer_dtype(arrow.value_type)
    if pt.is_run_end_encoded(arrow):
        return infer_dtype(arrow.value_type)
    if _arrow.is_list(arrow):
        return DType("list", item=infer_dtype(arrow.value_type))
    return DType(_arrow.kind_of(arrow), utc=pt.is_timestamp(arrow) and arrow.tz is not None)


def _parse_text(text: str) -> DType:
    if text in SIMPLE or text in ("list", "cat"):
        return DType(text)
    if text == _UTC_TEXT:
        return DType("datetime", utc=True)
    inner = _grammar.bracketed(text, "list")
    if inner is not None:
        return DType("list", item=_parse_text(inner.strip()))
    inner = _grammar.bracketed(text, "cat")
    if inner is None:
        raise _grammar.Malformed("there is no dtype of this name")
    if not inner.strip():
        return DType("cat")
    return DType("cat", targets=tuple(map(_target, _grammar.split_top(inner, "|"))))


def _target(text: str) -> CatTarget:
    parts = _grammar.parse_target(text)
    field = parts.field or NAME_FIELDS.get(parts.registry, "name")
    spelled = bool(parts.field)
    return CatTarget(parts.registry, field, parts.type_path, parts.filters, spelled)


def _from_python(dtype: object) -> DType | None:
    origin, arguments = typing.get_origin(dtype), typing.get_args(dtype)
    if origin is list:
        return DType("list", item=parse_dtype(arguments[0]))
    if origin is dict:
        return DType("dict")
    if origin in (typing.Union, types.UnionType):
        members = {argument for argument in arguments if argument is not type(None)}
        if members == {int, float}:
            return DType("num")
        return parse_dtype(members.pop()) if len(members) == 1 else None
    if not isinstance(dtype, type):
        return None
    if issubclass(dtype, pathlib.PurePath):
        return DType("path")
    return DType(_PYTHON[dtype]) if dtype in _PYTHON else None


# numpy's kind letters, which pandas' extension types share.
_LETTERS = {
    "i": "int",
    "u": "int",
    "f": "float",
    "b": "bool",
    "U": "str",
    "S": "bytes",
    "M": "datetime",
}


_SCALARS = {
    "numpy.integer": "int",
    "numpy.floating": "float",
    "numpy.bool_": "bool",
    "numpy.str_": "str",
    "numpy.bytes_": "bytes",
    "numpy.datetime64": "datetime",
}


def _from_numpy_like(dtype: Any) -> DType | None:
    """Of a numpy dtype or scalar type, or a pandas dtype, without importing either."""
    if isinstance(dtype, type):
        return _from_numpy_scalar(dtype)
    if not is_a(dtype, "numpy.dtype", "pandas.api.extensions.ExtensionDtype"):
        return None
    if is_a(dtype, "pandas.ArrowDtype"):
        return infer_dtype(dtype.pyarrow_dtype)
    if dtype.name == "category":
        return DType("cat")
    # pandas holds text in object columns as long as it isn't told otherwise.
    if dtype.name.startswith(("str", "object")):
        return DType("str")
    kind = _LETTERS.get(dtype.kind)
    return DType(kind, utc=getattr(dtype, "tz", None) is not None) if kind else None


def _from_numpy_scalar(dtype: type) -> DType | None:
    if is_type(dtype, "numpy.timedelta64"):  # which numpy counts among its integers
        return None
    for name, kind in _SCALARS.items():
        if is_type(dtype, name):
            return DType(kind)
    return None


def _hint(text: str) -> str | None:
    word = text.strip().lower().rstrip("0123456789").removeprefix("u")
    if word in _MEANT or word in SIMPLE:
        return f"did you mean {_MEANT.get(word, word)!r}?"
    nearest = near(text, [*SIMPLE, "list", "cat", *_MEANT])
    if not nearest:
        return None
    return f"did you mean {' or '.join(sorted({repr(_MEANT.get(w, w)) for w in nearest}))}?"
