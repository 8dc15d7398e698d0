"""The data keys of people, wrapped. They stand in a schema of their own, which backups can treat apart."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned

SCHEMA = "keys"


class PersonKey(Owned, Dated, Base):
    """The wrapped data key of one person, whose id it has. A tombstone once it is destroyed: no other is ever made.

    It refers to no other table, so that the two parts of a backup can be restored apart.
    """

    __tablename__ = "person_key"
    __table_args__ = (
        CheckConstraint("(wrapped IS NULL) = (destroyed_at IS NOT NULL)", name="destroyed"),
        {"schema": SCHEMA},
    )

    key_id: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    destroyed_at: Mapped[datetime | None]


class MasterKey(Dated, Base):
    """A master key that some data key may be wrapped under: its short name, and a word sealed under it as its proof.

    Of the installation, not of an organisation. The key itself stands in no database.
    """

    __tablename__ = "master_key"
    __table_args__ = ({"schema": SCHEMA},)

    id: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    proof: Mapped[bytes] = mapped_column(LargeBinary)
