"""What the constructor of a registry takes, for `inspect`, `help` and notebooks.

Constructors pass on what they don't look at themselves, down to the one that all records share,
which takes any field. So what a registry's constructor takes follows from its own parameters and
from the fields of the registry. The signatures that type checkers read are written in the
classes; a test compares them with these.
"""

from __future__ import annotations

from inspect import Parameter, Signature, signature
from typing import Any

from lakehouse.orm.model.meta import TRACKED, RegistryMeta
from lakehouse.orm.model.unset import UNSET

# parameters that are there to refuse what is passed to them with a helpful error
_REFUSING = ("more", "values_", "others")
_KEYWORD = Parameter.KEYWORD_ONLY
_GIVEN_BY_ALL = ("uid", "branch", "space", "run", "created_by")


def signature_of(cls: type[Any]) -> Signature:
    """The signature of a registry's constructor.

    Example:
        >>> list(signature_of(ULabel).parameters)[:2]
        ['name', 'type']
    """
    meta: RegistryMeta = cls.meta
    found: dict[str, Parameter] = {}
    for part in cls.__mro__:
        if "__init__" not in vars(part) or part is object:
            continue
        more = _explicit(part, found)
        if more is None or more in _REFUSING:
            return _ordered(found)
    explicit = list(found)
    hidden = {*meta.derived, *meta.private, "hash", "version_tag"}
    for name in meta.fields:
        key = name.removesuffix("_uid")
        taken = key if key in meta.foreign_keys else name
        if not {name, taken} & {*hidden, *found, *TRACKED, *_GIVEN_BY_ALL}:
            found[taken] = _keyword(taken, _default(meta, taken))
    for name in _GIVEN_BY_ALL:
        if name not in found and name in {"uid", *meta.foreign_keys}:
            found[name] = _keyword(name, None)
    named = cls._named
    return _ordered({n: p for n, p in found.items() if named is None or n in {*named, *explicit}})


def _explicit(part: type[Any], found: dict[str, Parameter]) -> str | None:
    """Add what a class's own constructor names; the name of what takes further keywords."""
    more = None
    inner = bool(found)
    for parameter in list(signature(vars(part)["__init__"]).parameters.values())[1:]:
        name = parameter.name
        if parameter.kind is Parameter.VAR_KEYWORD:
            more = name
        elif parameter.kind is Parameter.VAR_POSITIONAL:
            if not inner and name not in _REFUSING:
                found[name] = parameter
        elif name not in found:
            found[name] = _keyword(name, parameter.default) if inner else parameter
    return more


def _default(meta: RegistryMeta, name: str) -> Any:
    if name in meta.required or f"{name}_uid" in meta.required:
        return Parameter.empty
    if name == "type" and name in meta.foreign_keys:
        return UNSET  # None says that it has no type, which is another thing
    return meta.defaults.get(name)


def _keyword(name: str, default: Any) -> Parameter:
    return Parameter(name, _KEYWORD, default=default)


def _ordered(found: dict[str, Parameter]) -> Signature:
    if any(p.kind is Parameter.VAR_POSITIONAL for p in found.values()):
        # what is given by place brings the fields that are needed
        needed = [p for p in found.values() if p.default is Parameter.empty and p.kind is _KEYWORD]
        found = found | {p.name: p.replace(default=None) for p in needed}
    return Signature(sorted(found.values(), key=lambda p: p.kind))


class SignatureOfRegistry:
    """The `__signature__` of registries, which is made when somebody asks for it."""

    def __get__(self, record: Any, owner: type[Any]) -> Signature:
        if not hasattr(owner, "meta"):
            raise AttributeError("__signature__")
        return signature_of(owner)
