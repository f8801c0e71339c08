"""${message.capitalize()}."""

import sqlalchemy as sa
from alembic import op

from viveiro.db.tables import UtcDateTime, json_column

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
