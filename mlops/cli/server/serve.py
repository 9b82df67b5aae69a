"""`mlops serve`: the models in production, behind TensorFlow Serving's REST calls."""

import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from core.errors import RegistryError, UsageError
from mlops.cli.server import settings as serve_settings
from mlops.cli.server import vertex as serve_vertex

if TYPE_CHECKING:
    from serving.launch import Plan


@click.command()
@click.argument("usecases", metavar="USECASE...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Serve every model that is in production, also those to come.")
@click.option(
    "--wait", is_flag=True, help="Start without a model in production; /readyz names what is missing until it exists."
)
@click.option("--environment", default="", metavar="ENV", help="Serve the models of the releases that ENV runs.")
@click.option(
    "--engine",
    type=click.Choice(["mlops", "tensorflow_serving"]),
    default="mlops",
    show_default=True,
    help="The server: this program, or TensorFlow Serving's binary.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; 0.0.0.0 is every one of this machine.",
)
@click.option("--port", type=click.IntRange(0, 65534), default=8501, show_default=True, help="0 takes a free one.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Worker processes; one that dies is replaced.",
)
@click.option(
    "--drain",
    type=click.FloatRange(0, 3600),
    default=1.0,
    show_default=True,
    help="Seconds after SIGTERM in which requests are still taken.",
)
@click.option(
    "--poll",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two polls of an object store.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the log as JSON lines.")
@click.option("--vertex", is_flag=True, help="Serve in a container of Vertex AI: its AIP_* variables say what.")
@click.option("--digest", default="", metavar="sha256:...", help="With --vertex: the model that must be served.")
@serve_settings.recycling_options
@serve_settings.client_options
@click.pass_context
def serve(
    context: click.Context,
    /,
    *,
    usecases: tuple[str, ...],
    every: bool,
    wait: bool,
    engine: str,
    host: str,
    port: int,
    workers: int,
    as_json: bool,
    **settings: Any,
) -> None:
    """Answer TensorFlow Serving's REST calls with each USECASE's model in production, and follow it as it moves.

    POST /v1/models/USECASE:predict, GET /v1/models/USECASE, /healthz, /readyz, /metrics. Ctrl-C or SIGTERM finishes
    what runs, a second one does not wait for it. With tensorflow_serving, health and metrics are on the port above, and
    gRPC on the port below; limits, tokens, TLS, CORS and the logs of accesses and predictions are those of mlops.
    """
    from pipelines.config import find, load
    from serving import launch
    from serving.http.listener import listen
    from serving.processes import process

    if settings["vertex"]:
        serve_vertex.serve(context, workers, settings, as_json=as_json)
        return
    if settings["digest"]:
        raise UsageError("--digest: wanted --vertex with it; elsewhere the registry says which model is served")
    if bool(usecases) == every:
        raise UsageError("wanted use cases or --all, and not both: `mlops serve flight_delay` serves one")
    if engine == "tensorflow_serving":
        _check_for_tensorflow_serving(context, host, port)
    named = {loaded.name: loaded.cli_name for loaded in (load(find(usecase)) for usecase in usecases)}
    plan = serve_settings.plan(context.obj, tuple(named), workers, settings)
    champions = {} if wait else _champions(plan, named)
    listener = listen(host, port)
    if settings["grpc_port"] is not None:
        plan = _with_grpc(plan, host, settings["grpc_port"])
    process.log_to(sys.stderr, as_json=as_json)
    bound = _announce(plan, listener, named, champions)
    if engine == "mlops":
        launch.serve_with_workers(plan, listener)
    else:
        listener.close()  # opening it showed that the port is free
        launch.serve_with_tensorflow_serving(plan, bound)


def _check_for_tensorflow_serving(context: click.Context, host: str, port: int) -> None:
    """Refuse what TensorFlow Serving's binary cannot do: UsageError."""
    if host != "0.0.0.0" or port < 2:  # noqa: S104 - compared, not bound
        raise UsageError(
            "engine tensorflow_serving listens on every address, at a given port: wanted --host 0.0.0.0 and --port"
        )
    if unknown := serve_settings.given(context):
        raise UsageError(
            f"engine tensorflow_serving takes none of {', '.join(unknown)}: wanted --engine mlops with them"
        )


def _with_grpc(plan: "Plan", host: str, port: int) -> "Plan":
    """Let each worker answer gRPC at a port; UsageError when it is not free."""
    from serving.http.listener import listen

    listen(host, port).close()
    return replace(plan, grpc_address=f"{f'[{host}]' if ':' in host else host}:{port}")


def _announce(plan: "Plan", listener: socket.socket, named: Mapping[str, str], champions: Mapping[str, str]) -> int:
    """Print the address of each model, and return the port."""
    address, bound = listener.getsockname()[:2]
    origin = f"{'https' if plan.policy.tls else 'http'}://{f'[{address}]' if ':' in address else address}:{bound}"
    for name in champions or named or ("NAME",):
        known = f"version {champions[name]}; " if name in champions else ""
        click.echo(f"{origin}/v1/models/{name}  ({known}Ctrl-C stops)")
    return int(bound)


def _champions(plan: "Plan", named: Mapping[str, str]) -> dict[str, str]:
    """Return the version in production of each model; RegistryError when a named model, or every model, has none.

    `named` maps a model to how the command line names its use case.
    """
    from serving.launch import locate

    registry = locate(plan).registry
    found = {name: registry.pointer(name) for name in plan.names or registry.names()}
    for name in plan.names:
        if found[name] is None:
            raise RegistryError(
                f"{name} has no model in production yet: run `mlops run {quote(named[name])}` first, "
                "or start with --wait"
            )
    champions = {name: str(pointer) for name, pointer in found.items() if pointer is not None}
    if not champions:
        raise RegistryError(
            f"{plan.registry} has no model in production yet: run `mlops run flight_delay` first, or start with --wait"
        )
    return champions
