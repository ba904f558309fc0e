"""Has Alembic work on the connection that it is handed, in its transaction."""

from alembic import context

from holdfast_resolver.ledger.layout import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
