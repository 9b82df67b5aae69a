"""`mlops data`: a use case's data, from this machine to where a cluster reads it."""

from dataclasses import asdict

import click

from core.store import Store

_TO = click.option(
    "--at",
    "--to",
    "to",
    metavar="kfp|s3://...",
    default="",
    help="kfp is the local cluster's own store; default: MLOPS_STORE.",
)


@click.group()
def data() -> None:
    """Push data to an object store, and list what is there."""


@data.command()
@click.argument("usecase")
@_TO
@click.option(
    "--span",
    "spans",
    metavar="NUMBER|DATE",
    multiple=True,
    help="Only this span; may be given again. Default: all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def push(store: Store, *, usecase: str, to: str, spans: tuple[str, ...], as_json: bool) -> None:
    """Copy the spans of USECASE to an object store; what lies there with the same content is left as it is."""
    from mlops.actions.shipped import Shipped, ship
    from mlops.cli.main import print_json
    from mlops.worlds.kfp_connection import store_at
    from pipelines.config import find, load

    def tell(one: Shipped) -> None:
        click.echo(
            f"{'written' if one.written else 'as it was':<9}  {one.address}  ({one.size / 1e6:.1f} MB)", err=as_json
        )

    loaded = load(find(usecase))
    with store_at(to, store) as reached:
        done = ship(loaded, reached, spans, tell)
    if as_json:
        print_json({"usecase": loaded.name, "files": [asdict(one) for one in done]})


@data.command("list")
@click.argument("usecase")
@_TO
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, *, usecase: str, to: str, as_json: bool) -> None:
    """List the spans of USECASE in the store."""
    from artifacts.spans.pattern import label
    from mlops.actions.shipped import there
    from mlops.cli.main import print_json
    from mlops.worlds.kfp_connection import store_at
    from pipelines.config import find, load

    loaded = load(find(usecase))
    with store_at(to, store) as reached:
        found = there(loaded, reached)
        place = reached.source(loaded.name)
    if as_json:
        print_json(
            {
                "usecase": loaded.name,
                "place": place,
                "spans": [{"span": span, "files": files} for span, files in found.items()],
            }
        )
        return
    for span, files in found.items():
        click.echo(f"span {label(loaded.source.pattern, span):<10} {files} file{'s' if files != 1 else ''}")
    if not found:
        click.echo(f"{place} holds no span yet: mlops data push {usecase}{f' --to {to}' if to else ''}")
