"""Answers by their path: so a glob is asked of an index, and not of every row with its text.

In the order of code points, so that a beginning of a path is a range whatever the database's language is. Old code does
not need it.
"""

from typing import Any

SQL = """
CREATE INDEX kept_answers_path ON kept_answers (organization, repository, path COLLATE "C", created_at DESC, key DESC);
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
