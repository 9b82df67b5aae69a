"""`mlops serve --vertex`: the model server as Vertex AI runs it behind an endpoint."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from core.errors import UsageError
from mlops.cli.server import settings as serve_settings

_CLIENTS = ("grpc_port", "token_file", "tls_cert", "tls_key", "allow_origin")
"""Options for clients that reach the server directly; behind an endpoint none does."""
_GIVEN = ("usecases", "every", "wait", "environment", "engine", "host", "port")


def serve(context: click.Context, workers: int, settings: Mapping[str, Any], *, as_json: bool) -> None:
    """Serve the version that the service copied for this container, until SIGTERM.

    The port is open at once, as the service looks for it first; readiness follows when the model is loaded.
    """
    from serving import launch
    from serving.http.listener import listen
    from serving.processes import process
    from serving.vertex_container import BODY_BYTES, Contract, fetch

    _check(context, settings)
    contract = Contract.of(os.environ)
    chosen = settings if _is_given(context, "max_body") else {**settings, "max_body": BODY_BYTES}
    plan = serve_settings.plan(context.obj, (), workers, chosen)
    process.log_to(sys.stderr, as_json=as_json)
    listener = listen("0.0.0.0", contract.port)  # noqa: S104 - the service connects from outside of the container
    folder = plan.scratch / "vertex"
    version = fetch(contract, folder, settings["digest"])
    click.echo(
        f"0.0.0.0:{contract.port}{contract.predict_route}  ({version.name} version {version.version}, {version.digest})"
    )
    plan = replace(
        plan,
        registry=str(folder),
        names=(version.name,),
        limits=replace(plan.limits, answer_bytes=plan.limits.body_bytes),
        policy=replace(plan.policy, routes=contract.routes(version.name)),
    )
    launch.serve_with_workers(plan, listener)


def _check(context: click.Context, settings: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing behind an endpoint: UsageError."""
    for name in (*_GIVEN, *_CLIENTS):
        if _is_given(context, name):
            option = {"usecases": "USECASE", "every": "--all"}.get(name, f"--{name.replace('_', '-')}")
            raise UsageError(f"--vertex: Vertex AI chooses model, address and who may ask; wanted no {option} with it")
    if os.environ.get("MLOPS_SERVE_TOKEN"):
        raise UsageError("--vertex: Vertex AI passes no token on to the container; unset MLOPS_SERVE_TOKEN")
    if settings["digest"] and not settings["digest"].startswith("sha256:"):
        raise UsageError(f"--digest: wanted sha256:<64 hex digits>, got {settings['digest']!r}")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
