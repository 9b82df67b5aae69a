"""What `mlops serve` lets be set of limits and of clients: the options, and what they mean."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.errors import UsageError
from core.store import Store

if TYPE_CHECKING:
    from serving.http.policy import Policy
    from serving.launch import Plan
    from serving.limits import Limits
    from serving.prediction_log.settings import LogSettings
    from serving.processes.recycling import Recycling

_Command = TypeVar("_Command", bound=Callable[..., Any])
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Size(click.ParamType[int]):
    """A number of bytes, such as 4MiB."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number and its unit."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,11})(KiB|MiB|GiB|)", value, re.ASCII)
        if found is None:
            self.fail(f"wanted bytes such as 1048576, 512KiB or 4MiB, got {value!r}", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option(
        "--grpc-port",
        type=click.IntRange(1, 65535),
        help="Also answer TensorFlow Serving's gRPC calls, at this port; 8500 is usual.",
    ),
    click.option("--max-body", type=Size(), default="4MiB", show_default=True, help="Largest body of a request."),
    click.option(
        "--max-rows", type=click.IntRange(1, 1_000_000), default=4096, show_default=True, help="Most rows of a request."
    ),
    click.option(
        "--max-explain-rows",
        type=click.IntRange(1, 10_000),
        default=32,
        show_default=True,
        help="Most rows of a request for explanations, each of which takes some thousand evaluations of the model.",
    ),
    click.option(
        "--max-connections",
        type=click.IntRange(1, 100_000),
        default=1024,
        show_default=True,
        help="Most connections of a worker; one more is answered 503.",
    ),
    click.option(
        "--request-memory",
        type=Size(),
        default="512MiB",
        show_default=True,
        help="Most memory of a worker for requests, counted as 64 times the bytes of each body; beyond it 503.",
    ),
    click.option(
        "--answer-seconds",
        type=click.FloatRange(0.01, 3600),
        default=30.0,
        show_default=True,
        help="Longest time from the whole request to its answer; beyond it 503 or 504.",
    ),
    click.option("--access-log", default="", metavar="FILE", help="Write one JSON line per request; - is the output."),
    click.option(
        "--token-file",
        type=_FILE,
        help="Answer only requests with `Authorization: Bearer` and a token of this file, one a line, or of the "
        "variable MLOPS_SERVE_TOKEN.",
    ),
    click.option("--open-metrics", is_flag=True, help="Metrics need no token; health and readiness never do."),
    click.option(
        "--tls-cert", type=_FILE, help="Serve HTTPS with this certificate chain (PEM), followed as it changes."
    ),
    click.option("--tls-key", type=_FILE, help="Its key (PEM, without a password)."),
    click.option(
        "--allow-origin",
        multiple=True,
        metavar="ORIGIN",
        help="Let web pages of this origin, such as https://app.example, read answers (CORS); * is all. Repeatable.",
    ),
)

_LOG_OPTIONS = (
    click.option(
        "--prediction-log",
        is_flag=True,
        help="Log the features and the prediction of each row that is answered, in the store's predictions/MODEL/DAY.",
    ),
    click.option(
        "--prediction-log-rate",
        type=click.FloatRange(0, 1, min_open=True),
        default=1.0,
        show_default=True,
        help="The share that is logged; the same request id, or key, is always in it or never.",
    ),
    click.option(
        "--prediction-log-key",
        multiple=True,
        metavar="FEATURE",
        help="A feature that is (part of) the key that labels are joined by; default: the request id and the row. "
        "Repeatable.",
    ),
    click.option(
        "--prediction-log-secret",
        type=_FILE,
        help="The file with the secret that personal features are hashed with; or the variable "
        "MLOPS_PREDICTION_LOG_SECRET.",
    ),
    click.option(
        "--prediction-log-memory",
        type=Size(),
        default="32MiB",
        show_default=True,
        help="Most memory of a worker for answers that wait to be logged; more are dropped and counted.",
    ),
    click.option(
        "--prediction-log-file",
        type=Size(),
        default="16MiB",
        show_default=True,
        help="Size at which a file is left, to be finished; the finished one is about four times as large.",
    ),
    click.option(
        "--prediction-log-seconds",
        type=click.FloatRange(1, 86400),
        default=300.0,
        show_default=True,
        help="Age at which a file is left, to be finished.",
    ),
    click.option(
        "--prediction-log-days", type=click.IntRange(1, 36500), help="Days before today that are kept; default: all."
    ),
    click.option("--prediction-log-bytes", type=Size(), help="Most bytes of a model's log; default: no bound."),
)

_RECYCLING_OPTIONS = (
    click.option(
        "--recycle-growth",
        type=click.FloatRange(1, min_open=True),
        default=1.10,
        show_default=True,
        help="A worker whose share of memory has grown by this factor since its start gives way to a fresh one.",
    ),
    click.option(
        "--recycle-loads",
        type=click.IntRange(1),
        default=500,
        show_default=True,
        help="So does a worker that has loaded this many versions.",
    ),
)


def recycling_options(command: _Command) -> _Command:
    """Add the options for replacing workers to a command."""
    for option in reversed(_RECYCLING_OPTIONS):
        command = option(command)
    return command


def client_options(command: _Command) -> _Command:
    """Add the options to a command, in the order above."""
    for option in reversed((*_OPTIONS, *_LOG_OPTIONS)):
        command = option(command)
    return command


def given(context: click.Context) -> list[str]:
    """Return those of the options that the command line has, and the token's variable."""
    names = [parameter.name or "" for parameter in context.command.params[-len(_OPTIONS) - len(_LOG_OPTIONS) :]]
    flags = [
        f"--{name.replace('_', '-')}"
        for name in names
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]
    return [*flags, *(["MLOPS_SERVE_TOKEN"] if os.environ.get("MLOPS_SERVE_TOKEN") else [])]


def recycling(settings: Mapping[str, Any]) -> "Recycling":
    """Return when a worker gives way to a fresh one."""
    from serving.processes.recycling import Recycling

    return Recycling(settings["recycle_growth"], settings["recycle_loads"])


def plan(store: Store, names: tuple[str, ...], workers: int, settings: Mapping[str, Any]) -> "Plan":
    """Return what is served, and how; UsageError for settings that contradict each other."""
    from artifacts.prediction_log import names as log_names
    from serving.launch import Plan

    environment = settings["environment"]
    return Plan(
        f"env://{environment}@{store.objects or store.root}" if environment else store.registry,
        store.root / "serving",
        names,
        workers,
        settings["drain"],
        poll_seconds=settings["poll"],
        limits=limits(settings),
        policy=policy(settings, prediction_log(settings, store.root / log_names.ROOT)),
        recycling=recycling(settings),
    )


def limits(settings: Mapping[str, Any]) -> "Limits":
    """Return the limits that were asked for; UsageError when they contradict each other."""
    from serving.limits import Limits

    body, memory = settings["max_body"], settings["request_memory"]
    least = body * Limits.expansion
    if memory < least:
        raise UsageError(
            f"--max-body {body}: parsing it may take {Limits.expansion} times its bytes; wanted --request-memory "
            f"{-(-least >> 20)}MiB or more with it, got {memory >> 20}MiB"
        )
    return Limits(
        body_bytes=body,
        memory_bytes=memory,
        rows=settings["max_rows"],
        explain_rows=settings["max_explain_rows"],
        connections=settings["max_connections"],
        answer_seconds=settings["answer_seconds"],
    )


def prediction_log(settings: Mapping[str, Any], folder: Path) -> "LogSettings | None":
    """Return how predictions are logged below a folder, None for not at all; UsageError for options without the log."""
    from artifacts.prediction_log.rotation import Rotation
    from serving.prediction_log.settings import LogSettings, Retention, read_secret

    if not settings["prediction_log"]:
        options = ("rate", "key", "secret", "days", "bytes")
        given = [option for option in options if settings[f"prediction_log_{option}"] not in (None, (), 1.0)]
        if given:
            raise UsageError(f"--prediction-log-{given[0]}: nothing is logged; wanted --prediction-log with it")
        return None
    return LogSettings(
        folder,
        settings["prediction_log_rate"],
        settings["prediction_log_key"],
        read_secret(settings["prediction_log_secret"]),
        settings["prediction_log_memory"],
        Rotation(settings["prediction_log_file"], settings["prediction_log_seconds"]),
        Retention(settings["prediction_log_days"] or 0, settings["prediction_log_bytes"] or 0),
    )


def policy(settings: Mapping[str, Any], prediction_log: "LogSettings | None") -> "Policy":
    """Return how clients are treated; UsageError when tokens, certificate, origins or log cannot be used."""
    from serving.http.access_log import check_writable
    from serving.http.bearer import Tokens
    from serving.http.policy import Policy, TlsFiles

    certificate, key = settings["tls_cert"], settings["tls_key"]
    if (certificate is None) != (key is None):
        raise UsageError("wanted both --tls-cert and --tls-key, or none of them, got one")
    found = Policy(
        token=os.environ.get("MLOPS_SERVE_TOKEN", ""),
        token_file=settings["token_file"],
        open_metrics=settings["open_metrics"],
        origins=settings["allow_origin"],
        tls=TlsFiles(certificate, key) if certificate is not None and key is not None else None,
        access_log=settings["access_log"],
        prediction_log=prediction_log,
    )
    if found.open_metrics and not (found.token or found.token_file):
        raise UsageError("--open-metrics: without a token everything is open; wanted --token-file or MLOPS_SERVE_TOKEN")
    # Tried here, where a mistake ends the command; the workers read the files again.
    Tokens(found.token, found.token_file)
    if found.tls is not None:
        found.tls.context()
    check_writable(found.access_log)
    return found
