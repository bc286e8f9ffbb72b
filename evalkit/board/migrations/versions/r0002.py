"""One living row per answer: the platform's later word on a rating or a comparison takes the place of its earlier one.

Until now no two rows at all shared an identity, so that an answer which was rejected later could not be ended and
written again. The trigger that passes over what is known looks at living rows only, as the index does.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the indexes anew for living rows, and on SQLite the triggers that pass over known rows."""
    alive = sa.text("until IS NULL")
    for table in ("ratings", "pairs"):
        op.drop_index(f"one_{table}", table_name=table)
        op.create_index(f"one_{table}", table, ["identity"], unique=True, sqlite_where=alive, postgresql_where=alive)
        if op.get_bind().dialect.name == "sqlite":
            there = f"SELECT 1 FROM {table} WHERE identity = NEW.identity AND until IS NULL"  # noqa: S608
            op.execute(f"DROP TRIGGER {table}_known")
            op.execute(
                f"CREATE TRIGGER {table}_known BEFORE INSERT ON {table} FOR EACH ROW WHEN EXISTS ({there}) "
                "BEGIN SELECT RAISE(IGNORE); END"
            )


def downgrade() -> None:
    """Refuse: an older evalkit can't read what a newer one wrote, and a board only grows; restore a copy instead."""
    raise NotImplementedError("boards are not taken back to an older form")
