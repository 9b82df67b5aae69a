"""`mlops compress`: compresses the model of a use case, and shows what each variant costs and loses."""

import sys
from typing import TYPE_CHECKING, Any

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world, span_option

if TYPE_CHECKING:
    from artifacts.compression.compression import Compression, Format
    from pipelines.config import UseCase

STAGE = "compress_model"
_USUAL = ("float16", "int8")
_WIDTH = 140
"""Columns of the table where the output is no terminal."""


@click.command()
@click.argument("usecase")
@at_world()
@click.option("--ship", default="", metavar="VARIANT", help="The variant that goes on; default: the configured one.")
@click.option("--also", multiple=True, metavar="VARIANT", help="A further variant to compare; may be given again.")
@click.option("--pipeline", default="level0", show_default=True, help="Which training pipeline; level1 pushes.")
@span_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def compress(
    store: Store,
    *,
    usecase: str,
    chosen: ChosenWorld,
    ship: str,
    also: tuple[str, ...],
    pipeline: str,
    span: str | None,
    as_json: bool,
) -> None:
    """Compress the model of USECASE; what was trained already comes from the cache.

    Variants are float16, dynamic_range, int8, qat, pruned, and pruned+ any of them. Without a section compress_model,
    dynamic_range is compared with float16 and int8. Returns 3 when a gate is closed.
    """
    from mlops.cli.ended import print_outcome
    from mlops.cli.main import print_json
    from mlops.worlds.finished import follow_to_end
    from mlops.worlds.progress import shown
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    configured = _with_section(load(find(usecase)), ship, also)
    with chosen.open(store) as world:
        run_id = world.submit(RunRequest(configured, pipeline, span)).run_id
        with shown(quiet=as_json) as watcher:
            outcome, report = follow_to_end(world, run_id, watcher, None)
    found = _compression(outcome.run)
    if as_json:
        described = None if found is None else found.model_dump(mode="json")
        print_json(outcome.as_json(report) | {"compression": described})
    else:
        if found is not None:
            _print_table(found)
        print_outcome(outcome, report, as_json=False)
    sys.exit(outcome.exit_code)


def _with_section(usecase: "UseCase", ship: str, also: tuple[str, ...]) -> "UseCase":
    """Return a use case with the variants that were asked for; ConfigError for one that is unknown."""
    from pydantic import ValidationError

    from core.errors import ConfigError
    from pipelines import stages

    facts = usecase.problem.model_dump()
    model = stages.config_model(STAGE)
    written: dict[str, Any] = usecase.configured(STAGE).model_dump() if usecase.has(STAGE) else {"also": _USUAL}
    written = {name: facts[name] for name in facts if name in model.model_fields} | written
    written["ship"] = ship or written.get("ship", "dynamic_range")
    written["also"] = also or written.get("also", ())
    try:
        section = model.model_validate(written)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"compress_model: {message}") from None
    release = usecase.push_model
    if STAGE not in {*release.requires, *release.waives}:
        release = release.model_copy(update={"requires": (*release.requires, STAGE)})
    return usecase.model_copy(update={STAGE: section, "push_model": release})


def _compression(run: Any) -> "Compression | None":
    """Return what a run compressed; None where it ended before, or on a cluster whose store is not here."""
    from artifacts.compression.compression import Compression

    artifact = run.artifact(STAGE, "compression")
    if artifact is None or "://" in artifact.uri:
        return None
    return Compression.read(artifact.path)


def _print_table(found: "Compression") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("variant", "format", "bytes", "gzip", "us a row", found.metric, "lost", "worst slice", "parity"):
        table.add_column(heading, justify="left" if heading in {"variant", "format"} else "right")
    table.add_row("uncompressed", "SavedModel", *_cells(found.uncompressed), "")
    for one in found.variants:
        mark = " *" if one.name == found.shipped else ""
        if one.fault:
            table.add_row(one.name + mark, one.signal or "failed", one.fault[:60])
            continue
        parity = f"{one.parity.agreement:.2%}" if one.parity else ""
        for title, form in (("SavedModel", one.saved_model), ("TFLite", one.tflite)):
            if form is not None:
                table.add_row(one.name + mark, title, *_cells(form), parity)
        if one.sparse is not None:
            table.add_row(one.name + mark, "TFLite, sparse", f"{one.sparse.raw:,}", f"{one.sparse.gzip:,}")
    if found.control is not None:
        value = "-" if found.control.value is None else f"{found.control.value:.4f}"
        table.add_row(f"control, {found.control.epochs} more epochs", "", "", "", "", value)
    Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH).print(table)


def _cells(form: "Format") -> tuple[str, ...]:
    overall, *slices = form.losses
    worst = max((one.loss for one in slices if one.loss is not None), default=None)
    numbers = [overall.value, overall.loss, worst]
    return (
        f"{form.size.raw:,}",
        f"{form.size.gzip:,}",
        f"{form.latency.row_us:.1f}",
        *("-" if one is None else f"{one:.4f}" for one in numbers),
    )
