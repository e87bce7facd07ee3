"""Make OBO text loadable, clause by clause, and say what was done to every line.

Only clauses that the parser refuses are touched, and every line keeps its number: a dropped
clause leaves a blank line. Frames are checked in chunks, so that a good file costs one parse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lakehouse.ontology.model.model import Repair
from lakehouse.ontology.reading.repair_rules import candidates

Refusal = Callable[[str], str | None]

_HEADER = "format-version: 1.4\n"
_STANZA = re.compile(r"\s*\[\s*(\w+)\s*\]\s*(.*)$")
_STANZAS = {"term": "Term", "typedef": "Typedef", "instance": "Instance"}
_CHUNK = 64

_COMMENT = re.compile(rb"(?m)^[ \t]*![^\n]*")
_OPEN_END = re.compile(rb"(?<!\\)(?:\\\\)*\\\n")
_IDENTIFYING = tuple(
    tag + b":"
    for tag in (
        *(b"id", b"alt_id", b"is_a", b"replaced_by", b"consider", b"relationship"),
        *(b"disjoint_from", b"equivalent_to", b"union_of", b"intersection_of"),
    )
)


def without_comments(data: bytes) -> bytes:
    """Blank whole-line comments: they carry nothing, and inside a frame the parser dies of them."""
    if data.startswith((b"!", b" ", b"\t")) or re.search(rb"\n[ \t]*!", data):
        return _COMMENT.sub(b"", data)
    return data


def misread(data: bytes) -> bool:
    """Whether the parser would accept this text and still read something else.

    An id with an escaped colon would be another id, and a line that ends in a backslash would
    swallow the clause after it.
    """
    if b"\\\n" in data and _OPEN_END.search(data):
        return True
    at = data.find(b"\\:")
    while at >= 0:
        line = data[data.rfind(b"\n", 0, at) + 1 : at]
        if line.startswith(_IDENTIFYING) and not re.search(rb'[!"{]', line):
            return True
        at = data.find(b"\\:", at + 2)
    return False


@dataclass
class _Frame:
    kind: str
    start: int
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        head = f"[{self.kind}]\n" if self.kind else ""
        return head + "".join(f"{line}\n" for line in self.lines)

    def around(self, clauses: str) -> str:
        """The least text in which these clauses of the frame can be judged."""
        if not self.kind:
            return clauses
        return f"{_HEADER}\n[{self.kind}]\n{self.lines[0]}\n{clauses}"


def repair(data: bytes, refusal: Refusal) -> tuple[bytes, list[Repair]]:
    r"""Repair OBO text.

    Args:
        data: UTF-8 text with `\n` line ends, without whole-line comments.
        refusal: Says why the parser refuses a piece of text, or None.

    Returns:
        Text with as many lines, and what was done.
    """
    mender = _Mender(refusal)
    frames = list(mender.frames(data.decode().rstrip("\n").split("\n")))
    mender.mend(frames)
    return "".join(frame.text() for frame in frames).encode(), sorted(mender.repairs)


class _Mender:
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.repairs: list[Repair] = []

    def note(self, number: int, text: str, reason: str) -> None:
        self.repairs.append(Repair(number, text, reason))

    def frames(self, lines: list[str]) -> Iterator[_Frame]:
        """Cut lines into frames of equally many lines; unknown kinds become blank header lines."""
        frame = _Frame("", 1)
        unknown = ""
        for number, line in enumerate(self._joined(lines), 1):
            stanza = _STANZA.match(line)
            if stanza is None:
                if unknown and line.strip():
                    self.note(number, line, f"clause of an unknown stanza [{unknown}]: dropped")
                frame.lines.append("" if unknown else line)
                continue
            kind = _STANZAS.get(stanza.group(1).lower(), "")
            unknown = "" if kind else stanza.group(1)
            if not kind:
                self.note(number, line, "unknown stanza: dropped")
                frame.lines.append("")
                continue
            if line.strip() != f"[{kind}]":
                self.note(number, line, f"stanza read as [{kind}]")
            yield frame
            frame = _Frame(kind, number + 1)
        yield frame

    def _joined(self, lines: list[str]) -> Iterator[str]:
        """Join lines that end in a single backslash with the next, keeping the count of lines."""
        index = 0
        while index < len(lines):
            line, extra = lines[index], 0
            while (
                (len(line) - len(line.rstrip("\\"))) % 2
                and index + extra + 1 < len(lines)
                and not re.match(r"\s*$|\s*\[|\s*[\w-]+:\s", lines[index + extra + 1])
            ):
                extra += 1
                line = line[:-1] + lines[index + extra].lstrip()
            if extra:
                self.note(index + 1, lines[index], "joined with the line after the backslash")
            yield line
            yield from [""] * extra
            index += 1 + extra

    def mend(self, frames: list[_Frame]) -> None:
        """Mend every frame that the parser refuses, in place."""
        self._clauses(frames[0])
        for frame in frames[1:]:
            self._identify(frame)
        rest = [frame for frame in frames[1:] if any(frame.lines)]
        for at in range(0, len(rest), _CHUNK):
            chunk = rest[at : at + _CHUNK]
            text = _HEADER + "\n" + "".join(frame.text() for frame in chunk)
            if self.refusal(text) is None and not misread(text.encode()):
                continue
            for frame in chunk:
                alone = f"{_HEADER}\n{frame.text()}"
                if self.refusal(alone) is not None or misread(alone.encode()):
                    self._clauses(frame)
                    self._whole(frame)

    def _identify(self, frame: _Frame) -> None:
        """Bring a usable id into the frame's first line, or blank the frame."""
        at = next((i for i, line in enumerate(frame.lines) if re.match(r"\s*id\s*:", line)), None)
        if at is None:
            self._drop(frame, "a stanza without an id")
            return
        line = frame.lines[at]
        if at and any(text.strip() for text in frame.lines[:at]):
            self.note(frame.start + at, line, "id moved to the head of its stanza")
        frame.lines.insert(0, frame.lines.pop(at))
        if self._id_refusal(frame, line) is None:
            return
        for text, reason in candidates(line):
            if self._id_refusal(frame, text) is None:
                self.note(frame.start + at, line, reason)
                frame.lines[0] = text
                return
        self._drop(frame, f"a stanza with an unusable id {line.strip()!r}")

    def _id_refusal(self, frame: _Frame, line: str) -> str | None:
        text = f"[{frame.kind}]\n{line}\n"
        if misread(text.encode()):
            return "an escaped colon"
        return self.refusal(f"{_HEADER}\n{text}")

    def _drop(self, frame: _Frame, reason: str) -> None:
        self.note(frame.start - 1, f"[{frame.kind}]", f"{reason}: dropped")
        for number, line in enumerate(frame.lines, frame.start):
            if line.strip():
                self.note(number, line, f"clause of {reason}: dropped")
        # a blank header-like frame keeps the count of lines, its stanza line included
        frame.kind, frame.lines = "", [""] * (len(frame.lines) + 1)

    def _clauses(self, frame: _Frame) -> None:
        """Mend or blank every clause that is refused on its own."""
        for index in range(1 if frame.kind else 0, len(frame.lines)):
            line = frame.lines[index]
            if not line.strip():
                continue
            reason = self._clause_refusal(frame, line)
            if reason is not None:
                frame.lines[index] = self._mended(frame, index, line, reason)

    def _mended(self, frame: _Frame, index: int, line: str, refused: str) -> str:
        for text, reason in candidates(line):
            if self._clause_refusal(frame, text) is None:
                self.note(frame.start + index, line, reason)
                return text
        self.note(frame.start + index, line, f"{refused}: dropped")
        return ""

    def _clause_refusal(self, frame: _Frame, line: str) -> str | None:
        if re.match(r"\s*[\w-]+\s*:\s*$", line):
            return "a clause without a value"
        if not re.match(r"\s*[\w-]+\s*:", line):
            return "no clause"
        if frame.kind and re.match(r"\s*id\s*:", line):
            return "a second id in one stanza"
        text = f"{line}\n"
        if misread(text.encode()):
            return "an escaped colon, or a backslash at the end"
        refused = self.refusal(frame.around(text))
        tag = line.partition(":")[0].strip()
        if refused is not None and "Clause" in refused:
            return f"unknown tag {tag!r}"
        return refused

    def _whole(self, frame: _Frame) -> None:
        """Blank clauses that are fine alone but not beside those before them."""
        if self.refusal(f"{_HEADER}\n{frame.text()}") is None:
            return
        lines, frame.lines = frame.lines, frame.lines[:1]
        for index, line in enumerate(lines[1:], 1):
            frame.lines.append(line)
            refused = self.refusal(f"{_HEADER}\n{frame.text()}") if line.strip() else None
            if refused is not None:
                frame.lines[-1] = ""
                self.note(frame.start + index, line, f"{refused}: dropped")
