"""Tells the worker of this process that an organisation has something new to number, right after the commit."""

import asyncio
from uuid import UUID


class Wakeup:
    """The organisations that wrote since the worker last looked."""

    def __init__(self) -> None:
        self._organisations: set[UUID] = set()
        self._event = asyncio.Event()

    def __call__(self, organisation_id: UUID) -> None:
        """Note an organisation. Called within the transaction: the worker looks a moment later, and again in time."""
        self._organisations.add(organisation_id)
        self._event.set()

    async def wait(self, seconds: float) -> set[UUID]:
        """Wait until something was written, or for ``seconds``; return whose it was."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return set()
        await asyncio.sleep(0.02)  # the transaction that called commits meanwhile, and others join
        self._event.clear()
        organisations, self._organisations = self._organisations, set()
        return organisations
