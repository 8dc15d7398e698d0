"""SCIM in a large organisation: a bulk request, the walk through everybody while others write, and large groups."""

import asyncio
import json
import random
import statistics
import time
from typing import Any

import httpx

PORT = 8794
CORE = "urn:ietf:params:scim:schemas:core:2.0:"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
GROUP_SIZES = (1000, 10_000, 50_000)


def bearer(key: str) -> dict[str, str]:
    """Return the headers of a provider."""
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/scim+json"}


async def spent() -> dict[str, Any]:
    """Return what the serving process says that it has spent."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}") as client:
        content: dict[str, Any] = (await client.get("/spent")).json()
        return content


async def measure(key: str) -> None:
    """Measure in an organisation whose key is given."""
    base_url = f"http://127.0.0.1:{PORT}/scim/v2"
    async with httpx.AsyncClient(base_url=base_url, headers=bearer(key), timeout=300) as client:
        await _bulk(client)
        everybody = await _walk(client)
        for size in GROUP_SIZES:
            if size < len(everybody):
                await _group(client, everybody[:size], everybody[size])


async def _bulk(client: httpx.AsyncClient) -> None:
    def body(name: str) -> dict[str, Any]:
        mail = {"value": f"{name}@bench.example", "type": "work", "primary": True}
        return {"schemas": [f"{CORE}User"], "userName": name, "externalId": name, "emails": [mail]}

    run = time.time_ns()
    data = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": body(f"bulk-{run}-{n}")} for n in range(1000)
    ]
    started = time.perf_counter()
    answer = await client.post("/Bulk", json={"schemas": [f"{MESSAGES}BulkRequest"], "Operations": data})
    assert {each["status"] for each in answer.json()["Operations"]} == {"201"}
    print(f"bulk of 1000 creates: {time.perf_counter() - started:.2f} s", flush=True)


async def _walk(client: httpx.AsyncClient) -> list[str]:
    """Walk through everybody twice: alone, then while another connection creates and changes and deletes people."""
    alone = await _walk_once(client, "alone")
    others = asyncio.create_task(_write_meanwhile(dict(client.headers), alone))
    seen = await _walk_once(client, "while others write")
    others.cancel()
    written, deleted = await others
    missing = set(alone) - set(seen) - deleted
    assert not missing, f"{len(missing)} people who were there all the time were not seen"
    print(f"  others wrote {written} times meanwhile; nobody twice, and nobody missing who was there", flush=True)
    return [each for each in seen if each not in deleted]


async def _walk_once(client: httpx.AsyncClient, name: str) -> list[str]:
    seen: list[str] = []
    cursor: str | None = ""
    started, pages, resident = time.perf_counter(), [], [(await spent())["resident"]]
    while cursor is not None:
        at = time.perf_counter()
        page = (await client.get("/Users", params={"cursor": cursor, "count": 1000})).json()
        pages.append(time.perf_counter() - at)
        seen += [each["id"] for each in page["Resources"]]
        cursor = page.get("nextCursor")
        resident.append((await spent())["resident"])
    assert len(set(seen)) == len(seen), "somebody was seen twice"
    memory = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in _of_walk(resident).items())
    print(
        f"walk of {len(seen)} by cursor, {name}: {time.perf_counter() - started:.1f} s, "
        f"page p50 {statistics.median(pages) * 1000:.0f} ms; resident MiB {memory}",
        flush=True,
    )
    return seen


def _of_walk(resident: list[int]) -> dict[str, int]:
    """Return the memory before a walk, after a tenth of it, at most, and at its end."""
    return {
        "before": resident[0],
        "after a tenth": resident[max(1, len(resident) // 10)],
        "at most": max(resident),
        "at the end": resident[-1],
    }


async def _write_meanwhile(headers: dict[str, str], people: list[str]) -> tuple[int, set[str]]:
    """Write until cancelled; return how often, and who was deleted."""
    base_url, written, deleted = f"http://127.0.0.1:{PORT}/scim/v2", 0, set()
    anybody = iter(random.sample(people, len(people)))
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=300) as client:
        try:
            while True:
                name = f"meanwhile-{time.time_ns()}"
                body = {"schemas": [f"{CORE}User"], "userName": name, "externalId": name}
                assert (await client.post("/Users", json=body)).status_code == 201
                change = {"op": "Replace", "path": "title", "value": name}
                assert (await _patch(client, f"/Users/{next(anybody)}", **change)).status_code == 200
                gone = next(anybody)
                deleted.add(gone)
                assert (await client.delete(f"/Users/{gone}")).status_code == 204
                written += 3
        except asyncio.CancelledError:
            return written, deleted


async def _group(client: httpx.AsyncClient, members: list[str], other: str) -> None:
    """Time changes of the members of one large group."""
    content = {"schemas": [f"{CORE}Group"], "displayName": f"Group {time.time_ns()}"}
    url = f"/Groups/{(await client.post('/Groups', json=content)).json()['id']}"
    for start in range(0, len(members), 10_000):
        await _patch(client, url, op="add", path="members", value=_named(members[start : start + 10_000]))
    print(f"group of {len(members)}:", flush=True)

    async def add(_turn: int = 0) -> httpx.Response:
        return await _patch(client, url, op="add", path="members", value=_named([other]))

    async def remove(_turn: int = 0) -> httpx.Response:
        return await _patch(client, url, op="remove", path=f'members[value eq "{other}"]')

    await _times("add one", 15, add, before=remove)
    await _times("remove one", 15, remove, before=add)
    await _times(
        "replace by all but one, all, …",
        6,
        lambda turn: _patch(client, url, op="replace", path="members", value=_named(members[turn % 2 :])),
    )
    await _times(
        "PUT of all but one, all, …",
        4,
        lambda turn: client.put(url, json={**content, "members": _named(members[turn % 2 :])}),
    )


async def _times(name: str, rounds: int, ask: Any, before: Any = None) -> None:
    took, in_sql, count, size = [], [], [], 0
    for turn in range(1, rounds + 1):
        if before is not None:
            await before()
        await spent()
        at = time.perf_counter()
        answer = await ask(turn)
        took.append((time.perf_counter() - at) * 1000)
        assert answer.status_code in (200, 204), answer.text
        statements = (await spent())["statements"]
        in_sql.append(sum(statements) * 1000)
        count.append(len(statements))
        size = len(answer.request.content)
    print(
        f"  {name:32} {statistics.median(took):8.1f} ms, of which in {statistics.median(count):.0f} statements "
        f"{statistics.median(in_sql):6.1f} ms (at least {min(in_sql):.1f}); body {size / 1000:.1f} kB",
        flush=True,
    )


def _named(members: list[str]) -> list[dict[str, str]]:
    return [{"value": each} for each in members]


async def _patch(client: httpx.AsyncClient, url: str, **operation: Any) -> httpx.Response:
    body = {"schemas": [f"{MESSAGES}PatchOp"], "Operations": [operation]}
    return await client.patch(url, content=json.dumps(body))
