"""Alembic's environment: the connection comes from the program, within a transaction that the program ends."""

from alembic import context

from evalkit.board.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
