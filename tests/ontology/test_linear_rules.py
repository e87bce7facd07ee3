"""Fixed patterns of this package take time in proportion to the text, whatever it says."""

from __future__ import annotations

import re
import time

import pytest

from lakehouse.ontology.model import ids, raw
from lakehouse.ontology.reading import obo, obo_clauses, obograph, owl, source
from lakehouse.text.redaction import redacted, without_credentials

N = 30_000
PIECES = ["a", "a ", "a_", "_", '"', ' "', '"a', "[", "]", "[a", "{", "} ", " ", "\t", "!", " !",
          "\\", "\\\\\n", "\n", " \n", "EXACT ", " EXACT [", "[]", "a:1 ", "/", "#", "a.", "1.", "%",
          "&", "<!--", "<?", "]>", "://", "a://", "password=", "?a=", "IAO_0100001"]  # fmt: skip
ROUGHLY = 1.0  # seconds; a quadratic rule takes many


def texts():
    for piece in PIECES:
        yield (piece * N)[:N]
        yield (piece * N)[:N] + "\x01"


def within(action):
    start = time.process_time()
    action()
    took = time.process_time() - start
    assert took < ROUGHLY, took


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["def", "synonym", "xref", "is_a", "relationship", "creation_date",
                                 "subsetdef", "is_obsolete", "id", "exact_synonym", "name"])  # fmt: skip
@pytest.mark.parametrize("start", ["", '"'])
def test_readings_of_clauses(tag, start):
    for text in texts():
        if "\n" in text:
            continue  # they are given lines
        clause = f"{tag}: {start}{text}"
        within(lambda c=clause: obo.read_text(f"[Term]\nid: X:1\n{c}\n".encode()))


@pytest.mark.slow
def test_patterns_of_clauses():
    patterns = [p for p in vars(obo_clauses).values() if isinstance(p, re.Pattern)]
    assert len(patterns) > 10
    for text in texts():
        for start in ("", '"', "A:1 ", '"a" EXACT ', 'a "b" ', "2020-01-02"):
            for pattern in patterns:
                within(lambda p=pattern, t=start + text: (p.match(t), p.fullmatch(t)))


def test_patterns_of_ontologies():
    purl = "http://purl.obolibrary.org/obo/"
    for text in texts():
        data = text.encode()
        for action in (
            lambda t=text: owl._UNDERSCORED.match(purl + "a" + t),
            lambda t=text: [p.match(purl + t) for p in (ids._PURL, ids._IRI, ids._SPLIT_SHORTHAND)],
            lambda t=text: [p.match(t) for p in (raw._REPLACED, raw._CONSIDER, obo._STANZA)],
            lambda d=data: source._kind(b"x\n" + d),
            lambda d=data: source._root(b"<?xml?>" + d),
            lambda d=data: obograph._UNDERSCORED.sub(b"", d),
            lambda d=data: [
                p.search(d) for p in (obo._COMMENT, obo._OPEN_END, obo._ALL_IDS, obo._USUAL_IDS)
            ],
            lambda d=data: [p.search(d) for p in (owl._DECLARATION, owl._ENTITY)],
        ):
            within(action)


def test_what_is_underscored_stays_the_same():
    obo = "http://purl.obolibrary.org/obo/"
    for name, found in (("UBERON_0001", False), ("a_b_1", True), ("a__1", False), ("a_1_1", False),
                        ("a_1_b_1", True), ("a_b", False), ("a_b_1x", False)):  # fmt: skip
        assert bool(owl._UNDERSCORED.match(obo + name)) is found, name


def test_redaction_of_long_texts():
    for text in texts():
        within(lambda t=text: redacted(t + " s3://user:secret@host/x"))
        within(lambda t=text: without_credentials(t + " s3://user:secret@host/x"))
    long = "x" * 100 + "s3://user:secret@host/x"
    assert "secret" not in redacted(long)
    assert "secret" not in without_credentials(long)
