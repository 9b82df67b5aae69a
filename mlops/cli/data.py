"""`mlops data`: copies spans to an object store, deletes rows by key, and searches the store for personal data."""

from dataclasses import asdict
from shlex import quote

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world


@click.group()
def data() -> None:
    """Push data to an object store, list spans, delete rows by key, and search for personal data."""


@data.command()
@click.argument("usecase")
@at_world()
@click.option(
    "--span",
    "spans",
    metavar="NUMBER|DATE",
    multiple=True,
    help="Only this span; may be given again. Default: all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def push(store: Store, *, usecase: str, chosen: ChosenWorld, spans: tuple[str, ...], as_json: bool) -> None:
    """Copy the spans of USECASE to an object store; a file that is there with the same content is skipped."""
    from mlops.actions.shipped import Shipped, ship
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    def show(one: Shipped) -> None:
        state = "replaced" if one.replaced else "written" if one.written else "unchanged"
        click.echo(f"{state:<9}  {one.address}  ({one.size / 1e6:.1f} MB)", err=as_json)

    loaded = load(find(usecase))
    with chosen.open(store) as world:
        done = ship(loaded, world.store, spans, show)
    if as_json:
        print_json({"usecase": loaded.name, "files": [asdict(one) for one in done]})


@data.command("list")
@click.argument("usecase")
@at_world()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, *, usecase: str, chosen: ChosenWorld, as_json: bool) -> None:
    """List the spans of USECASE in the store."""
    from artifacts.spans.pattern import label
    from mlops.actions.shipped import spans_in
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    loaded = load(find(usecase))
    with chosen.open(store) as world:
        found = spans_in(loaded, world.store)
        address = world.store.source(loaded.name)
    if as_json:
        print_json(
            {
                "usecase": loaded.name,
                "place": address,
                "spans": [{"span": span, "files": files} for span, files in found.items()],
            }
        )
        return
    for span, files in found.items():
        click.echo(f"span {label(loaded.source.pattern, span):<10} {files} file{'s' if files != 1 else ''}")
    if not found:
        click.echo(f"{address} holds no span yet; push them with: mlops data push {quote(usecase)}{chosen.option}")


@data.command()
@click.argument("usecase")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Delete without asking; needed where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def delete(store: Store, *, usecase: str, key: str, yes: bool, as_json: bool) -> None:
    """Delete the row KEY of USECASE: in spans, labels, outcomes and the prediction log of this machine's store.

    KEY is the value of `problem.key`, or the digest of the row's features, as label files have it. The models that
    read the row are named; train again to replace them.
    """
    import sys

    from core.errors import UsageError
    from mlops.actions.auditing.deletion import delete as delete_row
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    loaded = load(find(usecase))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("deleting cannot be undone: give --yes")
        click.confirm(f"Delete every row of {loaded.name} with the key {key!r}? It cannot be undone", abort=True)
    done = delete_row(loaded, store, key)
    if as_json:
        print_json({"usecase": loaded.name, "rows": done.rows, **asdict(done)})
        return
    spans = ", ".join(f"{rows} in span {span}" for span, rows in done.spans.items()) or "0"
    click.echo(f"deleted   rows {spans}; labels {done.labels}; outcomes {done.outcomes}; predictions {done.logged}")
    for model in done.models:
        mark = ", in production" if model.in_production else ""
        click.secho(f"model     version {model.version}{mark}: {model.role}", fg="yellow")
    if done.models:
        click.echo(f"next      mlops run {quote(usecase)} --pipeline level1")
    for run in done.copies:
        click.secho(f"copy      run {run} keeps examples that have the row; remove it with localrun clean", fg="yellow")
    for path in done.busy:
        click.secho(f"busy      {path}: a server writes it; repeat this when it has finished", fg="yellow")


@data.command()
@click.argument("usecase")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def scan(store: Store, *, usecase: str, as_json: bool) -> None:
    """Search what this machine's store has of USECASE for personal data and planted canaries.

    That is: spans, labels, outcomes, the prediction log, model versions, runs with their logs and reports, and the
    lineage. Places and counts are shown, never what was found. Returns 3 when something was found.
    """
    import sys

    from mlops.actions.auditing.search import search
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    loaded = load(find(usecase))
    found = list(search(loaded, store))
    if as_json:
        print_json({"usecase": loaded.name, "findings": [finding._asdict() for finding in found]})
        sys.exit(3 if found else 0)
    for finding in found:
        click.secho(f"{finding.detector:<24}{finding.times:>8}  {finding.place}", fg="yellow")
    if not found:
        click.echo("Nothing was found.")
    sys.exit(3 if found else 0)
