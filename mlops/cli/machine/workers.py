"""`mlops workers`: the warm workers that wait for the next run: lists and stops them."""

import click

from core.store import Store

MIB = 2**20


@click.group()
def workers() -> None:
    """List and stop the warm workers: processes that have imported TensorFlow and wait for the next run.

    They leave after 15 minutes without a run; MLOPS_WARM=30 makes that 30, MLOPS_WARM=off ends them with their run.
    """


@workers.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, as_json: bool) -> None:
    """List the warm workers of this store."""
    from dataclasses import asdict

    from mlops.cli.main import print_json
    from mlops.worlds.machine.workers import waiting

    found = waiting(store)
    if as_json:
        print_json({"workers": [asdict(worker) for worker in found]})
        return
    for worker in found:
        state = "imports" if worker.importing else f"used {worker.unused / 60:.0f} minutes ago"
        click.echo(f"{worker.pid:>8}  {worker.memory / MIB:>6.0f} MiB  {state:<24}  {worker.preload[-1]}  {worker.cwd}")
    if not found:
        click.echo("No warm worker waits.")


@workers.command("stop")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def stop(store: Store, as_json: bool) -> None:
    """Stop the warm workers of this store; one that serves a run ends with it."""
    from mlops.cli.main import print_json
    from mlops.worlds.machine.workers import end, waiting

    before = waiting(store)
    left = end(store)
    if as_json:
        print_json({"stopped": [worker.pid for worker in before if worker not in left], "busy": [w.pid for w in left]})
        return
    click.echo(f"{len(before) - len(left)} stopped" + (f"; {len(left)} end with their run" if left else ""))
