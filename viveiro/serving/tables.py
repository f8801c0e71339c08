"""Which models should be served."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from viveiro.db import Base, utc_now


class EndpointRow(Base):
    """One per repo. The row is the wish; whether a process holds the model right now is asked of the processes."""

    __tablename__ = "endpoints"

    repo_id: Mapped[int] = mapped_column(ForeignKey("repos.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[str] = mapped_column(String(255))
    sha: Mapped[str] = mapped_column(String(40))
    task: Mapped[str] = mapped_column(String(96))
    engine: Mapped[str] = mapped_column(String(32))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
