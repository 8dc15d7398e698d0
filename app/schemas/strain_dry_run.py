"""What a rule would have raised."""

from app.schemas.base import Out


class DryRunOut(Out):
    """What a rule would have raised over the past 30 days, by call events alone: flags are nobody else's to count.

    Figures are rounded down to a multiple of the smallest group that may be shown, so that two dry runs cannot be
    subtracted to reach one person. They are null where fewer people are behind them, or nobody: which of the two it is
    would say something about few people, too.
    """

    days: int
    suppressed: bool
    signals: int | None
    people: int | None
    signals_per_week: float | None
