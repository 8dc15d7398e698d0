"""The pages that say who may do what."""

import dataclasses

import pytest

from app import who_sees_page
from app.access_page import PAGE, RELATIONS, render
from app.policy import MODELS, POLICY
from app.relations import LINE_MANAGER


def test_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m app.access_page"


def test_says_what_every_relation_is() -> None:
    assert {relation.name for rule in POLICY.values() for relation in rule.relations} == set(RELATIONS)


def test_has_a_row_for_every_rule() -> None:
    rows = [line.split(" | ")[:2] for line in render().splitlines()]

    assert [[f"| {resource}", action] for resource, action in POLICY if [f"| {resource}", action] not in rows] == []


class TestForEveryone:
    """The page that an employee reads."""

    def test_is_current(self) -> None:
        page = who_sees_page.PAGE.read_text(encoding="utf-8")
        assert page == who_sees_page.render(), "run: python -m app.access_page"

    def test_follows_the_policy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It cannot promise what is not so: another relation in the table is another sentence on the page."""
        before, rule = who_sees_page.render(), POLICY["eap_referral", "read"]
        wider = dataclasses.replace(rule, relations=rule.relations | {LINE_MANAGER})
        monkeypatch.setitem(POLICY, ("eap_referral", "read"), wider)

        after = who_sees_page.render()

        (line,) = set(after.splitlines()) - set(before.splitlines())
        assert line.startswith("- Seen by: you; ")
        assert "your line manager" in line

    def test_says_something_of_all_that_is_about_people(self) -> None:
        about = [name for name, (_, subject) in MODELS.items() if subject is not None and who_sees_page._is_read(name)]
        headings = [line.strip("*") for line in who_sees_page.render().splitlines() if line.startswith("**")]

        assert sorted(who_sees_page._name(name) for name in [*about, "eap_case"]) == sorted(headings)
        assert len(headings) > 30

    def test_promises_of_the_eap_what_the_design_promises(self) -> None:
        page = who_sees_page.render()
        section = page[page.index("**Your way to the EAP**") : page.index("**That a manager suggested")]
        seen = next(line for line in section.splitlines() if line.startswith("- Seen by"))
        for nobody in ("manager", "HR", "programme lead", "auditor", "connected system"):
            assert nobody not in seen
