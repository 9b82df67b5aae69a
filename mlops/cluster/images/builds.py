"""One build of an image: its context, its command line, and hints for a failure."""

import io
import re
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.build_context import CERTIFICATES, files
from core.errors import UsageError
from core.images import BASE
from core.user_code import ROOT
from mlops.cluster.errors import CommandFailed
from mlops.cluster.programs.commands import Commands, command_text, die_with_parent
from mlops.cluster.settings import Variable, format_duration

VARIABLES = (
    Variable(
        "MLOPS_IMAGE_INDEX",
        "",
        "the package index that builds install from; not set: that of the base image, else the public one",
    ),
    Variable(
        "MLOPS_IMAGE_DEBIAN",
        "",
        "the Debian mirror that the tfx image's build takes its compiler from; not set: that of the base image",
    ),
    Variable("MLOPS_IMAGE_UV", "", "the version of uv that installs; not set: as in the Dockerfile"),
    Variable(
        "MLOPS_IMAGE_CA_BUNDLE",
        "",
        "a file of certificates that builds trust, for a proxy that has its own; no image keeps it",
    ),
    Variable("MLOPS_IMAGE_NETWORK", "", "the network that builds run in, such as host; not set: Docker's default"),
    Variable(
        "MLOPS_IMAGE_REGISTRY",
        "",
        "the registry whose digests `mlops compile` and `mlops submit` put into pipelines; not set: local content tags",
    ),
)
"""Every variable about images; for another base image set MLOPS_IMAGE_OVERRIDES=python:3.11-slim=OTHER."""

_ARGUMENTS = {
    "PACKAGE_INDEX": "MLOPS_IMAGE_INDEX",
    "DEBIAN_MIRROR": "MLOPS_IMAGE_DEBIAN",
    "UV_VERSION": "MLOPS_IMAGE_UV",
}
_PROXIES = [name for word in ("http_proxy", "https_proxy", "no_proxy") for name in (word, word.upper())]
_LAST_LINES = 12
_HINTS = {
    r"no space left on device": (
        "free disk where Docker keeps its data (docker system df; docker image prune), then build again: "
        "finished layers are kept"
    ),
    r"certificate|UnknownIssuer|SSLError": (
        "if a proxy has certificates of its own, name their file in MLOPS_IMAGE_CA_BUNDLE"
    ),
    r"resolve|resolution|Network is unreachable|Connection refused|timed out|dns error|Failed to fetch": (
        "the build cannot reach a package index: "
        "try MLOPS_IMAGE_NETWORK=host, MLOPS_IMAGE_INDEX, or http_proxy and https_proxy"
    ),
}
"""Pattern in a failed build's last lines -> what to do."""


def context(environment: Mapping[str, str], root: Path = ROOT) -> bytes:
    """Return a tar archive of the files that images are built from, and of the certificates.

    Equal files give equal bytes: no times, owners or modes. Raises UsageError when MLOPS_IMAGE_CA_BUNDLE is no file.
    """
    packed = io.BytesIO()
    contents = {name: root / name for name in files(root)}
    if bundle := environment.get("MLOPS_IMAGE_CA_BUNDLE"):
        contents[CERTIFICATES] = Path(bundle).expanduser()
        if not contents[CERTIFICATES].is_file():
            raise UsageError(
                f"MLOPS_IMAGE_CA_BUNDLE: wanted a file of certificates, got {bundle}, which does not exist"
            )
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in sorted(contents.items()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def command(
    target: str, reference: str, base: str, labels: Mapping[str, str], environment: Mapping[str, str]
) -> list[str]:
    """Return the command line that builds one target from a context on its standard input."""
    arguments = {argument: environment.get(variable, "") for argument, variable in _ARGUMENTS.items()}
    arguments["BASE_IMAGE"] = "" if base == BASE else base
    argv = ["docker", "build", "--target", target, "--tag", reference]
    for argument, value in arguments.items():
        if value:
            argv += ["--build-arg", f"{argument}={value}"]
    for name in _PROXIES:
        if environment.get(name):
            argv += ["--build-arg", name]  # docker reads the value, which may hold a password, from its environment
    for label, value in labels.items():
        if value:
            argv += ["--label", f"{label}={value}"]
    if network := environment.get("MLOPS_IMAGE_NETWORK"):
        argv += ["--network", network]
    return [*argv, "-"]


def run(commands: Commands, argv: Sequence[str], packed: bytes, seconds: float, on_line: Callable[[str], None]) -> None:
    """Run a build to its end, with the context `packed` on its standard input; `on_line` gets every line of output.

    Raises CommandFailed, with the last lines and a hint, when it fails or is not done after `seconds`.
    """
    last: list[str] = []
    late = threading.Event()
    with tempfile.TemporaryFile() as sent:
        sent.write(packed)
        sent.seek(0)
        with subprocess.Popen(  # noqa: S603 - argv, never a shell line
            list(argv),
            stdin=sent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**commands.environment, "BUILDKIT_PROGRESS": "plain"},
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl, no lock is touched
        ) as process:
            assert process.stdout is not None
            alarm = threading.Timer(seconds, _stop, (process, late))
            alarm.start()
            for line in map(_plain, process.stdout):
                last = [*last, line][-_LAST_LINES:] if line else last
                on_line(line)
            alarm.cancel()
    if late.is_set():
        raise CommandFailed(
            f"`{command_text(argv)}` was not done after {format_duration(seconds)}; "
            "build again to continue: finished layers are kept"
        )
    if process.returncode:
        text = "\n".join(last)
        raise CommandFailed(
            f"`{command_text(argv)}` ended with {process.returncode}; its last lines:\n{text}{_hint(text)}", text
        )


def _stop(process: "subprocess.Popen[str]", late: threading.Event) -> None:
    late.set()
    process.terminate()


def _plain(line: str) -> str:
    """Remove the colours that builds write."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line).strip()


def _hint(text: str) -> str:
    return next((f"\n{hint}" for pattern, hint in _HINTS.items() if re.search(pattern, text, re.IGNORECASE)), "")
