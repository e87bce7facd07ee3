"""What type checkers and editors are told of each registry, compared with what the registry has.

Descriptors and constructors of registries are made when the class is; what type checkers read
stands in the class bodies, under `if TYPE_CHECKING:`. This derives it from the registries:

    python tests/typing/surface.py          # says which classes differ
    python tests/typing/surface.py --write  # rewrites their blocks; then run ruff over them
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import typing
from functools import cache
from pathlib import Path

from lakehouse.orm.model.meta import (
    TRACKED,
    FieldDescriptor,
    ForeignIdDescriptor,
    ForeignKeyDescriptor,
    RelationDescriptor,
    UidDescriptor,
)
from lakehouse.orm.model.signatures import signature_of
from lakehouse.orm.model.unset import UNSET
from lakehouse.registries.table import DIRECTORY

# where the fields are written if not in the class itself: below all that uses them
HOLDERS = {"Artifact": "ArtifactFields", "Collection": "CollectionFields", "Schema": "SchemaFields"}
# what every saved record has, though the column may be null
THERE = {*TRACKED} - {"run_uid"} | {
    "Artifact.storage_uid", "Artifact.suffix", "Collection.hash", "Storage.type",
    "Protein.organism_uid", "Gene.organism_uid", "CellMarker.organism_uid",
    "User.created_at", "Branch.created_at", "Space.created_at",
    "BaseBlock.content", "BaseBlock.kind",
}  # fmt: skip


def _text(cls, name):
    """A field's type as its row model has it."""
    row = next(r for r in cls.meta.row.__mro__ if name in inspect.get_annotations(r))
    text = str(inspect.get_annotations(row)[name])
    for word in set(re.findall(r"[A-Z]\w+", text)):
        alias = getattr(sys.modules[row.__module__], word, None)
        if typing.get_origin(alias) is typing.Annotated:
            text = re.sub(rf"\b{word}\b", typing.get_args(alias)[0].__name__, text)
    return text


def _there(cls, name):
    named = {name, *(f"{part.__name__}.{name}" for part in cls.__mro__)}
    is_part = name == f"{cls.meta.part_of}_uid" and name not in TRACKED
    return name in cls.meta.required or is_part or bool(named & THERE)


def field_type(cls, name):
    text = _text(cls, name)
    return text.removesuffix(" | None") if _there(cls, name) else text


def _target(cls, key):
    name = cls.meta.foreign_keys[key].rpartition(".")[2]
    return name if _there(cls, f"{key}_uid") else f"{name} | None"


@cache
def attributes(cls):
    """Name → annotation, of all fields, foreign keys and relations that a class has."""
    meta, found = cls.meta, {}
    for name in meta.fields:
        if name != "uid":
            found[name] = (FieldDescriptor, field_type(cls, name))
        key = name.removesuffix("_uid")
        if name != key and key in meta.foreign_keys:
            found[key] = (ForeignKeyDescriptor, _target(cls, key))
            found[f"{key}_id"] = (ForeignIdDescriptor, field_type(cls, name))
    for name, relation in meta.relations.items():
        manager = "LinkManager" if relation.foreign_key is None else "KeyManager"
        found[name] = (RelationDescriptor, f"{manager}[{relation.target.rpartition('.')[2]}]")
    made = {n: inspect.getattr_static(cls, n) for n in found}
    assert isinstance(inspect.getattr_static(cls, "uid"), UidDescriptor)
    return {
        n: f"{kind.__name__}[{text}]"
        for n, (kind, text) in found.items()
        if isinstance(made[n], kind)  # not what a property of the class says
    }


def _default(value):
    if value is inspect.Parameter.empty:
        return ""
    return " = " + ("UNSET" if value is UNSET else repr(value))


@cache
def _own(part):
    """The run-time constructor of a class, as it is written."""
    node = _node(part)
    for name in ("_construct", "__init__"):
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == name:
                return item
    return None


def _written(cls, name):
    """The annotation of a parameter that a constructor names."""
    for part in cls.__mro__:
        function = _own(part) if part.__module__.startswith("lakehouse") else None
        if function is not None:
            arguments = function.args
            for arg in (*arguments.args, *arguments.kwonlyargs, arguments.vararg):
                if arg is not None and arg.arg == name and arg.annotation is not None:
                    return ast.unparse(arg.annotation)
    return None


def _parameter(cls, parameter):
    name, kind = parameter.name, parameter.kind
    text = _written(cls, name)
    if kind is parameter.VAR_POSITIONAL:
        return f"*{name}: {text}"
    if text is None and name in cls.meta.foreign_keys:
        target = cls.meta.foreign_keys[name].rpartition(".")[2]
        unset = " | Unset" if parameter.default is UNSET else ""
        text = target if parameter.default is parameter.empty else f"{target}{unset} | None"
    elif text is None and name == "uid":
        text = "str | None"
    elif text is None:
        text = _text(cls, name)  # None stands for the default
        text = text.removesuffix(" | None")
        text = text if parameter.default is parameter.empty or text == "Any" else f"{text} | None"
    return f"{name}: {text}{_default(parameter.default)}"


@cache
def constructor(cls):
    """The constructor that type checkers are to read."""
    parts, star = ["self"], False
    for parameter in signature_of(cls).parameters.values():
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        parts.append(_parameter(cls, parameter))
    return ast.unparse(ast.parse(f"def __init__({', '.join(parts)}) -> None: ..."))


# -- what is written -------------------------------------------------------------------------


@cache
def _tree(path):
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _node(cls):
    tree = _tree(inspect.getsourcefile(cls))
    return next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls.__name__)


def _block(node):
    for item in node.body:
        if isinstance(item, ast.If) and ast.unparse(item.test) == "TYPE_CHECKING":
            return item
    return None


@cache
def written(cls):
    """What the body of one class says to type checkers: annotations, and the constructor."""
    if not cls.__module__.startswith("lakehouse"):
        return {}, None
    block = _block(_node(cls))
    items = block.body if block else []
    names = {ast.unparse(i.target): ast.unparse(i.annotation) for i in items if _is_annotated(i)}
    inits = [ast.unparse(i) for i in items if isinstance(i, ast.FunctionDef)]
    return names, inits[0] if inits else None


def _is_annotated(item):
    return isinstance(item, ast.AnnAssign)


def holder(cls):
    """The class in whose body the fields of a registry stand."""
    name = HOLDERS.get(cls.__name__)
    return cls if name is None else next(p for p in cls.__mro__ if p.__name__ == name)


def declared(cls, *, beside=()):
    """What type checkers read of a class and its bases: annotations, and the constructor."""
    found, init = {}, None
    for part in reversed([p for p in cls.__mro__ if p not in beside]):
        names, own = written(part)
        found |= names
        init = own or init
    return {n: t for n, t in found.items() if n in attributes(cls)}, init


def blocks(cls):
    """What is to stand in which class: (class, its lines)."""
    home = holder(cls)
    known, init = declared(cls, beside={cls, home})
    lines = [f"{n}: {t}" for n, t in attributes(cls).items() if known.get(n) != t]
    makes = [constructor(cls)] if init != constructor(cls) else []
    return [(home, lines + makes)] if home is cls else [(home, lines), (cls, makes)]


def registries():
    return [DIRECTORY.get(name) for name in DIRECTORY.registries]


def differences():
    """Classes whose bodies say something else than the registries have."""
    found = []
    for cls in registries():
        for part, lines in blocks(cls):
            block = _block(_node(part))
            has = [ast.unparse(i) for i in block.body] if block else []
            if [ast.unparse(ast.parse(line)) for line in lines] != has:
                found.append((part, lines))
    return found


# -- writing -----------------------------------------------------------------------------------


def _module_of(name, cls):
    if name in ("FieldDescriptor", "ForeignKeyDescriptor", "ForeignIdDescriptor"):
        return "lakehouse.orm.model.meta"
    if name == "RelationDescriptor":
        return "lakehouse.orm.model.meta"
    if name in ("LinkManager", "KeyManager"):
        return "lakehouse.relations.managers"
    if name in ("Unset", "UNSET"):
        return "lakehouse.orm.model.unset"
    for full, dotted in DIRECTORY.registries.items():
        if full.rpartition(".")[2] == name:
            return dotted.partition(":")[0]
    for part in (*cls.__mro__, *cls.meta.row.__mro__):
        found = getattr(sys.modules[part.__module__], name, None)
        if found is not None:
            return found.__module__ if isinstance(found, type) else part.__module__
    return None


def _write(part, lines, cls):
    path = Path(inspect.getsourcefile(part))
    text = path.read_text(encoding="utf-8").splitlines()
    node = next(
        n
        for n in ast.parse("\n".join(text)).body
        if isinstance(n, ast.ClassDef) and n.name == part.__name__
    )
    block = _block(node)
    new = ["    if TYPE_CHECKING:"]
    new += [f"        {line}" for item in lines for line in item.splitlines()]
    if block is not None:
        start, end = block.lineno - 1, block.end_lineno
    else:
        start = end = node.body[0].end_lineno
        new = ["", *new, ""]
    text[start:end] = new if lines else []
    tree = ast.parse("\n".join(text))
    names = set(re.findall(r"\b[A-Z]\w+", " ".join(lines)))
    names |= {"datetime"} if re.search(r"\bdatetime\b(?!\.)", " ".join(lines)) else set()
    names -= {"Any", "None", "True", "False", "TYPE_CHECKING", part.__name__, "Iterable", "Mapping"}
    known = {n.name for n in tree.body if isinstance(n, ast.ClassDef)}
    for item in ast.walk(tree):
        if isinstance(item, ast.ImportFrom):
            known |= {a.asname or a.name for a in item.names}
        elif isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            known.add(item.targets[0].id)
    wanted = [(n, _module_of(n, cls)) for n in sorted(names - known)]
    more = [f"    from {module} import {n}" for n, module in wanted if module]
    guard = next(
        (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"),
        None,
    )
    if more and guard is not None:
        text[guard.body[-1].end_lineno : guard.body[-1].end_lineno] = more
    elif more:
        last = max(n.end_lineno for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom))
        text[last:last] = ["", "if TYPE_CHECKING:", *more]
        if "TYPE_CHECKING" not in known:
            text[last:last] = ["from typing import TYPE_CHECKING"]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


def main(write):
    found = differences()
    for part, lines in found:
        print(f"{part.__module__}.{part.__name__}")
        if write:
            cls = next(c for c in registries() if part in (c, holder(c)))
            _write(part, lines, cls)
    return 0 if write or not found else 1


if __name__ == "__main__":
    raise SystemExit(main("--write" in sys.argv))
