"""What a person who is asked is shown of the result, who may say yes, and what is left to run after a no.

Old code writes rows without these columns and reads those with them: to it such a question is one about the tree.
"""

from typing import Any

SQL = """
ALTER TABLE decisions ADD COLUMN outlook jsonb;                        -- what a yes lets through; NULL = not known
ALTER TABLE decisions ADD COLUMN who text NOT NULL DEFAULT 'user';     -- the least role that may approve
ALTER TABLE decisions ADD COLUMN last boolean NOT NULL DEFAULT false;  -- `finally` stages run after a no, too
ALTER TABLE decisions ADD COLUMN expired boolean NOT NULL DEFAULT false;  -- nobody decided in time
"""


def up(_migrator: object, database: Any) -> None:
    database.execute_sql(SQL)
