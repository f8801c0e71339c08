"""Engine, transactions, base table and migrations: what every domain's tables stand on."""

from viveiro.db.engine import Database
from viveiro.db.tables import Base, SentenceText, UtcDateTime, utc_now

__all__ = ["Base", "Database", "SentenceText", "UtcDateTime", "utc_now"]
