"""What a JSON body may be."""

import json

import pytest

from app.errors import BadRequest, Unprocessable
from app.strict_request import DEEPEST, parse_json


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


class TestText:
    @pytest.mark.parametrize("text", [r"\u0000", r"a\u0000b", r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud800a"])
    def test_that_postgresql_cannot_keep_is_refused_wherever_it_stands(self, text: str) -> None:
        for body in (f'"{text}"', f'{{"a": ["{text}"]}}', f'{{"{text}": 1}}', f'[[{{"a": {{"{text}": 1}}}}]]'):
            with pytest.raises(Unprocessable) as refused:
                parse_json(body.encode())
            assert refused.value.problem_code == "invalid_text"

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (r"\ud83d\ude00", "\N{GRINNING FACE}"),
            (r"\\u0000", r"\u0000"),
            (r"\\ud800", r"\ud800"),
            (r"\\\\u0000", r"\\u0000"),
            (r"\u0001\uffff", "\x01\uffff"),
        ],
    )
    def test_that_only_looks_like_it_is_taken(self, text: str, value: str) -> None:
        assert parse_json(f'["{text}"]'.encode()) == [value]

    def test_of_one_item_of_a_batch_sinks_that_item_alone(self) -> None:
        body = rb'{"events": [{"a": "fine"}, {"a": "\u0000"}, {"a": {"b": ["\ud800"]}}, 7]}'

        assert parse_json(body, by_item=True) == {"events": [{"a": "fine"}, None, None, 7]}
        with pytest.raises(Unprocessable):
            parse_json(rb'{"events": [], "mode": "\u0000"}', by_item=True)


class TestForm:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"{}{}",
            b"NaN",
            b"[Infinity]",
            b'{"a": -Infinity}',
            b'{"a": 1, "a": 1}',
            b'{"a": {"b": 1, "b": 2}}',
            b"\xff",
            b"\xef\xbb\xbf{}",
            '"é"'.encode("latin-1"),
            "{}".encode("utf-16"),
            "{}".encode("utf-16-le"),
            "{}".encode("utf-32"),
            b'{"a": "\xed\xa0\x80"}',
            b'{"a": "\xc0\x80"}',
            b'{"a": "\x00"}',
            b'{"a": 1,}',
            b'{"a": 1} // note',
            b'{"a": 1',
            b"{'a': 1}",
            b"7" * 5000,
            b"[" * 1_000_000,
            b'{"a":' * 100_000,
            nested(100_000),
        ],
        ids=range(25),
    )
    def test_of_no_json_is_refused(self, body: bytes) -> None:
        with pytest.raises(BadRequest):
            parse_json(body)


class TestDepth:
    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
    def test_is_bounded_long_before_code_that_recurses_fails(self, opening: str, closing: str) -> None:
        step = opening.count("[") + opening.count("{")
        assert parse_json(nested(DEEPEST // step, opening, closing))

        for depth in (DEEPEST // step + 1, 100, *range(880, 1000, 3), 3000, 9000):
            with pytest.raises(BadRequest):
                parse_json(nested(depth, opening, closing))

    def test_is_not_width(self) -> None:
        wide: list[dict[str, list[dict[str, list[int]]]]] = [{"a": [{"b": []}] * 50}] * 50

        assert parse_json(json.dumps(wide).encode()) == wide

    def test_cannot_be_hidden_by_brackets_in_texts(self) -> None:
        for opening, closing in (('{"]":', "}"), ('["]]",', "]"), ('{"}}":', "}")):
            with pytest.raises(BadRequest):
                parse_json(b'["]]]]]]]]",' + nested(DEEPEST, opening, closing) + b"]")

    def test_counts_no_brackets_in_texts(self) -> None:
        body = {"a": "[" * 500, "b": ["{" * 500 + "]"]}

        assert parse_json(json.dumps(body).encode()) == body
        assert parse_json(json.dumps("[" * 500).encode()) == "[" * 500
