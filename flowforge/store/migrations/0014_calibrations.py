"""Jobs that calibrate a repository: few among many, found by an index of their own. Old code has none of them."""

from typing import Any

SQL = """
CREATE INDEX jobs_calibrations ON jobs (organization, repository, created_at DESC, id DESC)
    WHERE trigger = 'calibrate';
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
