"""Regular expressions that people give: one dialect, RE2, whose time grows with the text alone.

Python's own `re` can need for ever (`(a+)+$`). RE2 knows neither look-around nor back-references.
Fields are matched by DuckDB and features by Arrow, which both have RE2.
"""

from __future__ import annotations

from lakehouse.errors import InvalidArgument

_UNSUPPORTED = ("(?=", "(?!", "(?<=", "(?<!", "\\1", "\\2", "(?P=", "(?>")


def refusal(pattern: str) -> str | None:
    """Why a pattern can't be used, or None if it can."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        if any(part in pattern for part in _UNSUPPORTED):
            reason += "; look-around and back-references aren't supported"
        return reason
    return None


def found_in(text: str, pattern: str, *, ignore_case: bool = False) -> bool:
    """Whether a pattern is found anywhere in a text.

    Raises:
        InvalidArgument: The pattern can't be used.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = pc.match_substring_regex(pa.array([text]), pattern, ignore_case=ignore_case)
    except pa.ArrowInvalid as error:
        raise InvalidArgument(
            "This is no regular expression.", found=f"{pattern!r} ({refusal(pattern) or error})"
        ) from None
    return bool(found[0].as_py())
