"""Employees for the tests, made and changed through HTTP."""

from typing import Any

import httpx

URL = "/v1/employees"


async def add(client: httpx.AsyncClient, name: str, **fields: Any) -> dict[str, Any]:
    response = await client.post(URL, json={"user_name": name, "display_name": name.title(), **fields})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def change(client: httpx.AsyncClient, employee_id: Any, **fields: Any) -> httpx.Response:
    return await client.patch(f"{URL}/{employee_id}", json=fields, headers={"If-Match": "*"})


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    response = await client.get(URL, params=query)
    assert response.status_code == 200, response.text
    return [each["user_name"] for each in response.json()["data"]]
