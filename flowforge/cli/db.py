"""`flowforge db`: the database's own chores."""

import typer

from flowforge.cli.app import AsJson, group
from flowforge.cli.output import data, data_json

app = group("The database's own chores.")


@app.callback()
def verbs() -> None:
    """Keep `upgrade` a verb of its own while it is the only one."""


@app.command()
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Apply the migrations that are missing, and make the three roles."""
    applied = ctx.obj()
    if as_json:
        data_json({"applied": list(applied)})
    elif applied:
        data("\n".join(f"applied {name}" for name in applied))
    else:
        data("the database is up to date")
