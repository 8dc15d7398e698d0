"""The page that says who may do what."""

from app.access_page import PAGE, RELATIONS, render
from app.policy import POLICY


def test_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m app.access_page"


def test_says_what_every_relation_is() -> None:
    assert {relation.name for rule in POLICY.values() for relation in rule.relations} == set(RELATIONS)


def test_has_a_row_for_every_rule() -> None:
    rows = [line.split(" | ")[:2] for line in render().splitlines()]

    assert [[f"| {resource}", action] for resource, action in POLICY if [f"| {resource}", action] not in rows] == []
