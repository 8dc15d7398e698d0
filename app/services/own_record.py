"""How a change that is nobody else's business is recorded: that somebody changed something of their own, no more."""

from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from app.models.base import new_id


@dataclass(frozen=True)
class OwnRecord:
    """Stands for a person's own record in the audit: neither who, nor of what kind, nor which.

    A flag, its being taken back and a pause of prompts all look the same there.
    """

    __tablename__: ClassVar[str] = "own_record"
    ACTION: ClassVar[str] = "own_record.changed"

    id: UUID = field(default_factory=new_id)
    private: bool = True
