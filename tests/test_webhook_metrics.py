"""Deliveries are counted, but what an EAP provider is told stands in no metric: nobody else is to count it."""

from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from app.models import EapProviderClient, WebhookEndpoint
from app.telemetry import WEBHOOKS
from app.webhooks import courier
from tests.deliveries import deliverer, delivering, make_endpoint, queue, until_done
from tests.eap import Eap
from tests.receiver import Receiver
from tests.world import World


def delivered() -> float:
    samples = [sample for metric in WEBHOOKS.collect() for sample in metric.samples if sample.name.endswith("_total")]
    return sum(sample.value for sample in samples if sample.labels["outcome"] == "delivered")


@pytest.mark.parametrize("is_provider", [True, False])
async def test_counts_what_is_delivered_to_all_but_providers(
    world: World, monkeypatch: pytest.MonkeyPatch, is_provider: bool
) -> None:
    await world.alone()
    monkeypatch.setattr(courier, "LINGER_SECONDS", 0.1)
    eap = await Eap.build(world, "Lighthouse")
    async with Receiver() as receiver:
        endpoint = await make_endpoint(world, receiver.url, "eap:read")

        def bind(session: Session) -> None:
            client_id = session.get_one(WebhookEndpoint, (world.id, endpoint.id)).client_id
            provider_id = UUID(eap.provider["id"])
            session.add(EapProviderClient(organisation_id=world.id, provider_id=provider_id, client_id=client_id))

        if is_provider:
            await world.run(bind)
        before = delivered()
        await queue(world, endpoint, 3)
        async with delivering(deliverer(world)):
            await until_done(world)
        assert len(receiver.received) == 3
    assert delivered() - before == (0 if is_provider else 3)
