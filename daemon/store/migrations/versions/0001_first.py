"""The first tables."""

from alembic import op

from daemon.store.schema import metadata, writer

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    op.get_bind().execute(writer.insert().values(only=1, generation=1))
