"""`mlops schema`: shows the curated schema as a table, and proposes one from data."""

from pathlib import Path
from typing import Any

import click

from core.store import Store


@click.group()
def schema() -> None:
    """Show the curated schema, or propose one from data."""


@schema.command()
@click.argument("usecase")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(usecase: str, as_json: bool) -> None:
    """Show the curated schema of USECASE, one line per feature."""
    from rich.console import Console
    from rich.table import Table

    from artifacts.schema.schema_file import read_schema
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    path = load(find(usecase)).folder / "schema.pbtxt"
    features = [_about(feature, path) for feature in read_schema(path).feature]
    if as_json:
        print_json({"usecase": usecase, "path": str(path), "features": features})
        return
    table = Table(title=str(path), title_justify="left", box=None, pad_edge=False)
    for heading in ("feature", "type", "present in", "values", "drift at most"):
        table.add_column(heading)
    for feature in features:
        drift = feature["drift_at_most"]
        table.add_row(
            feature["name"],
            feature["type"],
            _presence(feature["present_in"]),
            feature["values"],
            "-" if drift is None else f"{drift:g}",
        )
    Console(soft_wrap=True).print(table)


@schema.command()
@click.argument("usecase")
@click.option("--span", metavar="SPAN", help="The newest span to read; default: the newest in the store.")
@click.option("--leave-out", multiple=True, metavar="COLUMN", help="A column to ignore; may be repeated.")
@click.option("--write", is_flag=True, help="Write the use case's schema.pbtxt instead of printing it.")
@click.option("--diff", is_flag=True, help="Print what would change in the existing schema.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def propose(
    store: Store,
    *,
    usecase: str,
    span: str | None,
    leave_out: tuple[str, ...],
    write: bool,
    diff: bool,
    as_json: bool,
) -> None:
    """Print a schema that accepts the data of USECASE, read and split as in a run.

    An existing schema keeps its rules; only what the data needs is added.
    """
    from mlops.actions.proposed_schema import propose_schema
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    loaded = load(find(usecase))
    proposal = propose_schema(loaded, store, span, leave_out)
    if write:
        proposal.write()
    if as_json:
        facts = {
            "usecase": loaded.name,
            "span": proposal.spans[-1],
            "spans": proposal.spans,
            "path": str(proposal.path),
        }
        print_json(facts | {"written": write, "schema": proposal.text, "diff": proposal.diff})
    elif write:
        click.echo(f"wrote {proposal.path}; review it, and correct any rule that is wrong")
    elif diff:
        click.echo(proposal.diff, nl=False)
    else:
        click.echo(proposal.text, nl=False)
    if leave_out and not as_json:
        names = ", ".join(leave_out)
        click.secho(f"Write `leave_out: [{names}]` under ingest_examples, so that runs ignore them too.", err=True)


def _presence(fraction: float) -> str:
    return f"{fraction:.0%}" if fraction else "may be absent"


def _about(feature: Any, path: Path) -> dict[str, Any]:
    """Return one feature of a schema as plain values."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    drift = feature.drift_comparator
    bound = drift.jensen_shannon_divergence.threshold or drift.infinity_norm.threshold or None
    return {
        "name": feature.name,
        "type": schema_pb2.FeatureType.Name(feature.type),
        "present_in": feature.presence.min_fraction,
        "environments_without": list(feature.not_in_environment),
        "values": _values(feature, path),
        "drift_at_most": bound,
    }


def _values(feature: Any, path: Path) -> str:
    from artifacts.schema.schema_file import read_schema

    kind = feature.WhichOneof("domain_info")
    if kind in ("int_domain", "float_domain"):
        domain = getattr(feature, kind)
        return f"{domain.min:g} to {domain.max:g}"
    if kind != "domain":
        return "any"
    domains = {domain.name: domain for domain in read_schema(path).string_domain}
    values = list(domains[feature.domain].value) if feature.domain in domains else []
    return f"{len(values)} values: {', '.join(values[:5])}{', ...' if len(values) > 5 else ''}"
