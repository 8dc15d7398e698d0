"""Query parameters that lists share."""

from typing import Annotated

from fastapi import Depends, Query, Request

from app.queries import Paging

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Query(min_length=1, max_length=2000, description="`next_cursor` of the page before.")]
Sort = Annotated[str | None, Query(max_length=40, description="The field to sort by; a leading `-` turns the order.")]
Since = Annotated[
    str | None,
    Query(max_length=200, description="`next_watermark` of an earlier list, or a time: only what changed since."),
]


async def page(request: Request, limit: Limit = 50, cursor: Cursor = None, sort: Sort = None) -> Paging:
    """Return which page is asked for."""
    return Paging(request.app.state.vault, limit, cursor, sort)


async def sync_page(
    request: Request, limit: Limit = 50, cursor: Cursor = None, sort: Sort = None, modified_since: Since = None
) -> Paging:
    """Return which page is asked for, of a list that can be polled for changes."""
    return Paging(request.app.state.vault, limit, cursor, sort, modified_since)


Paged = Annotated[Paging, Depends(page)]
Synced = Annotated[Paging, Depends(sync_page)]
