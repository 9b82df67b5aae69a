"""`mlops serve`: the model in production, behind TensorFlow Serving's REST calls."""

import sys

import click

from mlops.core.store import Store


@click.command()
@click.argument("usecases", metavar="USECASE...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 is every one of this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=8501, show_default=True, help="0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that answer; one that dies is replaced.")
@click.option("--json", "as_json", is_flag=True, help="Write the log as JSON lines.")
@click.pass_obj
def serve(store: Store, *, usecases: tuple[str, ...], host: str, port: int, workers: int, as_json: bool) -> None:
    """Answer TensorFlow Serving's REST calls with each USECASE's model in production, and follow it as it moves.

    POST /v1/models/USECASE:predict, GET /v1/models/USECASE, /healthz, /readyz, /metrics. SIGTERM finishes what runs.
    """
    from mlops.core.backends.registry import open_registry
    from mlops.core.errors import RegistryError
    from mlops.serving import process, supervisor
    from mlops.serving.listener import listen
    from pipelines.config import find, load

    names = tuple(dict.fromkeys(load(find(usecase)).name for usecase in usecases))
    registry = open_registry(str(store.models))
    for name in names:
        if registry.pointer(name) is None:
            raise RegistryError(f"{name} has no model in production yet: run `mlops run {name}` first")
    listener = listen(host, port)
    address, bound = listener.getsockname()[:2]
    process.quiet_tensorflow()
    process.log_to(sys.stderr, as_json=as_json)
    for name in names:
        click.echo(f"http://{f'[{address}]' if ':' in address else address}:{bound}/v1/models/{name}  (version {registry.pointer(name)}; Ctrl-C stops)")
    sys.stdout.flush()
    supervisor.serve_registry(listener, store.models, names, supervisor.Crew(workers=workers), store.root / "serving")
