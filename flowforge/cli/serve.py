"""`flowforge serve`: one process of a service, for whoever runs them one by one."""

import typer

from flowforge.cli.app import group

app = group("Run one process of a service, with the settings of the environment.")


@app.command()
def api(ctx: typer.Context) -> None:
    """Answer HTTP."""
    ctx.obj("api")


@app.command()
def relay(ctx: typer.Context) -> None:
    """Pick jobs that may run and ring for them; sweep expired leases."""
    ctx.obj("relay")


@app.command()
def worker(ctx: typer.Context) -> None:
    """Claim jobs and run them."""
    ctx.obj("worker")
