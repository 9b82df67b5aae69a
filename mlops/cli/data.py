"""`mlops data`: copies a use case's spans to an object store, where a cluster reads them."""

from dataclasses import asdict
from shlex import quote

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world


@click.group()
def data() -> None:
    """Push data to an object store, and list the spans in it."""


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
