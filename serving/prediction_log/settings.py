"""How predictions are logged; nothing is unless this is given."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artifacts.prediction_log.rotation import Rotation
from core.errors import UsageError

SECRET_VARIABLE = "MLOPS_PREDICTION_LOG_SECRET"  # noqa: S105 - the variable's name
_SHORTEST_SECRET = 16


@dataclass(frozen=True)
class Retention:
    """What stays; the oldest days and files go first."""

    days: int = 0
    """Days before today that are kept; 0 keeps all."""
    total_bytes: int = 0
    """Most bytes of a model's finished files; 0 is no bound."""


@dataclass(frozen=True)
class LogSettings:
    """The prediction log of a server."""

    folder: Path
    """It gets a folder for each model."""
    rate: float = 1.0
    """Share of the requests, or of the keys if there are key columns, that is logged."""
    key_columns: tuple[str, ...] = ()
    """Features whose values are a row's key; without them the key is `<request id>/<row>`."""
    secret: bytes = field(default=b"", repr=False)
    """The key of the hashes of personal features; without it they are left out."""
    queue_bytes: int = 32 << 20
    """Most memory of answers that wait to be written, per process; further ones are dropped and counted."""
    rotation: Rotation = field(default_factory=Rotation)
    retention: Retention = field(default_factory=Retention)


def read_secret(file: Path | None, environment: Mapping[str, str] = os.environ) -> bytes:
    """Read the secret from a file, or else from MLOPS_PREDICTION_LOG_SECRET; UsageError when it is too short."""
    place, content = SECRET_VARIABLE, environment.get(SECRET_VARIABLE, "").encode()
    if file is not None:
        place = str(file)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file}: wanted the secret of the prediction log, got {error.strerror}") from None
    secret = content.strip()
    if (file is not None or secret) and len(secret) < _SHORTEST_SECRET:
        raise UsageError(
            f"{place}: wanted a secret of at least {_SHORTEST_SECRET} bytes, got {len(secret)}; "
            "`openssl rand -hex 32` makes one"
        )
    return secret
