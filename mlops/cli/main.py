"""`mlops`: the command line; every verb has a file of its own, imported only when it is called."""

import importlib
import json
import os
import sys
from typing import Any

import click

from adapters.quiet import quiet_libraries
from core.errors import MlopsError, did_you_mean
from core.store import Store
from mlops.cli.interrupt import ctrl_c_ends_imports

VERBS = {
    "card": ("mlops.cli.trust.card:card", "Show the model card and the data card of a version, in the form you need."),
    "cloud": ("mlops.cli.cloud:cloud", "Bring an environment on Google Cloud up and down, with Terraform."),
    "cluster": ("mlops.cli.machine.cluster:cluster", "Bring Kubeflow Pipelines up and down on this machine, in kind."),
    "compile": ("mlops.cli.compile:compile_", "Compile a pipeline of a use case to a KFP file."),
    "compress": ("mlops.cli.experiments.compress:compress", "Compress a model; compare sizes, latencies and quality."),
    "data": ("mlops.cli.data:data", "Push data to an object store, delete rows by key, search for personal data."),
    "distill": (
        "mlops.cli.experiments.distill:distill",
        "Train a small model of a use case on a better one's predictions.",
    ),
    "doctor": ("mlops.cli.machine.doctor:doctor", "Check this machine and the store; print a fix for each problem."),
    "endpoint": (
        "mlops.cli.vertex.endpoint:endpoint",
        "Deploy models behind a Vertex AI endpoint; move its traffic.",
    ),
    "explain": ("mlops.cli.trust.explain:explain", "Explain the prediction of a row with the model in production."),
    "features": ("mlops.cli.features:features", "Show and apply the features that a run selected."),
    "images": ("mlops.cli.machine.images:images", "Build, list and push the container images."),
    "label": ("mlops.cli.labels.command:label", "Label rows with people: queue, export, import, serve."),
    "learn": ("mlops.cli.learning.learn:learn", "List the thirty days, and run one with its explanation."),
    "models": ("mlops.cli.models:models", "List, show, push and roll back model versions."),
    "monitor": (
        "mlops.cli.production.monitor:monitor",
        "Watch the model in production: data, predictions, live metrics.",
    ),
    "new": ("mlops.cli.new:new", "Write the folder of a new use case from a CSV or Parquet file."),
    "pipelines": ("mlops.cli.changes.pipelines:pipelines", "List, compile and compare pipelines."),
    "predict": ("mlops.cli.predict:predict", "Predict the rows of a file with the model in production."),
    "predictions": ("mlops.cli.production.predictions:predictions", "List the days of the prediction log."),
    "pull-request": ("mlops.cli.changes.pull_request:pull_request", "Say on a pull request what it changes."),
    "release": ("mlops.cli.releases.verbs:release", "Create releases, and promote them between environments."),
    "run": ("mlops.cli.run:run", "Run a pipeline of a use case on this machine."),
    "runs": ("mlops.cli.runs:runs", "List, show, compare, export, follow, cancel and resume runs."),
    "score": ("mlops.cli.trust.score:score", "Score a use case by the ML Test Score, each row from evidence."),
    "search": ("mlops.cli.experiments.search:search", "Compare families of models for a use case."),
    "schema": ("mlops.cli.schema:schema", "Show the curated schema, or propose one from data."),
    "schedule": ("mlops.cli.schedule:schedule", "Retrain a use case on a cluster, on a schedule."),
    "serve": ("mlops.cli.server.serve:serve", "Answer TensorFlow Serving's REST calls with the model in production."),
    "status": ("mlops.cli.status:status", "Show what is in production, what ran, what runs next, and alarms."),
    "trigger": ("mlops.cli.trigger:trigger", "Start runs from facts: new data, schedules, drift, changed code."),
    "tune": ("mlops.cli.experiments.tune:tune", "Search hyperparameters, and compare the best with those in use."),
    "verify": ("mlops.cli.trust.verify:verify", "Check a run, model, release or exported run against its digests."),
    "submit": ("mlops.cli.submit:submit", "Submit a pipeline of a use case to a cluster."),
    "workers": ("mlops.cli.machine.workers:workers", "List and stop the warm workers that wait for the next run."),
}
"""Verb -> (module:command, the help line); the help line is here so that `--help` imports nothing."""


class LazyGroup(click.Group):
    """A group of verbs that imports a verb only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in order."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module; an unknown verb is an error that names the nearest one."""
        if cmd_name not in VERBS:
            ctx.fail(f"no verb {cmd_name!r}{did_you_mean(cmd_name, VERBS)}")
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the verbs with their help lines, without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in sorted(VERBS.items())])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Bring a machine-learning model into production.

    Returns 0 when done, 1 when something failed, 2 for wrong arguments or files, 3 when a gate is closed.
    """
    ctx.obj = Store.of(os.environ)


def print_json(value: Any) -> None:
    """Print a value as JSON; ValueError for NaN and infinities."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def main() -> None:
    """Run the command line; an error that the user can fix is printed as one message, without a traceback."""
    quiet_libraries()
    try:
        with ctrl_c_ends_imports():
            cli(prog_name="mlops")
    except MlopsError as error:
        click.secho(f"error: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        click.secho(
            f"error: {error.filename}: {error.strerror}; the store is {Store.of(os.environ).root} (MLOPS_HOME)",
            fg="red",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
