"""Every kind of mistake that OBO files are known to hold: repaired, and reported with its line."""

from __future__ import annotations

import time

import pytest

from lakehouse.ontology import read
from tests.ontology.sample import HEADER, column, only, reasons, term

# clause, table, column, value that must come out, part of the reason
CLAUSES = [
    ("name: !Kung", "terms", "name", "!Kung", "escaped"),
    ("name: a { b }", "terms", "name", "a { b }", "escaped"),
    ("name: a\\", "terms", "name", "a\\", "backslash"),
    ("name : a", "terms", "name", "a", "read as 'name'"),
    ("Name: a", "terms", "name", "a", "read as 'name'"),
    ("name:", "terms", "name", None, "without a value: dropped"),
    ("is_obsolete: True", "terms", "obsolete", True, "boolean"),
    ("is_obsolete: 1", "terms", "obsolete", True, "boolean"),
    ("is_obsolete: FALSE", "terms", "obsolete", False, "boolean"),
    ("is_obsolete: maybe", "terms", "obsolete", False, "Boolean: dropped"),
    ("creation_date: 2020", "terms", "name", None, "ISO 8601): dropped"),
    ("creation_date: 2020/3/4 10:00", "terms", "name", None, "ISO 8601"),
    ("foo: bar", "terms", "name", None, "unknown tag 'foo': dropped"),
    ("garbage", "terms", "name", None, "no clause: dropped"),
    ("id: X:9", "terms", "id", "X:1", "second id"),
    ('def: "x"', "terms", "definition", "x", "brackets added"),
    ('def: "x" [', "terms", "definition", "x", "brackets added"),
    ("def: x", "terms", "definition", "x", "quotes"),
    ("def: x [PMID:1]", "terms", "definition", "x", "quotes"),
    ('def: "a "b" c" [PMID:1]', "terms", "definition", 'a "b" c', "quotes"),
    ('def: "a" [PMID:1, http://a b]', "terms", "definition", "a", "references"),
    ('def: "end \\" []', "terms", "definition", "end", "quotes"),
    ("definition: x", "terms", "definition", "x", "read as 'def'"),
    ('synonym: "x" []', "synonyms", "scope", "RELATED", "without a scope"),
    ('synonym: "x"', "synonyms", "scope", "RELATED", "without a scope"),
    ('synonym: "x" EXACT', "synonyms", "scope", "EXACT", "brackets added"),
    ('synonym: "x" narrow []', "synonyms", "scope", "NARROW", "brackets"),
    ("synonym: x BROAD []", "synonyms", "synonym", "x", "quotes"),
    ('synonym: "a "b" c" EXACT []', "synonyms", "synonym", 'a "b" c', "quotes"),
    ('synonym: "x" EXACT one two [A:1]', "synonyms", "scope", "EXACT", "left out: 'one two"),
    ('exact_synonym: "x" []', "synonyms", "scope", "EXACT", "old tag"),
    ('narrow_synonym: "x" [A:1]', "synonyms", "scope", "NARROW", "old tag"),
    ("xref: http://a.b/c\\:d", "xrefs", "xref", "http://a.b/c:d", "escaped colon"),
    ("xref: A:b c", "xrefs", "xref", "A:b c", "spaces"),
    ("xref: http://a.b/c d", "xrefs", "xref", "http://a.b/c%20d", "percent-encoded"),
    ('xref: A:1 "say "it""', "xrefs", "xref", "A:1", "quotes"),
    ("xref_analog: A:1", "xrefs", "xref", "A:1", "read as 'xref'"),
    ("alt_id: X:7 formerly", "alt_ids", "alt_id", "X:7", "left out"),
    ("alt_id: X\\:7", "alt_ids", "alt_id", "X:7", "escaped colon"),
    ("relationship: part of X:2", "relations", "relation", "part_of", "told apart"),
    ("relationship: part_of X:2 wheel", "relations", "target", "X:2", "told apart"),
    ("relationship: part_of X\\:2", "relations", "target", "X:2", "escaped colon"),
    ("relationship: X:2", "terms", "id", "X:1", "dropped"),
    ("consider: X\\:2", "terms", "consider", ["X:2"], "escaped colon"),
    ("replaced_by: X:2 or X:3", "terms", "replaced_by", ["X:2"], "left out"),
    ("namespace: a b", "terms", "namespace", "a", "left out"),
    ("union_of: X:2", "terms", "id", "X:1", "cardinality of 1"),
    ("is_a: X:1", "terms", "id", "X:1", "own parent: dropped"),
]


@pytest.mark.parametrize(("clause", "table", "field", "value", "reason"), CLAUSES)
def test_clause(clause: str, table: str, field: str, value: object, reason: str):
    onto = term(f"comment: kept\n{clause}\ncreated_by: me")
    assert column(onto, table, field) == [value]
    assert column(onto, "terms", "comment") == ["kept"]
    repair = only(onto)
    assert reason in repair.reason
    if not clause.startswith("union_of"):
        assert (repair.line_number, repair.text) == (7, clause)


@pytest.mark.parametrize(
    "parent", ["is_a: X:2 wheel", "is_a: X:2 {foo}", "isa: X:2", "is_a: X\\:2"]
)
def test_parent_clause(parent: str):
    onto = term(parent)
    assert column(onto, "parents", "parent") == ["X:2"]
    assert onto.repairs[1].text == parent


def test_dangling_parent_becomes_a_stub():
    onto = term("name: a\nis_a: Y:2 ! foreign")
    assert column(onto, "terms", "id") == ["X:1", "Y:2"]
    assert column(onto, "terms", "stub") == [False, True]
    assert only(onto).line_number == 7
    assert only(onto).text == "is_a: Y:2"
    assert "stub added" in only(onto).reason


def test_undeclared_synonym_type_is_kept_and_reported_once():
    onto = term('name: a\nsynonym: "b" EXACT ABBR []\nsynonym: "c" EXACT ABBR []')
    assert column(onto, "synonyms", "type") == ["ABBR", "ABBR"]
    assert reasons(onto) == [(7, "undeclared synonym type 'ABBR': declared")]


def test_dangling_references_stay_as_they_are():
    onto = term("replaced_by: Z:1\nconsider: Z:2\nrelationship: part_of Z:3\nis_obsolete: true")
    assert column(onto, "terms", "replaced_by") == [["Z:1"]]
    assert column(onto, "terms", "consider") == [["Z:2"]]
    assert column(onto, "relations", "target") == ["Z:3"]
    assert onto.repairs == ()


def test_duplicate_ids_are_merged_and_reported():
    body = "[Term]\nid: X:1\nname: a\nxref: A:1\n\n[Term]\nid: X:1\nname: b\nxref: B:1\n"
    onto = read((HEADER + body).encode(), keep=False)
    assert column(onto, "xrefs", "xref") == ["A:1", "B:1"]
    assert reasons(onto) == [
        (10, "duplicate id: merged with line 5"),
        (11, "replaced by 'name: b'"),
    ]
    assert onto.repairs[1].text == "name: a"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("name: a", "name: b"),
        ('def: "a" []', 'def: "b" []'),
        ("is_obsolete: true", "is_obsolete: false"),
        ("comment: a", "comment: b"),
    ],
)
def test_a_second_value_of_a_single_clause_is_reported(first: str, second: str):
    onto = term(f"{first}\n{second}")
    assert only(onto).text == first
    assert only(onto).reason == f"replaced by {second!r}"


def test_an_id_of_a_term_and_a_relation():
    body = "[Term]\nid: same\nname: term\n\n[Typedef]\nid: same\nname: relation\n"
    onto = read((HEADER + body).encode(), keep=False)
    assert column(onto, "terms", "name") == ["term"]


@pytest.mark.parametrize(
    "stanza", ["[term]", "[ Term ]", "[Term] ! a remark", "  [Term]", "[TERM]"]
)
def test_odd_stanza_lines(stanza: str):
    onto = read(f"{HEADER}{stanza}\nid: X:1\nname: a\n".encode(), keep=False)
    assert column(onto, "terms", "name") == ["a"]


def test_unknown_stanza_is_dropped_line_by_line():
    body = "[Foo]\nid: f\nbar: b\n\n[Term]\nid: X:1\n"
    onto = read((HEADER + body).encode(), keep=False)
    assert [repair.line_number for repair in onto.repairs] == [4, 5, 6]
    assert column(onto, "terms", "id") == ["X:1"]


def test_instances_are_reported_line_by_line():
    body = "[Term]\nid: X:1\n\n[Instance]\nid: i\ninstance_of: X:1\n"
    onto = read((HEADER + body).encode(), keep=False)
    assert [repair.line_number for repair in onto.repairs] == [7, 8, 9]


@pytest.mark.parametrize("bad", ["name: a", "id: X 1\nname: a", "id:\nname: a", "id: !\nname: a"])
def test_a_stanza_without_a_usable_id_is_dropped(bad: str):
    onto = read(f"{HEADER}[Term]\n{bad}\n\n[Term]\nid: X:2\nname: b\n".encode(), keep=False)
    assert column(onto, "terms", "id") == ["X:2"]
    assert onto.repairs[0].line_number == 4
    assert "name: a" in [repair.text for repair in onto.repairs]


def test_an_empty_stanza_is_reported():
    onto = read(f"{HEADER}[Term]\n\n[Term]\nid: X:2\n".encode(), keep=False)
    assert only(onto).line_number == 4


def test_an_id_that_isn_t_first():
    onto = read(f"{HEADER}[Term]\nname: a\nid: X:1\nis_obsolete: True\n".encode(), keep=False)
    assert column(onto, "terms", "name") == ["a"]
    assert [line for line, _ in reasons(onto)] == [6, 7]


def test_an_escaped_id_is_the_same_term():
    body = "[Term]\nid: X\\:1\nname: a\n\n[Term]\nid: X:2\nis_a: X:1\n"
    onto = read((HEADER + body).encode(), keep=False)
    assert column(onto, "terms", "id") == ["X:1", "X:2"]
    assert column(onto, "parents", "parent") == ["X:1"]
    assert only(onto).line_number == 5


def test_continued_lines_are_joined_when_the_file_is_repaired():
    onto = term('foo: bar\ndef: "one \\\n  two" []\nname: a')
    assert column(onto, "terms", "definition") == ["one two"]
    assert column(onto, "terms", "name") == ["a"]


def test_header_lines():
    header = (
        "format-version: 1.2\ndate: 2020-01-01\nsubsetdef: small\nsynonymtypedef: AB an abbreviation\n"
        "garbage here\nidspace: A b\ndata-version:\nontology: x\n\n"
    )
    onto = read(f'{header}[Term]\nid: X:1\nsynonym: "s" EXACT AB []\n'.encode(), keep=False)
    assert [line for line, _ in reasons(onto)] == [2, 3, 4, 5, 6, 7]
    assert onto.metadata.ontology == "x"
    assert column(onto, "synonyms", "type") == ["AB"]


def test_comment_lines_anywhere():
    text = "! one\n\nformat-version: 1.4\n! two\n[Term]\n! three\nid: X:1\n  ! four\nname: a\n"
    onto = read(text.encode(), keep=False)
    assert column(onto, "terms", "name") == ["a"]
    assert onto.repairs == ()


def test_an_import_is_never_resolved():
    onto = read(
        f"import: http://localhost:9/no.obo\n{HEADER}[Term]\nid: X:1\n".encode(), keep=False
    )
    assert column(onto, "terms", "id") == ["X:1"]


def test_cycles_load():
    body = "[Term]\nid: X:1\nis_a: X:2\n\n[Term]\nid: X:2\nis_a: X:1\n"
    onto = read((HEADER + body).encode(), keep=False)
    assert onto.parents.to_pylist() == [
        {"id": "X:1", "parent": "X:2"},
        {"id": "X:2", "parent": "X:1"},
    ]
    assert onto.repairs == ()


def test_many_bad_terms_among_good_ones_keep_their_line_numbers():
    frames = []
    for i in range(400):
        bad = "is_obsolete: True" if i % 97 == 0 else "is_obsolete: true"
        frames.append(f"[Term]\nid: X:{i}\nname: n{i}\n{bad}\n\n")
    onto = read((HEADER + "".join(frames)).encode(), keep=False)
    assert len(onto) == 400
    assert [r.line_number for r in onto.repairs] == [3 + 5 * i + 4 for i in range(0, 400, 97)]
    assert all(column(onto, "terms", "obsolete"))


def test_other_clauses_of_the_file_are_untouched_by_a_repair():
    good = (
        '[Term]\nid: X:2\nname: a\\tb \\{c\\}\nxref: http\\://a.b/c\nsynonym: "q" EXACT [A:1]\n\n'
    )
    alone = read((HEADER + good).encode(), keep=False)
    beside = read((HEADER + good + "[Term]\nid: X:3\nfoo: bar\n").encode(), keep=False)
    for name in ("synonyms", "xrefs"):
        assert getattr(alone, name).equals(getattr(beside, name))
    assert column(alone, "terms", "name") == column(beside, "terms", "name")[:1] == ["a\tb {c}"]


def test_synonyms_of_one_text_and_several_types():
    kinds = 'synonymtypedef: A "a"\nsynonymtypedef: B "b"\n'
    text = (
        f"format-version: 1.4\n{kinds}\n[Term]\nid: X:1\n"
        'synonym: "s\\n" EXACT A []\nsynonym: "s\\n" EXACT B []\nsynonym: "s\\n" EXACT []\n'
    )
    onto = read(text.encode(), keep=False)
    assert [tuple(row.values())[1:] for row in onto.synonyms.to_pylist()] == [
        ("s\n", "EXACT", None),
        ("s\n", "EXACT", "A"),
        ("s\n", "EXACT", "B"),
    ]


def test_a_former_id_as_parent_is_the_term_that_has_it():
    other = "[Term]\nid: X:2\nalt_id: X:9\n"
    onto = read(f"{HEADER}[Term]\nid: X:1\nis_a: X:9\n\n{other}".encode(), keep=False)
    assert column(onto, "terms", "id") == ["X:1", "X:2"]
    assert column(onto, "parents", "parent") == ["X:2"]
    assert reasons(onto) == [(6, "a former id of X:2, which is taken")]


def test_a_former_id_of_two_terms_is_not_guessed():
    others = "".join(f"[Term]\nid: X:{n}\nalt_id: X:9\n\n" for n in (2, 3))
    onto = read(f"{HEADER}[Term]\nid: X:1\nis_a: X:9\n\n{others}".encode(), keep=False)
    assert column(onto, "parents", "parent") == ["X:9"]
    assert "stub added" in only(onto).reason


@pytest.mark.parametrize(
    "clause",
    [
        "property_value: term_replaced_by X:2",
        "property_value: IAO:0100001 X:2",
        'property_value: http://purl.obolibrary.org/obo/IAO_0100001 "X:2" xsd:string',
        "replaced_by: X:2",
        "replaced_by: obsolete, see X:2",
    ],
)
def test_replacements_however_they_are_written(clause: str):
    assert column(term(f"is_obsolete: true\n{clause}"), "terms", "replaced_by") == [["X:2"]]


@pytest.mark.parametrize(
    "relation",
    [
        "part_of",
        "BFO:0000050",
        "BFO_0000050",
        "obo:BFO_0000050",
        "OBO_REL:part_of",
        "http://purl.obolibrary.org/obo/BFO_0000050",
    ],
)
def test_part_of_in_all_its_spellings(relation: str):
    assert column(term(f"relationship: {relation} X:2"), "relations", "relation") == ["part_of"]


@pytest.mark.parametrize("clause", ["is_a:X:2", "is_a:\tX:2", "is_a: X:2! b", "is_a: X:2 {a}"])
def test_lines_of_stubs_are_found(clause: str):
    assert 6 in {repair.line_number for repair in term(clause).repairs if "stub" in repair.reason}


def test_ids_with_a_blank_after_the_colon():
    onto = read(f"{HEADER}[Term]\nid: X: 1\nis_a: X: 2\n".encode(), keep=False)
    assert column(onto, "terms", "id") == ["X:1", "X:2"]
    assert (5, "a blank in an identifier left out") in reasons(onto)


def test_a_second_namespace_is_reported():
    assert "replaced by" in only(term("namespace: a\nnamespace: b")).reason


def test_blank_synonyms_are_none():
    assert term('synonym: " " EXACT []').synonyms.num_rows == 0


@pytest.mark.parametrize(
    "clause",
    [
        "xref: A:1" + " " * 200_000 + "b",
        'def: "a" [' + "[" * 20_000,
        'def: "a" ' + "x" * 100_000,
        "name: " + "{" * 20_000,
        'synonym: "a" EXACT ' + "y" * 20_000,
        "name: a\\\n" + "b\\\n" * 200_000 + "c",
        'def: "a\n' + "b\n" * 200_000 + "c",
    ],
    ids=["blanks", "brackets", "word", "braces", "type", "backslashes", "open text"],
)
def test_long_lines_are_repaired_in_time(clause: str):
    before = time.process_time()
    assert term(clause).repairs
    assert time.process_time() - before < 5  # what grows with the square takes minutes


def test_lines_behind_a_stanza_whose_id_isn_t_first():
    body = "[Term]\nname: a\nfoo: bar\nid: X:1\nis_obsolete: True\n\n[Term]\nid: X:2\nbar: q\n"
    onto = read((HEADER + body).encode(), keep=False)
    assert [line for line, _ in reasons(onto)] == [6, 7, 8, 12]


@pytest.mark.parametrize("second", ["X:1 again", "X\\:1", "X: 1", "X:1 {a=b}"])
@pytest.mark.parametrize("more", ["", "[Term]\nid: X:2\n\n[Term]\nid: X:2\n\n"])
def test_a_term_described_twice_under_two_spellings(second: str, more: str):
    body = f'[Term]\nid: X:1\ndef: "d" []\nxref: A:1\n\n{more}[Term]\nid: {second}\nxref: B:1\n'
    onto = read((HEADER + body).encode(), keep=False)
    assert column(onto, "terms", "definition")[0] == "d"
    assert column(onto, "xrefs", "xref") == ["A:1", "B:1"]
    assert any("merged with line 5" in reason for _, reason in reasons(onto))


@pytest.mark.parametrize("kind", ["\\", "http://a.b/|c"])
def test_a_synonym_of_an_unreadable_type_is_kept(kind: str):
    onto = term(f'foo: bar\nsynonym: "s" EXACT {kind}')
    assert onto.synonyms.to_pylist() == [
        {"id": "X:1", "synonym": "s", "scope": "EXACT", "type": None}
    ]


def test_a_text_of_several_lines_in_an_odd_file():
    onto = term('foo: bar\ndef: "one\ntwo" []\ndef_: "open\nname: a')
    assert column(onto, "terms", "definition") == ["one\ntwo"]
    assert column(onto, "terms", "name") == ["a"]
    assert [line for line, _ in reasons(onto)] == [6, 9]
