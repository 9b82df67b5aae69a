"""`mlops cluster`: brings Kubernetes with Kubeflow Pipelines on this machine up and down."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.cluster.progress import Progress
    from mlops.cluster.settings import Variable
    from mlops.cluster.site import Site


class _WithVariables(click.Command):
    """A verb whose help ends with the environment variables that it reads."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        from mlops.cluster.settings import VARIABLES

        with formatter.section("Variables"):
            formatter.write_dl(
                [
                    (f"{one.name}={one.default}" if len(one.default) < 20 else one.name, one.meaning)
                    for one in VARIABLES
                ],
                col_max=40,
            )


@click.group()
def cluster() -> None:
    """Bring the local cluster up and down: kind, Kubeflow Pipelines, this project's images and the model server.

    Everything that can be set is an environment variable: `mlops cluster config` lists them with their values.
    """


@cluster.command(cls=_WithVariables)
@click.option("--check", "only_check", is_flag=True, help="Only check this machine; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error.")
def up(*, only_check: bool, as_json: bool) -> None:
    """Bring the cluster up. A second call changes nothing; after an interruption it continues.

    Returns 1 when the machine is not ready or a step fails; the diagnosis is in MLOPS_HOME/cluster/.
    """
    from mlops.cli.machine.doctor import show
    from mlops.cli.main import print_json
    from mlops.cluster.lifecycle import preflight
    from mlops.cluster.lifecycle.up import NotReady
    from mlops.cluster.lifecycle.up import up as bring_up
    from mlops.cluster.progress import Progress

    with Progress() as progress:
        site = _site(progress)
        if only_check:
            sys.exit(1 if show(preflight.examine(site), as_json=as_json) else 0)
        try:
            summary = bring_up(site)
        except NotReady as error:
            if as_json:
                print_json({"ok": False, "checks": [asdict(check) for check in error.checks]})
            raise
    if as_json:
        print_json({"ok": True, **asdict(summary)})
        return
    click.secho(f"\n{summary.cluster} is up.", fg="green", bold=True)
    _print_urls(site, summary.urls)
    click.echo("next       mlops data push flight_delay --at kfp\n           mlops submit flight_delay --at kfp --wait")


@cluster.command()
@click.option("--images", is_flag=True, help="Remove this project's images from the local Docker, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def down(*, images: bool, as_json: bool) -> None:
    """Delete the cluster and everything else that `mlops cluster up` made; print what was removed.

    A cluster that existed before is kept; only what was put into it is removed.
    """
    from mlops.cli.main import print_json
    from mlops.cluster.lifecycle.down import down as take_down
    from mlops.cluster.progress import Progress

    with Progress() as progress:
        removed = take_down(_site(progress), images=images)
    if as_json:
        print_json({"removed": removed})
        return
    for one in removed:
        click.echo(f"removed  {one}")
    if not removed:
        click.echo("Nothing to remove.")


@cluster.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(*, as_json: bool) -> None:
    """Show what runs in the cluster and where it can be reached; returns 1 when Kubeflow Pipelines is not ready."""
    from mlops.cli.main import print_json
    from mlops.cluster.health.status import status as cluster_status
    from mlops.cluster.progress import Progress

    site = _site(Progress())
    found = cluster_status(site)
    if as_json:
        print_json({"ready": found.ready, **asdict(found)})
    elif not found.exists:
        click.echo(f"There is no cluster {found.cluster}; create it with: mlops cluster up")
    elif not found.answers:
        click.echo(f"Cluster {found.cluster} does not answer; start it with: mlops cluster up")
    else:
        for one in found.workloads:
            state, colour = ("ready", "green") if one.ready else ("waits", "yellow")
            click.echo(f"{click.style(state, fg=colour)}  {one.namespace}/{one.name}")
            for why in () if one.ready else one.why:
                click.echo(f"       {why}")
        _print_urls(site, found.urls)
    sys.exit(0 if found.ready else 1)


@cluster.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def config(*, as_json: bool) -> None:
    """List every environment variable that is read, with its value; returns 2 for a value that cannot be used."""
    from mlops.cluster.settings import VARIABLES, read, variable_values

    read(os.environ)
    print_variables(VARIABLES, variable_values(os.environ), as_json=as_json)
    if not as_json:
        click.echo("DOCKER_HOST, DOCKER_CONFIG and KUBECONFIG reach docker, kind and kubectl as they are.")


def print_variables(variables: Sequence["Variable"], values: Mapping[str, str], *, as_json: bool) -> None:
    """Print variables with their values and meanings."""
    from mlops.cli.main import print_json

    if as_json:
        print_json(values)
        return
    for variable in variables:
        click.echo(f"{click.style(variable.name, bold=True)}={values[variable.name]}\n    {variable.meaning}")


def _site(progress: "Progress") -> "Site":
    from mlops.cluster.images.project import Images
    from mlops.cluster.programs.commands import Commands
    from mlops.cluster.site import Site

    return Site.of(
        os.environ, cache(lambda: Images(Commands(os.environ), Store.of(os.environ), progress.waiting)), progress
    )


def _print_urls(site: "Site", urls: Mapping[str, str]) -> None:
    """Print the URLs of the two services, or the port-forward command for one that has no port on this machine."""
    from mlops.cluster.site import KFP_NAMESPACE, NAMESPACE

    kubectl = f"kubectl --context {site.settings.context}"
    services = {
        "ml-pipeline-ui": ("pipelines", f"{kubectl} -n {KFP_NAMESPACE} port-forward svc/ml-pipeline-ui 18080:80"),
        "model-server": ("server", f"{kubectl} -n {NAMESPACE} port-forward svc/model-server 18501:8501"),
    }
    for service, (title, command) in services.items():
        click.echo(f"{title:<10} {urls.get(service) or command}")
