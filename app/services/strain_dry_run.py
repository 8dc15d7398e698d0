"""What a rule would have raised over the past 30 days, for those who set thresholds, and never of few people."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models import Employee, Organisation, TeamMember
from app.schemas.strain_rule import StrainRuleCreate, StrainRuleUpdate, merged
from app.services import strain_calls
from app.services import strain_reading as reading
from app.services import strain_rule as rules
from app.services import strain_teams as teams
from app.services.strain_conditions import Rule
from app.services.strain_evaluation import evaluate_coded
from app.services.strain_exposure import TeamDays, evaluate

DAYS = 30
# People whose calls are read and evaluated at once: other requests are served in between.
AT_ONCE = 10
NO_RULE = UUID(int=0)


def of_body(session: Session, caller: Caller, data: StrainRuleCreate) -> Mapping[str, Any]:
    """Return what a rule that is not stored would have raised."""
    rules.require_references(session, caller, data)
    return _run(session, caller, data)


def of_patch(session: Session, caller: Caller, rule_id: UUID, data: StrainRuleUpdate) -> Mapping[str, Any]:
    """Return what a stored rule would have raised with a merge patch applied."""
    return of_body(session, caller, merged(rules.read(session, caller, rule_id), data))


def _run(session: Session, caller: Caller, data: StrainRuleCreate) -> Mapping[str, Any]:
    rule = reading.rule_of({"id": NO_RULE, "version": 0, **rules.columns(data)})
    organisation = session.get_one(Organisation, caller.organisation_id)
    setting = reading.Setting([rule], ZoneInfo(organisation.time_zone), organisation.minimum_group_size)
    scope = teams.Scope(session, caller, setting, private_only=False)
    work = _in_teams if rule.kind == teams.KIND else _alone
    signals = dict(work(scope, rule, clock.now()))
    return _shown(signals, setting.minimum_group_size)


def _alone(scope: teams.Scope, rule: Rule, now: datetime) -> Iterator[tuple[UUID, int]]:
    """Yield how many signals everyone would have had, by their own calls."""
    since = now - timedelta(days=DAYS)
    query = select(Employee.id, Employee.service_area_id).where(
        Employee.organisation_id == scope.caller.organisation_id, Employee.active
    )
    people = iter([row.id for row in scope.session.execute(query) if rule.covers(row.service_area_id)])
    while some := list(islice(people, AT_ONCE)):
        reach = strain_calls.Reach(since - rule.look_back, since - rule.look_back, now)
        calls_of = strain_calls.read_calls(scope.session, scope.caller, dict.fromkeys(some, reach), (), ())
        for person, calls in calls_of.items():
            yield person, len(evaluate_coded(rule, calls, since, ()))


def _in_teams(scope: teams.Scope, rule: Rule, now: datetime) -> Iterator[tuple[UUID, int]]:
    """Yield how many signals everyone would have had, compared with their team, on the days that are over."""
    query = select(TeamMember.team_id, TeamMember.employee_id).where(
        TeamMember.organisation_id == scope.caller.organisation_id
    )
    today = now.astimezone(scope.setting.zone).date()
    for _, rows in groupby(scope.session.execute(query.order_by(TeamMember.team_id)), key=lambda row: row.team_id):
        run = [(row.team_id, row.employee_id) for row in rows]
        members = [person for _, person in run]
        subjects = teams.read_subjects(scope, rule, members).get(run[0][0], [])
        first, last = today - timedelta(days=DAYS), today - timedelta(days=1)
        days = TeamDays(first, last, scope.setting.zone, members, subjects)
        if subjects:
            shifts = teams.read_shifts(scope, rule, days)
            for person, found in evaluate(rule, shifts, days, {}, scope.setting.minimum_group_size).items():
                yield person, len(found)


def _shown(signals: Mapping[UUID, int], smallest: int) -> Mapping[str, Any]:
    """Return the figures, rounded down to a multiple of the smallest group, or nothing where fewer are behind them."""
    people = sum(1 for count in signals.values() if count)
    if people < smallest:
        return {"days": DAYS, "suppressed": True, "signals": None, "people": None, "signals_per_week": None}
    total = sum(signals.values())
    rounded = total - total % smallest
    return {
        "days": DAYS,
        "suppressed": False,
        "signals": rounded,
        "people": people - people % smallest,
        "signals_per_week": round(rounded * 7 / DAYS, 1),
    }
