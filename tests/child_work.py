"""What a process of its own does in tests: see `test_child`."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from app.child import serve


def work(lines: Iterator[Any], tell: Callable[[Any], None]) -> None:
    for line in lines:
        match line:
            case {"echo": value}:
                tell({"echo": value})
            case {"environment": _}:
                tell({"environment": dict(os.environ)})
            case {"eat": size}:
                tell({"eaten": len(bytearray(size))})
            case {"divide": number}:
                tell({"quotient": 1 / number})
            case {"exit": code}:
                os._exit(code)
    tell({"pid": os.getpid()})
    time.sleep(1000 if line == "sleep" else 0)


if __name__ == "__main__":
    serve(work)
