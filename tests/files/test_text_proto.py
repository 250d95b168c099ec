from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centernet.errors import ConfigError
from centernet.files.text_proto import MAX_DEPTH, parse_text_proto


def parse(text):
    return parse_text_proto(text, "x.config")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", {}),
        ("a: 1", {"a": "1"}),
        ("a:1 b : 2;c: 3,", {"a": "1", "b": "2", "c": "3"}),
        ("a { b { c: -1.5e-3 } }", {"a": {"b": {"c": "-1.5e-3"}}}),
        ("a: { b: true }", {"a": {"b": "true"}}),
        ("a < b: 1 >", {"a": {"b": "1"}}),
        ("a {} b: <>", {"a": {}, "b": {}}),
        ("a: 1 a: 2 a: 3", {"a": ["1", "2", "3"]}),
        ("a { b: 1 } a { b: 2 }", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("a: [1, 2,3] a: 4", {"a": ["1", "2", "3", "4"]}),
        ("a: [ { b: 1 }, < b: 2 > ]", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("a: []", {"a": []}),
        ("# first\na: 1 # b: 2\n#c { \nd: 3", {"a": "1", "d": "3"}),
        ('a: "x { y: 1 } # < > [ ] : , ;"', {"a": "x { y: 1 } # < > [ ] : , ;"}),
        ("a: 'it is \"so\"'", {"a": 'it is "so"'}),
        (r'a: "one \" two" b: 1', {"a": r"one \" two", "b": "1"}),
        ('a: "one " \'two\'\n"three" b: 1', {"a": "one twothree", "b": "1"}),
        ("a: ['x', \"y\"]", {"a": ["x", "y"]}),
        ('a: ""', {"a": ""}),
        ("[type.googleapis.com/foo.Bar] { a: 1 }", {"type.googleapis.com/foo.Bar": {"a": "1"}}),
        ("\r\n\ta {\r\n b: 1\r\n}", {"a": {"b": "1"}}),
    ],
)
def test_valid_text_is_parsed(text, content):
    assert parse(text) == content


@pytest.mark.parametrize(
    "text",
    [
        "a {",
        "a { b: 1",
        "a < b: 1 }",
        "a { b: 1 >",
        "}",
        "a: 1 }",
        "{ a: 1 }",
        ": 1",
        "a",
        "a:",
        "a: }",
        "a: : 1",
        "a: ,",
        "a: [",
        "a: [1",
        "a: [1 }",
        "a: [[1]]",
        "a: [ { b: 1 ]",
        '"a',
        'a: "x',
        'a: "x\n"',
        "a: 'x",
        "[a",
        "a { b { c: 1 }",
        "a {" * 5000,
        "a:[{" * 5000,
    ],
    ids=lambda text: text[:20],
)
def test_unmatched_braces_and_missing_values_are_refused(text):
    with pytest.raises(ConfigError, match=r"x\.config"):
        parse(text)


def test_the_line_of_an_unterminated_string_is_named():
    with pytest.raises(ConfigError, match=r"line 3: '\"open"):
        parse('a: 1\nb: 2\nc: "open\n}')


def test_messages_may_be_nested_as_deep_as_in_protocol_buffers():
    content = parse("a {" * MAX_DEPTH + "}" * MAX_DEPTH)
    for _ in range(MAX_DEPTH):
        content = content["a"]
    assert content == {}


PIECES = st.sampled_from(
    ["a", "b1", "{", "}", "<", ">", "[", "]", ":", ",", ";", '"', "'", "\\", "#", "\n", " ", "-1.5"]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_any_text_gives_a_message_or_a_config_error(text):
    with suppress(ConfigError):
        assert isinstance(parse(text), dict)


VALUES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_.+-]{1,8}", fullmatch=True),
    st.text(st.characters(exclude_characters='"\\\n\r\x85\u2028\u2029', exclude_categories=["Cs"]), max_size=9),
)
NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
MESSAGES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=4),
    lambda inner: st.dictionaries(
        NAMES, st.one_of(VALUES, inner, st.lists(VALUES, min_size=2, max_size=4)), max_size=4
    ),
    max_leaves=12,
)


def written(message):
    lines = []
    for name, value in message.items():
        for item in value if isinstance(value, list) else [value]:
            lines.append(f"{name} {{\n{written(item)}\n}}" if isinstance(item, dict) else f'{name}: "{item}"')
    return "\n".join(lines)


@given(MESSAGES)
def test_a_written_message_is_parsed_back(message):
    assert parse(written(message)) == message


@given(MESSAGES, st.data())
def test_a_truncated_message_is_refused_or_shorter(message, data):
    text = written(message)
    cut = data.draw(st.integers(0, len(text)))
    found = None
    with suppress(ConfigError):
        found = parse(text[:cut])
    assert found == message if cut == len(text) else found is None or len(found) <= len(message)
