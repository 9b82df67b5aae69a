"""`mlops monitor`: compares the model in production with its training, once or again and again."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.errors import MlopsError
from core.store import Store
from mlops.cli.at import ChosenWorld, at_world

if TYPE_CHECKING:
    from artifacts.feedback.findings import Findings
    from mlops.report.outcome import Outcome
    from mlops.worlds.world import RunRequest, World


@click.command()
@click.argument("usecases", nargs=-1, required=True)
@at_world()
@click.option("--as-of", default="", metavar="TIME", help="What was logged, or became known, later does not count.")
@click.option("--server-metrics", default="", metavar="FILE|URL", help="The server's metrics; such as URL/metrics.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, and send alarms as facts to the handler of triggers.")
@click.option("--every", default=300.0, show_default=True, type=click.FloatRange(min=0.1), metavar="SECONDS")
@click.option("--send", is_flag=True, help="Send alarms as facts, without --watch.")
@click.option("--to", "url", default="", metavar="URL", help="A handler; default: the journal in this store.")
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False), help="The handler's shared secret.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per round.")
@click.pass_obj
def monitor(store: Store, /, *, usecases: tuple[str, ...], chosen: ChosenWorld, as_json: bool, **options: Any) -> None:
    """Compare what the models of USECASES are asked and answer with what they were trained on.

    Reads the prediction log and the outcomes. Returns 3 when an alarm is raised, 0 otherwise; what could not be decided
    for want of rows or labels is said. Of several use cases each is monitored, also after one that failed: then 1.
    """
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    requests = [
        RunRequest(load(find(usecase)), "monitoring", as_of=options["as_of"], server_metrics=options["server_metrics"])
        for usecase in usecases
    ]
    with chosen.open(store) as world:
        if options["watch"]:
            _watch(world, requests, options, as_json=as_json)
        if len(requests) == 1:
            sys.exit(_monitored(world, requests[0], options, as_json=as_json))
        codes = [_survived(world, request, options, as_json=as_json) for request in requests]
    sys.exit(next((code for code in codes if code not in (0, 3)), max(codes)))


def _monitored(world: "World", request: "RunRequest", options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run and show one round; returns the exit code."""
    outcome, findings, report = _round(world, request)
    sent = _sent(world.store, findings, options) if options["send"] and findings is not None else []
    _show(outcome, findings, report, sent, as_json=as_json)
    return outcome.exit_code


def _survived(world: "World", request: "RunRequest", options: Mapping[str, Any], *, as_json: bool) -> int:
    """Run and show one round; an error is shown, and the next use case has its turn."""
    try:
        return _monitored(world, request, options, as_json=as_json)
    except MlopsError as error:
        click.secho(f"error: {request.usecase.name}: {error}", fg="red", err=True)
        return 1


def _watch(world: "World", requests: "list[RunRequest]", options: Mapping[str, Any], *, as_json: bool) -> None:
    """Run a round whenever the log or the outcomes have grown, and send its alarms; returns never."""
    seen: dict[str, str] = {}
    while True:
        for request in requests:
            _run_if_grown(world, request, seen, {**options, "send": True, "as_json": as_json})
        time.sleep(options["every"])


def _run_if_grown(world: "World", request: "RunRequest", seen: dict[str, str], options: Mapping[str, Any]) -> None:
    """Run a round unless the files are those that were seen last."""
    name = request.usecase.name
    try:
        snapshot = str(world.pin(request).parameters["snapshot"])
        if snapshot != seen.get(name):
            _monitored(world, request, options, as_json=options["as_json"])
            seen[name] = snapshot
    except MlopsError as error:  # such as a handler that does not answer: the next round sends the same fact
        click.secho(f"error: {name}: {error}", fg="red", err=True)


def _round(world: "World", request: "RunRequest") -> "tuple[Outcome, Findings | None, Path]":
    from artifacts.feedback.findings import Findings
    from mlops.worlds.finished import run_to_end

    outcome, report = run_to_end(world, request)
    paths = [task.output_file("findings") for task in outcome.run.tasks]
    found = [path for path in paths if path is not None]
    return outcome, Findings.read(found[0]) if found else None, report


def _sent(store: Store, findings: "Findings", options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Send the alarms as facts; one that was sent before is known, and starts nothing again."""
    from mlops.triggers.alarms import events_of

    return [_send(store, event, options) for event in events_of(findings, time.time())]


def _send(store: Store, event: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    from mlops.cli.trigger import shared_secrets
    from mlops.triggers.client import post
    from mlops.triggers.handler import Rejected
    from mlops.triggers.permitted import permitted_folders
    from mlops.triggers.service import Triggers

    if options["url"]:
        secrets = shared_secrets(options["secret_file"])
        return post(event, options["url"], secrets[0] if secrets else None)
    try:
        taken = Triggers(store, permitted_folders()).handler.take(event)
    except Rejected as error:
        return {"fact": f"{event['source']}#{event['id']}", "new": False, "rejected": str(error)}
    assert taken.fact is not None
    return {"fact": taken.fact.key, "new": taken.is_new}


def _show(
    outcome: "Outcome", findings: "Findings | None", report: Path, sent: list[dict[str, Any]], *, as_json: bool
) -> None:
    from mlops.cli.ended import print_outcome
    from mlops.cli.main import print_json

    if as_json:
        found = findings.model_dump(mode="json") if findings is not None else None
        print_json(outcome.as_json(report) | {"findings": found, "facts": sent})
        return
    for alarm in findings.alarms if findings is not None else []:
        click.secho(f"{'alarm':>9}  {alarm}", fg="red")
    for line in findings.undecided if findings is not None else []:
        click.secho(f"{'undecided':>9}  {line}", fg="yellow")
    for line in findings.not_measured if findings is not None else []:
        click.echo(f"{'no data':>9}  not measured: {line}")
    for one in sent:
        click.echo(f"{'fact':>9}  {'new' if one['new'] else 'known'}  {one['fact']}{one.get('rejected', '')}")
    print_outcome(outcome, report, as_json=False)
