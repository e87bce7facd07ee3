"""Credentials in addresses and messages: taken off before anything is stored or told.

Logins (`https://ada:pw@host`) and secret parameters (`?token=…`, signed query strings) belong
to the call that was given them; tables, logs, messages and errors have the address without.

Example:
    >>> without_credentials("https://ada:pw@lab.org/x.csv?v=2&token=abc")
    'https://lab.org/x.csv?v=2'
    >>> redacted("no answer from https://ada:pw@lab.org/x.csv?token=abc")
    'no answer from https://***@lab.org/x.csv?token=***'
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_MASK = "***"
# a login may stand before the place; in these schemes its user is part of the address
_WITH_USER = re.compile(r"(postgres|postgresql|ssh|git)(\+[a-z0-9]+)*")
# abfs://container@account.dfs.core.windows.net/folder
_CONTAINERS = frozenset({"az", "abfs", "abfss", "wasb", "wasbs"})
# a scheme without a bound would be looked for from each letter of a long text anew
_SCHEME = r"([A-Za-z][A-Za-z0-9+.\-]{0,40})://"
_ADDRESS = re.compile(_SCHEME + r"([^\s<>\"]*)")
_PARAMETER = re.compile(r"([?&;#])([^=&?;#\s/]{1,80})=([^&;#\s\"'<>]*)")
_SPOKEN = re.compile(
    r"\b((?:pg)?passw(?:or)?d|passphrase|aws_secret_access_key|aws_session_token|client_secret)"
    r"(\s*=\s*|[\"']\s*:\s*)('[^']*'|\"[^\"]*\"|[^\s,;)}\]]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Authorization: Basic)(\s+)[A-Za-z0-9._~+/=\-]{8,}")
_SECRET_WORDS = (
    "token",
    "secret",
    "passw",
    "passphrase",
    "signature",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "keypairid",
    "accessid",
    "sessionid",
)
_SECRET_NAMES = frozenset(
    [
        "sig",
        "sign",
        "key",
        "pwd",
        "pass",
        "pw",
        "auth",
        "authorization",
        "jwt",
        "code",
        "policy",
        "sas",
        "hmac",
        "ticket",
        "otp",
        "session",
        "login",
    ]
)


def is_secret(parameter: str) -> bool:
    """Whether a query parameter of this name is a credential.

    Example:
        >>> is_secret("X-Amz-Signature"), is_secret("access_token"), is_secret("version")
        (True, True, False)
    """
    name = re.sub(r"[^a-z0-9]", "", unquote(parameter).lower())
    return (
        name in _SECRET_NAMES
        or name.startswith(("xamz", "xgoog"))
        or any(word in name for word in _SECRET_WORDS)
    )


def split_login(scheme: str, rest: str) -> tuple[str, str]:
    """The login of an address, or empty text, and what follows it.

    Passwords that hold a slash, which an address may not, are recognised as far as possible:
    what stands where the port would isn't a number.

    Args:
        scheme: The scheme in lower case.
        rest: What follows `://`.
    """
    authority = rest.partition("/")[0]
    if "@" in authority:
        login, _, place = authority.rpartition("@")
        if scheme in _CONTAINERS and ":" not in login:
            return "", rest
        return login, place + rest[len(authority) :]
    _, colon, port = re.split(r"[?#]", authority)[0].partition(":")
    numeric = port.isdecimal() or (authority.startswith("[") and "]" in authority)
    if colon and port and not numeric and "@" in rest:
        login, _, place = rest.rpartition("@")
        return login, place
    return "", rest


def _user_of(scheme: str, login: str) -> str:
    """The part of a login that is told: the user, where it belongs to the address."""
    user, colon, _ = login.partition(":")
    return user if _WITH_USER.fullmatch(scheme) and (not colon or user) else ""


def without_credentials(text: str) -> str:
    """A text whose addresses have neither logins nor secret parameters any more.

    Args:
        text: An address, or any text with addresses in it.
    """
    if "://" not in text:
        return text

    def clean(match: re.Match[str]) -> str:
        scheme, rest = match[1].lower(), match[2]
        login, rest = split_login(scheme, rest)
        user = _user_of(scheme, login)
        kept = _without_parameters(rest)
        return f"{match[1]}://{user}{'@' if user else ''}{kept}"

    return re.sub(_SCHEME + r"(\S*)", clean, text)


def _without_parameters(rest: str) -> str:
    head, mark, tail = rest.partition("?")
    if not mark:
        head, mark, tail = rest.partition("#")
        return head + _kept(mark, tail, "&")
    query, sharp, fragment = tail.partition("#")
    path = _PARAMETER.sub(lambda m: "" if m[1] == ";" and is_secret(m[2]) else m[0], head)
    return path + _kept("?", query, "&") + _kept(sharp, fragment, "&")


def _kept(mark: str, parameters: str, separator: str) -> str:
    """A query or fragment without what is secret in it; nothing where all of it was."""
    if not mark:
        return ""
    parts = re.split(r"[&;]", parameters)
    kept = []
    for part in parts:
        name, given, value = part.partition("=")
        plain = unquote(value)
        if not (given and (is_secret(name) or redacted(plain) != plain)):
            kept.append(part)
    if len(kept) == len(parts):
        return mark + parameters
    return mark + separator.join(kept) if kept else ""


def redacted(text: str) -> str:
    """A message with its credentials masked; a text without any is returned as it is."""
    if "://" not in text and "=" not in text and ":" not in text and " " not in text:
        return text
    if "://" in text:
        text = _ADDRESS.sub(_masked, text)
    if "=" in text:
        text = _PARAMETER.sub(_masked_parameter, text)
    text = _SPOKEN.sub(rf"\1\2{_MASK}", text)
    return _BEARER.sub(rf"\1\2{_MASK}", text)


def harmless(error: BaseException) -> BaseException | None:
    """An error as the cause of another one; None where a traceback would tell credentials."""
    return error if redacted(str(error)) == str(error) else None


def _masked_parameter(match: re.Match[str]) -> str:
    value = match[3]
    if not value or value == _MASK:
        return match[0]
    plain = unquote(value)  # an address in an address
    if is_secret(match[2]) or (plain != value and redacted(plain) != plain):
        return f"{match[1]}{match[2]}={_MASK}"
    return match[0]


def _masked(match: re.Match[str]) -> str:
    scheme, rest = match[1].lower(), match[2]
    login, place = split_login(scheme, rest)
    if not login:
        return match[0]
    user = _user_of(scheme, login)
    if user and ":" not in login:
        return match[0]
    shown = f"{user}:{_MASK}" if user else _MASK
    return f"{match[1]}://{shown}@{place}"
