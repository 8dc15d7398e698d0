"""Which operations of a bulk request are done at once: creations of users that depend on nothing in the request."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from scim2_models import BulkOperation, Error
from scim2_server.bulk import BulkPlan, BulkStep


def runs_of(plan: BulkPlan) -> Iterator[tuple[bool, list[BulkStep]]]:
    """Return the steps in their order, those that can be done at once together, and whether they can.

    A request that ends at a number of errors is done step by step.
    """
    if plan.fail_on_errors is not None:
        yield from ((False, [step]) for step in plan)
        return
    for together, steps in groupby(plan.steps, key=lambda step: _can_be_grouped(plan, step)):
        if together:
            yield True, list(steps)
        else:
            yield from ((False, [step]) for step in steps)


def _can_be_grouped(plan: BulkPlan, step: BulkStep) -> bool:
    operation: Any = plan.operation(step)
    return (
        operation.method == BulkOperation.Method.post
        and (operation.path or "").strip("/").casefold() == "users"
        and not isinstance(operation.response, Error)
        and plan.is_creation(step.index, operation.bulk_id)
        and not plan.references(operation)
        and getattr(operation.data, "active", False) is not False
    )
