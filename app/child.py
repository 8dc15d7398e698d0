"""Work in a process of its own: one of our modules, started anew, that reads and writes lines of JSON.

It holds up no request, its memory is its own and goes with it, and it knows no secret of the service: neither the
environment nor an open file is passed on. It ends when it is done, when it is told to, and when its parent is gone.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).resolve().parents[1]
# Libraries for numbers start a thread for each core otherwise: one job takes one core.
ENVIRONMENT = {"PYTHONPATH": str(HERE), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
PASSED_ON = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TZ")
LONGEST_LINE = 16 * 2**20
NICENESS = 10  # requests come first where there is one core for both
FAILED = "failed"


class ChildFailed(Exception):
    """The process ended without a result. ``code`` is the name of the error that it met, or ``killed``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Child:
    """A process that works for this one."""

    into: asyncio.StreamWriter
    out: asyncio.StreamReader

    @classmethod
    @asynccontextmanager
    async def running(cls, module: str, memory_bytes: int) -> AsyncIterator["Child"]:
        """Run a module of ours, within so much memory, for as long as the block lasts; then it is no more."""
        inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, str(memory_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=inherited | ENVIRONMENT,
            limit=LONGEST_LINE,
        )
        try:
            yield cls(cast(asyncio.StreamWriter, process.stdin), cast(asyncio.StreamReader, process.stdout))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def send(self, value: Any) -> None:
        """Send one line. Many small ones hold up nothing; one of megabytes does, while it is written as JSON."""
        with suppress(ConnectionError):  # that it is gone is seen where its lines end
            self.into.write(json.dumps(value).encode() + b"\n")
            await self.into.drain()
        await asyncio.sleep(0)  # a pipe that takes it at once would let nothing else have its turn

    async def answers(self) -> AsyncIterator[Any]:
        """Say that all is sent, and yield the lines that come back. Raise ChildFailed where they end too early."""
        with suppress(ConnectionError):
            self.into.write(b"\n")
            await self.into.drain()
        while line := await self.out.readline():
            answer = json.loads(line)
            if answer is None:
                return
            if FAILED in answer:
                raise ChildFailed(answer[FAILED])
            yield answer
            await asyncio.sleep(0)  # likewise
        raise ChildFailed("killed")


def serve(work: Callable[[Iterator[Any], Callable[[Any], None]], None]) -> None:
    """Be such a process: read the lines, let ``work`` write others, and end."""
    _limit_memory(int(sys.argv[1]))
    out = sys.stdout.buffer

    def tell(value: Any) -> None:
        out.write(json.dumps(value).encode() + b"\n")
        out.flush()

    try:
        work(_lines(), tell)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent learns its name, and nothing of its content
        tell({FAILED: "out_of_memory" if isinstance(error, MemoryError) else type(error).__name__})
    else:
        tell(None)


def _lines() -> Iterator[Any]:
    """Yield the lines that were sent; then end with the parent, whose end of the pipe stays open while it lives."""
    while (line := sys.stdin.buffer.readline()).strip():
        yield json.loads(line)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _limit_memory(size: int) -> None:
    try:
        import resource  # noqa: PLC0415  # Windows has none
    except ImportError:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    os.nice(NICENESS)
