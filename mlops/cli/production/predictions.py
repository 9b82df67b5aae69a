"""`mlops predictions`: the days of the prediction log, from the counts beside its files."""

from shlex import quote
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.actions.logged_days import LoggedDay

_ROW = "{:<20} {:<10} {:>12} {:>9}  {:<24} {:<20} {}"


@click.command()
@click.argument("usecase", default="")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def predictions(store: Store, *, usecase: str, as_json: bool) -> None:
    """List the days of USECASE's prediction log, or of all: rows, versions, what was dropped, and the size on disk."""
    from mlops.actions.logged_days import logged_days
    from mlops.cli.main import print_json
    from pipelines.config import name_of

    found = logged_days(store, name_of(usecase) if usecase else "")
    if as_json:
        print_json({"store": str(store.root), "days": [day.as_json() for day in found]})
        return
    if not found:
        served = quote(usecase or "flight_delay")
        click.echo(f"Nothing is logged yet; log what is answered with: mlops serve {served} --prediction-log")
        return
    click.echo(_ROW.format("model", "day (UTC)", "rows", "MB", "rows by version", "dropped", "").rstrip())
    for day in found:
        click.echo(_line(day))


def _line(day: "LoggedDay") -> str:
    counts = day.counts
    versions = ", ".join(f"{version}: {rows:,}" for version, rows in sorted(counts.versions.items()))
    dropped = ", ".join(f"{reason}: {rows:,}" for reason, rows in sorted(counts.dropped.items())) or "none"
    unknown = [*(["?"] if day.uncounted else []), *([versions] if versions else [])]
    note = f"{day.unfinished} of {day.files} files not finished" if day.unfinished else ""
    cells = (day.model, day.day.isoformat(), f"{counts.rows:,}", f"{day.size / 1e6:,.1f}", ", ".join(unknown), dropped)
    return _ROW.format(*cells, note).rstrip()
