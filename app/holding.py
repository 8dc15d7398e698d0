"""What one entry of the catalogue of personal data says of a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement

from app.models.base import Base
from app.personal_data_classes import DataClass


class Effect(StrEnum):
    """What an erasure does with the rows about a person."""

    deleted = "deleted"
    blanked = "blanked"  # what identifies them or was said goes; states, times and numbers stay
    kept = "kept"  # as it is: it names the person by an id that leads to a pseudonym


@dataclass(frozen=True)
class Sealed:
    """A column whose text is sealed under the key of ``key``, for a place, ``table.column``, by which it is exported.

    ``shown`` says of which rows the person whom they are about reads it.
    """

    column: str
    place: str
    key: str = "employee_id"
    shown: Callable[[Mapping[str, Any]], bool] = lambda _row: True


@dataclass(frozen=True, eq=False)
class Holding:
    """One table. ``about`` names the columns of whom a row is about, ``by`` those of who had a part in it.

    An export shows rows about a person whole, but for ``withheld``; of rows that they had a part in, ``part`` alone, as
    the rest is somebody else's. ``clause`` narrows which rows it shows at all; ``through`` says which other rows are
    about a person by way of another table. ``blanks`` are values, or functions of the table, that an erasure puts in.
    """

    model: type[Base]
    data_class: DataClass
    about: tuple[str, ...] = ("employee_id",)
    by: tuple[str, ...] = ()
    part: tuple[str, ...] = ("id", "created_at")
    effect: Effect = Effect.kept
    blanks: Mapping[str, Any] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    sealed: tuple[Sealed, ...] = ()
    clause: Callable[[Any], ColumnElement[bool]] | None = None
    through: Callable[[Any, ColumnElement[Any]], ColumnElement[bool]] | None = None

    @property
    def table(self) -> Any:
        return self.model.__table__

    @property
    def name(self) -> str:
        return str(self.table.name)
