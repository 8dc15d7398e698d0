"""The shipped library: complete, consistent, and each practice traceable to the text that it comes from."""

import tomllib
from collections import Counter
from importlib.resources import files
from typing import Any

import pytest

PILLARS = ["emotional_wellbeing", "inner_drive", "future_focus", "relationships", "physical_health"]
SOURCES = {
    "000_98733fd187b8fe24.txt",
    "001_10d0c14c0f137a54.txt",
    "002_59a2e888824c8553.txt",
    "003_49c21eb249e56078.txt",
    "004_f4b172a7d8f26312.txt",
}
MOMENTS = {"before_shift", "between_calls", "after_a_hard_call", "end_of_shift", "weekly", "any_time"}
PILLAR_FIELDS = {"key", "name", "description", "position", "source"}
PRACTICE_TEXTS = {"key", "name", "summary", "how_to", "when_it_helps", "evidence"}
PRACTICE_FIELDS = PRACTICE_TEXTS | {"minutes", "moment", "pillars", "source", "caution"}


def load(table: str, name: str) -> list[dict[str, Any]]:
    document = tomllib.loads((files("app") / "library" / name).read_text(encoding="utf-8"))
    assert set(document) == {table}
    rows: list[dict[str, Any]] = document[table]
    return rows


@pytest.fixture(scope="module")
def pillars() -> list[dict[str, Any]]:
    return load("pillar", "pillars.toml")


@pytest.fixture(scope="module")
def practices() -> list[dict[str, Any]]:
    return load("practice", "practices.toml")


class TestPillars:
    def test_are_the_five_in_order(self, pillars: list[dict[str, Any]]) -> None:
        assert [pillar["key"] for pillar in pillars] == PILLARS
        assert [pillar["position"] for pillar in pillars] == [1, 2, 3, 4, 5]

    def test_are_complete(self, pillars: list[dict[str, Any]]) -> None:
        for pillar in pillars:
            assert set(pillar) == PILLAR_FIELDS, pillar["key"]
            assert pillar["name"].strip(), pillar["key"]
            assert pillar["description"].strip(), pillar["key"]
            assert pillar["source"] in SOURCES, pillar["key"]


class TestPractices:
    def test_are_enough_with_unique_keys(self, practices: list[dict[str, Any]]) -> None:
        keys = [practice["key"] for practice in practices]

        assert len(keys) >= 24
        assert len(set(keys)) == len(keys)
        assert [key for key in keys if not key.isidentifier() or key != key.lower()] == []

    def test_are_complete(self, practices: list[dict[str, Any]]) -> None:
        for practice in practices:
            key = practice["key"]
            assert set(practice) == PRACTICE_FIELDS, key
            assert [field for field in PRACTICE_TEXTS if not practice[field].strip()] == [], key
            assert isinstance(practice["caution"], str), key
            assert practice["moment"] in MOMENTS, key
            assert isinstance(practice["minutes"], int), key
            assert 1 <= practice["minutes"] <= 60, key
            assert 3 <= len(practice["how_to"].splitlines()) <= 6, key

    def test_strengthen_pillars_that_exist(self, practices: list[dict[str, Any]]) -> None:
        for practice in practices:
            assert practice["pillars"], practice["key"]
            assert len(set(practice["pillars"])) == len(practice["pillars"]), practice["key"]
            assert set(practice["pillars"]) <= set(PILLARS), practice["key"]

    def test_give_every_pillar_at_least_four(self, practices: list[dict[str, Any]]) -> None:
        count = Counter(pillar for practice in practices for pillar in practice["pillars"])

        assert {pillar: count[pillar] for pillar in PILLARS if count[pillar] < 4} == {}

    def test_cite_all_five_texts_and_no_other(self, practices: list[dict[str, Any]]) -> None:
        assert {practice["source"] for practice in practices} == SOURCES

    def test_speak_calmly(self, pillars: list[dict[str, Any]], practices: list[dict[str, Any]]) -> None:
        loud = [row["key"] for row in pillars + practices if any("!" in str(value) for value in row.values())]

        assert loud == []
