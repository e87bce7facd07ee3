"""Types of fields whose form is checked: web addresses and DOIs."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, AnyUrl, StringConstraints, TypeAdapter, ValidationError

from lakehouse.text.redaction import without_credentials

_SCHEMES = ("http", "https", "ftp", "ftps")
_HOST = re.compile(r"localhost|\[[0-9a-fA-F:.]+\]|.+\.[^.\s]+")
# the syntax of the DOI handbook (2.2): a registrant of four or more digits, then any name
_DOI = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?10\.\d{4,9}(?:\.\d+)*/\S+", re.IGNORECASE
)
_parser: TypeAdapter[AnyUrl] = TypeAdapter(AnyUrl)


def _url(text: str) -> str:
    """The address as it was given, if it is one; without credentials."""
    text = without_credentials(text)
    try:
        found = _parser.validate_python(text)
    except ValidationError:
        raise ValueError("a URL such as https://example.org/page") from None
    host = found.host or ""
    if found.scheme not in _SCHEMES or not _HOST.fullmatch(host) or re.search(r"\s", text):
        raise ValueError("a URL such as https://example.org/page")
    return text


def _doi(text: str) -> str:
    """The DOI as it was given, if it is one."""
    if not _DOI.fullmatch(text):
        raise ValueError("a DOI such as 10.1000/182")
    return text


PlainReference = Annotated[str, AfterValidator(without_credentials)]
"""A name, number or address of something outside; credentials in an address are taken off."""

Abbreviation = Annotated[str, StringConstraints(min_length=1, max_length=32)]
"""A short name of at most 32 characters."""

Url = Annotated[str, AfterValidator(_url)]
"""A web address with its scheme."""

Doi = Annotated[str, AfterValidator(_doi)]
"""A digital object identifier, bare, with `doi:` or as an address."""
