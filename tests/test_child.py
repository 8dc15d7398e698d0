"""A process that works for the service: it knows no secret, is bounded, and ends with its task and its parent."""

import asyncio
import sys
from typing import Any

import psutil
import pytest

from app.child import Child, ChildFailed

MEMORY = 2**29


async def answers_to(*lines: Any) -> list[Any]:
    async with Child.running("tests.child_work", MEMORY) as child:
        for line in lines:
            await child.send(line)
        return [answer async for answer in child.answers()]


async def gone(pid: int) -> bool:
    for _ in range(400):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_lines_go_there_and_back() -> None:
    *answers, last = await answers_to({"echo": "żółw"}, {"echo": list(range(100_000))})

    assert answers == [{"echo": "żółw"}, {"echo": list(range(100_000))}]
    assert await gone(last["pid"])


async def test_it_knows_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_MASTER_KEYS", "canary")

    (answer, _) = await answers_to({"environment": None})

    assert "canary" not in str(answer)
    assert not any(name.startswith("BALLAST") for name in answer["environment"])


@pytest.mark.parametrize(
    ("line", "code"), [({"divide": 0}, "ZeroDivisionError"), ({"eat": 2**31}, "out_of_memory"), ({"exit": 3}, "killed")]
)
async def test_how_it_failed_is_told_by_a_code(line: dict[str, int], code: str) -> None:
    with pytest.raises(ChildFailed) as failed:
        await answers_to(line)

    assert failed.value.code == code


async def test_it_is_ended_with_the_task_that_waits_for_it() -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        async with Child.running("tests.child_work", MEMORY) as child:
            await child.send("sleep")
            async for answer in child.answers():
                started.set_result(answer["pid"])

    task = asyncio.create_task(wait())
    pid = await started
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert await gone(pid)


async def test_it_ends_when_its_parent_is_killed() -> None:
    script = (
        "import asyncio\n"
        "from app.child import Child\n"
        "async def main():\n"
        "    async with Child.running('tests.child_work', 2**29) as child:\n"
        "        await child.send('sleep')\n"
        "        async for answer in child.answers():\n"
        "            print(answer['pid'], flush=True)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()

    assert await gone(pid)
