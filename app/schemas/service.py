"""What the service says about itself."""

from typing import Literal

from pydantic import BaseModel


class HealthOut(BaseModel):
    """The process runs and answers."""

    status: Literal["ok"]


class ReadyOut(BaseModel):
    """The process can be sent requests."""

    status: Literal["ready"]
