"""The serving processes: one, or several that share the socket. They stop in steps, so that nothing is lost."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import ceil
from multiprocessing import parent_process
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from app import launch
from app.settings import Settings

BACKLOG = 2048
START_SECONDS = 60
LAST_CALL_SECONDS = 0.2  # in which a caller who has just been let in says what they want


class Server(uvicorn.Server):
    """Stops in steps: first it only says so (``/readyz``), then it takes no more, lets requests end, and cleans up."""

    asked_at: float | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear the signals that ask for a stop, and do not repeat them afterwards: a clean stop ends with status 0."""
        previous = {number: signal.signal(number, self.handle_exit) for number in launch.stop_signals()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the signature of a handler
        """Begin to stop; at a second Ctrl-C, stop at once."""
        if self.asked_at is None:
            self.asked_at = time.monotonic()
            self.app.state.readiness.draining = True
        elif sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
            self.app.state.patience_seconds = 0
            asyncio.get_running_loop().call_soon_threadsafe(self._hang_up)

    @property
    def app(self) -> FastAPI:
        return cast(FastAPI, self.config.loaded_app)

    async def on_tick(self, counter: int) -> bool:
        """Serve on while load balancers learn that this process is going."""
        drain_seconds: float = self.app.state.settings.drain_seconds
        if self.asked_at is not None and time.monotonic() - self.asked_at >= drain_seconds:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as uvicorn does, but answer whoever was let in just before, and clean up also when forced."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(LAST_CALL_SECONDS)
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


class Process(multiprocess.Process):
    """One of several serving processes. It does not outlive the one that started it."""

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.load()
        self._server = Server(self.config)  # before the thread that answers for it looks
        threading.Thread(target=_stop_with_parent, daemon=True).start()
        super().target(sockets)


def _stop_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class Supervisor(multiprocess.Multiprocess):
    """Keeps several serving processes running, and stops them together."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, say_ready: Callable[[], None]) -> None:
        super().__init__(config, [listening])
        self.say_ready = say_ready

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(START_SECONDS, self.should_exit) for process in self.processes):
            self.say_ready()

    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library has no types for it

    def handle_hup(self) -> None:
        """Stop: the terminal is closed."""
        self.should_exit.set()

    def join_all(self) -> None:
        """Wait for the processes to end; pass on a second Ctrl-C."""
        for listening in self.sockets:
            listening.close()  # or the kernel lets callers in here whom no process answers
        for process in self.processes:
            while process.process.exitcode is None:
                process.process.join(0.2)
                if signal.SIGINT in self.signal_queue:
                    self.signal_queue.clear()
                    self._force()

    def _force(self) -> None:
        for process in self.processes:
            if process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)


def run_one(app: FastAPI, settings: Settings, listening: socket.socket) -> None:
    """Serve in this process until asked to stop."""
    config = _config(app, settings)
    config.load()
    Server(config).run(sockets=[listening])


def run_several(factory: str, settings: Settings, listening: socket.socket, say_ready: Callable[[], None]) -> None:
    """Serve in as many processes as the settings say until asked to stop. Raises StartError when one cannot begin."""
    multiprocess.Process = Process  # type: ignore[misc]  # the supervisor has no other seam for its processes' class
    supervisor = Supervisor(_config(factory, settings), listening, say_ready)
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise launch.StartError("A serving process could not begin: its log lines say why.")


def _config(app: FastAPI | str, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.workers,
        loop="auto",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing depends on where a caller is
        backlog=BACKLOG,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=ceil(settings.shutdown_seconds),
        h11_max_incomplete_event_size=32_768,
    )
