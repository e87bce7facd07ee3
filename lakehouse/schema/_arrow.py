"""What each simple dtype means in Arrow."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.types as pt


def is_text(arrow: pa.DataType) -> bool:
    """Whether values of the type are text, whatever its offsets."""
    return bool(pt.is_string(arrow) or pt.is_large_string(arrow) or pt.is_string_view(arrow))


def is_bytes(arrow: pa.DataType) -> bool:
    """Whether values of the type are bytes."""
    return bool(
        pt.is_binary(arrow)
        or pt.is_large_binary(arrow)
        or pt.is_fixed_size_binary(arrow)
        or pt.is_binary_view(arrow)
    )


def is_list(arrow: pa.DataType) -> bool:
    """Whether values of the type are lists; maps are not."""
    return bool(
        pt.is_list(arrow)
        or pt.is_large_list(arrow)
        or pt.is_fixed_size_list(arrow)
        or pt.is_list_view(arrow)
        or pt.is_large_list_view(arrow)
    )


def is_float(arrow: pa.DataType) -> bool:
    """Whether the type holds fractions."""
    return bool(pt.is_floating(arrow) or pt.is_decimal(arrow))


def is_number(arrow: pa.DataType) -> bool:
    """Whether the type holds numbers; booleans are not."""
    return bool(pt.is_integer(arrow)) or is_float(arrow)


def is_mapping(arrow: pa.DataType) -> bool:
    """Whether the type holds dictionaries by type, not as JSON text."""
    return bool(pt.is_struct(arrow) or pt.is_map(arrow))


def _is_any(arrow: pa.DataType) -> bool:
    return arrow is not None


# Whole numbers are numbers that a float feature takes: pandas and CSV readers make
# integers of a column as soon as no value has a fraction.
ACCEPTS: dict[str, Callable[[pa.DataType], bool]] = {
    "int": pt.is_integer,
    "float": is_number,
    "num": is_number,
    "str": is_text,
    "path": is_text,
    "url": is_text,
    "cat": is_text,
    "bool": pt.is_boolean,
    "date": pt.is_date,
    "datetime": pt.is_timestamp,
    "time": pt.is_time,
    "dict": is_mapping,
    "bytes": is_bytes,
    "object": _is_any,
}

STORED_AS: dict[str, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "num": pa.float64(),
    "str": pa.string(),
    "path": pa.string(),
    "url": pa.string(),
    "cat": pa.dictionary(pa.int32(), pa.string()),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "time": pa.time64("us"),
    "dict": pa.string(),
    "bytes": pa.binary(),
    "object": pa.string(),
}

_KIND_TESTS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pt.is_boolean, "bool"),
    (pt.is_integer, "int"),
    (is_float, "float"),
    (is_text, "str"),
    (pt.is_date, "date"),
    (pt.is_timestamp, "datetime"),
    (pt.is_time, "time"),
    (is_mapping, "dict"),
    (is_bytes, "bytes"),
)


def kind_of(arrow: pa.DataType) -> str:
    """The simple kind of an Arrow type; `object` where the dtype language has none."""
    for test, kind in _KIND_TESTS:
        if test(arrow):
            return kind
    return "object"
