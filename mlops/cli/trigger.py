"""`mlops trigger`: facts that start runs, their handler, and the journal of what became of them."""

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.errors import UsageError
from core.store import Store
from mlops.cli.at import ChosenWorld, at_world
from pipelines.triggers import CAUSES

if TYPE_CHECKING:
    from mlops.triggers.sender import Senders

SECRET = "MLOPS_TRIGGER_SECRET"  # noqa: S105 - the variable's name
_ENDING = "Ending; a run that is under way ends first. Ctrl-C again leaves it, and the next start goes on."
_JOURNAL = click.option(
    "--journal",
    envvar="MLOPS_TRIGGER_JOURNAL",
    default="",
    metavar="ADDRESS",
    help="Where facts and decisions are kept, such as gs://bucket/folder/triggers; default: this store's disk.",
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.group()
def trigger() -> None:
    """Start runs from facts: new data, schedules, drift, lost performance, changed code, or somebody who asks.

    What a fact may start stands in the `triggers` and `schedules` of a use case's config.yaml; unset means not allowed.
    """


@trigger.command()
@click.argument("usecases", nargs=-1)
@at_world()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8502, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False), help=f"Shared secrets; or {SECRET}.")
@click.option("--audience", metavar="URL", default="", help="Of the tokens of Google accounts that may send.")
@click.option("--account", "accounts", multiple=True, metavar="EMAIL", help="A Google account that may send.")
@click.option("--watch", "watches", is_flag=True, help="Also find new data, schedules and changed code here.")
@click.option("--grace", type=click.FloatRange(0), metavar="SECONDS", help="For a run under way to end after SIGTERM.")
@_JOURNAL
@click.option("--json", "as_json", is_flag=True, help="Log JSON lines.")
@click.pass_obj
def serve(store: Store, /, *, usecases: tuple[str, ...], chosen: ChosenWorld, **options: Any) -> None:
    """Take CloudEvents by HTTP (POST /) for USECASES, or for all that have triggers, and run what they start.

    Beyond this machine's loopback address a shared secret or Google accounts are required. After --grace a run is left,
    and the next start goes on with it; without, it ends first. A run on a cluster goes on by itself.

    With --journal in an object store nothing is kept on this machine, and there can be several handlers. An event is
    answered after the run that it starts was submitted; any later request looks at what waits and at runs that go on.
    """
    from mlops.triggers.http import application
    from mlops.triggers.service import Triggers, log_to_stderr, working

    senders = _senders(options)
    if options["journal"] and options["watches"]:
        raise UsageError("--watch: what a watcher sees it keeps on this machine's disk; leave out --watch or --journal")
    log_to_stderr(as_json=options["as_json"])
    with chosen.open(store) as world:
        triggers = Triggers(world.store, _folders(usecases), address=options["journal"])
        if options["journal"]:
            app = application(triggers.handler, senders, triggers.submitter(world).work)
            _listen(app, options, triggers.folders)
            return
        dispatcher = triggers.dispatcher(world)
        rounds = [dispatcher.work, *([triggers.watching()] if options["watches"] else [])]
        with working(*rounds, grace_seconds=options["grace"], on_left=dispatcher.release) as workers:
            app = application(triggers.handler, senders, lambda taken: workers[0].wake() if taken.is_new else None)
            _listen(app, options, triggers.folders)
            click.echo(_ENDING, err=True)


@trigger.command()
@click.argument("usecases", nargs=-1)
@at_world()
@click.option(
    "--poll", default=5.0, show_default=True, type=click.FloatRange(min=0.1), metavar="SECONDS", help="Between looks."
)
@click.option("--json", "as_json", is_flag=True, help="Log JSON lines.")
@click.pass_obj
def watch(store: Store, *, usecases: tuple[str, ...], chosen: ChosenWorld, poll: float, as_json: bool) -> None:
    """Find new data, slots of schedules and changed code of USECASES, and run what they start, until Ctrl-C."""
    from mlops.triggers.service import Triggers, log_to_stderr, working

    log_to_stderr(as_json=as_json)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130) if ended.is_set() else ended.set())
    with chosen.open(store) as world:
        triggers = Triggers(world.store, _folders(usecases))
        click.echo(f"Watching {', '.join(triggers.folders)}; Ctrl-C ends it.", err=True)
        with working(triggers.watching(), triggers.dispatcher(world).work, pause_seconds=poll):
            while not ended.wait(0.5):
                pass
            click.echo(_ENDING, err=True)


@trigger.command()
@click.argument("usecase", default="")
@click.option("--cause", default="manual", show_default=True, type=click.Choice(CAUSES), help="What happened.")
@click.option("--schedule", default="", metavar="NAME", help="Whose slot it is, with --cause schedule.")
@click.option(
    "--id",
    "id_",
    default="",
    help="One that was sent before is the same fact. Default: a new one; of a schedule, its last slot's.",
)
@click.option("--file", type=click.Path(exists=True, dir_okay=False), help="Send the CloudEvent in this JSON file.")
@click.option("--to", "url", default="", metavar="URL", help="A handler; default: the journal in this store.")
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False), help=f"The handler's secret; or {SECRET}.")
@_JOURNAL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def send(store: Store, /, *, usecase: str, file: str | None, url: str, as_json: bool, **options: Any) -> None:
    """Send a fact about USECASE to a handler, or into the journal of this store.

    A handler (`mlops trigger serve` or `watch`) decides about it.
    """
    from mlops.cli.main import print_json
    from mlops.triggers.fact import event_of, loads
    from mlops.triggers.slots import newest_slot_event
    from pipelines.config import find, load, name_of

    if bool(usecase) == bool(file):
        raise UsageError("wanted a use case or --file, one of them")
    if file:
        event = loads(Path(file).read_bytes())
    elif options["cause"] == "schedule" and options["schedule"] and not options["id_"]:
        event = newest_slot_event(load(find(usecase)), options["schedule"], time.time())
    else:
        subject = "/".join(filter(None, (name_of(usecase), options["schedule"])))
        id_ = options["id_"] or uuid.uuid4().hex
        event = event_of(options["cause"], subject, source="/mlops/trigger/send", id_=id_, now=time.time())
    if url:
        answer = _posted(event, url, options["secret_file"])
    else:
        answer = _recorded(event, usecase, store, options["journal"])
    if as_json:
        print_json(answer)
        return
    click.echo(f"{'new' if answer['new'] else 'known':<7} {answer['fact']}")
    if not url:
        click.echo("next    mlops trigger list; a running `mlops trigger watch` or `serve` starts its run")


@trigger.command("list")
@click.argument("usecase", default="")
@click.option("--newest", default=20, show_default=True, type=click.IntRange(1), help="Decisions to list.")
@click.option("--dead", is_flag=True, help="List only dead letters.")
@_JOURNAL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_(store: Store, *, usecase: str, newest: int, dead: bool, journal: str, as_json: bool) -> None:
    """List the facts that wait, the decisions with their reasons, and the dead letters."""
    from mlops.actions.trigger_list import listed
    from mlops.cli.main import print_json
    from mlops.triggers.permitted import permitted_folders
    from mlops.triggers.service import Triggers

    found = listed(Triggers(store, permitted_folders(), address=journal), usecase, newest)
    if as_json:
        print_json({"dead_letters": found.as_json()["dead_letters"]} if dead else found.as_json())
        return
    for line in found.lines(dead_only=dead):
        click.echo(line)


@trigger.command()
@click.argument("names", nargs=-1, metavar="[LETTER]...")
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@_JOURNAL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def retry(store: Store, *, names: tuple[str, ...], everything: bool, journal: str, as_json: bool) -> None:
    """Give dead letters another chance; a running handler decides about them anew."""
    from mlops.cli.main import print_json
    from mlops.triggers.permitted import permitted_folders
    from mlops.triggers.service import Triggers

    if bool(names) == everything:
        raise UsageError("wanted the names of dead letters, or --all; see: mlops trigger list --dead")
    triggers = Triggers(store, permitted_folders(), address=journal)
    letters = triggers.journal.letters() if everything else [triggers.journal.letter(name) for name in names]
    facts = [asdict(fact) for letter in letters for fact in triggers.handler.retry(letter)]
    if as_json:
        print_json({"facts": [f"{fact['source']}#{fact['id']}" for fact in facts]})
        return
    for fact in facts:
        click.echo(f"waits   {fact['source']}#{fact['id']}")


def _folders(usecases: tuple[str, ...]) -> dict[str, Path]:
    from mlops.triggers.permitted import permitted_folders

    if not (folders := permitted_folders(usecases)):
        raise UsageError("no use case has triggers or schedules; write into its config.yaml: triggers: {manual: {}}")
    return folders


def _listen(app: Any, options: dict[str, Any], usecases: Iterable[str]) -> None:
    """Answer requests until SIGTERM or Ctrl-C."""
    import uvicorn

    click.echo(f"Taking events for {', '.join(usecases)} on http://{options['host']}:{options['port']}/", err=True)
    uvicorn.run(app, host=options["host"], port=options["port"], log_level="warning", server_header=False)


def _recorded(event: Any, usecase: str, store: Store, journal: str) -> dict[str, Any]:
    from mlops.triggers.permitted import permitted_folders
    from mlops.triggers.service import Triggers

    handler = Triggers(store, permitted_folders((usecase,) if usecase else ()), address=journal).handler
    handler.permitted.trigger(handler.read(event))  # a mistake at the keyboard is an error, not a dead letter
    taken = handler.take(event)
    assert taken.fact is not None
    return {"fact": taken.fact.key, "new": taken.is_new}


def _posted(event: Any, url: str, secret_file: str | None) -> dict[str, Any]:
    from mlops.triggers.client import post

    secrets = shared_secrets(secret_file)
    return post(event, url, secrets[0] if secrets else None)


def shared_secrets(secret_file: str | None) -> tuple[bytes, ...]:
    """Read the shared secrets from a file or the environment; none where neither is given."""
    from mlops.triggers.sender import secrets_in

    if secret_file:
        return secrets_in(Path(secret_file).read_text(encoding="utf-8"), secret_file)
    given = os.environ.get(SECRET, "")
    return secrets_in(given, SECRET) if given else ()


def _senders(options: dict[str, Any]) -> "Senders":
    """Who may send, as the command line says; UsageError for an open port without anybody to check."""
    from mlops.triggers.sender import Anyone, GoogleAccounts, SharedSecrets

    if bool(options["audience"]) != bool(options["accounts"]):
        raise UsageError("--audience and --account go together: tokens for this audience, of these accounts")
    if options["audience"]:
        return GoogleAccounts(options["audience"], frozenset(options["accounts"]))
    if secrets := shared_secrets(options["secret_file"]):
        return SharedSecrets(secrets)
    if options["host"] not in _LOOPBACK:
        raise UsageError(
            f"--host {options['host']} can be reached from other machines: wanted --secret-file, {SECRET}, "
            "or --audience and --account"
        )
    return Anyone()
