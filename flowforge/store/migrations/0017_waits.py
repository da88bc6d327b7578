"""Since when a job waits for something that is away. Old code leaves it NULL, and counts such an attempt."""

from typing import Any

SQL = "ALTER TABLE jobs ADD COLUMN waits_since timestamptz"


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
