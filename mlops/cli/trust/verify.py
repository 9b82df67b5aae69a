"""`mlops verify`: recomputes the digests of a run, a model version, a release or an exported run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import UsageError, did_you_mean
from core.store import Store

if TYPE_CHECKING:
    from core.decision import Decision


@click.command()
@click.argument("what", metavar="RUN|MODEL[@VERSION]|RELEASE|FOLDER")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def verify(store: Store, what: str, as_json: bool) -> None:
    """Recompute digests from the served model back to data, code and decisions, and say what differs.

    RUN may be `newest`. FOLDER is one that `mlops runs export` made; nothing else is needed for it. Returns 3 when
    something differs or cannot be checked.
    """
    from core.decision import Verdict
    from mlops.cli.main import print_json

    decision = _decision(store, what)
    if as_json:
        print_json(decision.model_dump(mode="json"))
    else:
        for check in decision.checks:
            if check.verdict is not Verdict.PASS:
                color = "red" if check.verdict is Verdict.FAIL else "yellow"
                word = "differs" if check.verdict is Verdict.FAIL else "not checked"
                click.secho(f"{word:>11}  {check.rule}", fg=color)
                click.echo(f"             wanted {check.threshold}\n             got    {check.observed}")
        passed = sum(check.verdict is Verdict.PASS for check in decision.checks)
        click.secho(f"{passed} of {len(decision.checks)} digests and decisions are what they were", bold=True)
    if not decision.is_open:
        raise click.exceptions.Exit(3)


def _decision(store: Store, what: str) -> "Decision":
    """Find out what is meant, and check it; UsageError when the store knows no such thing."""
    from core.backends.registry import open_registry
    from mlops.actions.run_list import find_run
    from mlops.actions.run_quality import NEWEST
    from mlops.actions.verification import checks
    from mlops.actions.verification.export import INDEX
    from mlops.runs.history import submitted

    if (Path(what) / INDEX).is_file():
        return checks.of_folder(Path(what))
    runs = submitted(store)
    what = find_run(store, what) if what == NEWEST else what
    if what in runs:
        return checks.of_run(store, what)
    registry = open_registry(store.registry)
    name, _, number = what.partition("@")
    if name in registry.names() and (number.isdecimal() or not number):
        pointer = registry.pointer(name)
        if not number and pointer is None:
            raise UsageError(f"no version of {name} is in production; name one, as in: mlops verify {name}@1")
        return checks.of_version(store, name, int(number) if number or pointer is None else pointer.version)
    if what.startswith("sha256:") or (number and not number.isdecimal()):
        from artifacts.release.promotion import Promoter
        from artifacts.release.store import Releases
        from pipelines.environments import load_environments

        releases = Releases(store.releases)
        return Promoter(releases, store.registry, load_environments(None)).verify(releases.find(what))
    known = [*runs, *registry.names()]
    raise UsageError(
        f"{what!r}: wanted a run, a model, a release or an exported run{did_you_mean(what, known)}; "
        "see: mlops runs list, mlops models list, mlops release list"
    )
