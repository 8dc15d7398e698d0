"""What every table shares: column types, names by convention, the composite key that starts with the organisation."""

import unicodedata
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, TIMESTAMP, CheckConstraint, ForeignKeyConstraint, MetaData, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from uuid_utils.compat import uuid7

from app import clock

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The declarative base of every table."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        UUID: Uuid,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        list[str]: ARRAY(Text),
        list[UUID]: ARRAY(Uuid),
    }


def new_id() -> UUID:
    """Return a new UUIDv7: it sorts by the moment it was made."""
    return uuid7()


def now() -> datetime:
    """Return the service's time; a column default calls it, so a moved clock moves the column too."""
    return clock.now()


class Owned:
    """Columns of a row that belongs to one organisation."""

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)


class Dated:
    """When a row was made."""

    created_at: Mapped[datetime] = mapped_column(default=now, server_default=text("now()"))


class Versioned(Dated):
    """Columns of a row that changes: its version is its ETag, and a lost update is refused."""

    version: Mapped[int] = mapped_column(server_default=text("1"))
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now, server_default=text("now()"))

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


def belongs_to(table: str, column: str, **options: Any) -> ForeignKeyConstraint:
    """Return the composite foreign key ``(organisation_id, column)`` to another table of the same organisation."""
    return ForeignKeyConstraint(["organisation_id", column], [f"{table}.organisation_id", f"{table}.id"], **options)


def one_of(column: str, values: Any) -> CheckConstraint:
    """Return the check that a text column holds one of ``values`` (a ``StrEnum`` or strings)."""
    listed = ", ".join(f"'{value!s}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def folded(value: str) -> str:
    """Return ``value`` as it is compared: compatibility-normalised, case-folded, outer blanks gone.

    The folded form is stored in a column of its own, since ``lower()`` is not leakproof and would lose its index
    under row-level security.
    """
    if value.isascii():
        return value.lower().strip()  # the same, sooner
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).strip()
