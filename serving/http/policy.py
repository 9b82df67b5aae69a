"""Who may ask the server, over what, and what is recorded of it; all of it is off unless asked for."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import UsageError
from serving.prediction_log.settings import LogSettings

_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class TlsFiles:
    """A certificate with its chain, and its key, as PEM files; read again when they change."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return the settings of a connection; UsageError when the files are no certificate and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self.load_into(context)
        return context

    def read(self) -> tuple[bytes, bytes]:
        """Return the content of both files; OSError when one cannot be read."""
        return self.certificate.read_bytes(), self.key.read_bytes()

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let a context's new connections use the files; UsageError as above."""
        for path in (self.certificate, self.key):
            if not path.is_file():
                raise UsageError(f"{path}: wanted a PEM file for --tls-cert and --tls-key, found none")
        try:
            # The empty password keeps OpenSSL from asking the terminal for that of an encrypted key.
            context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            raise UsageError(
                f"{self.certificate} with {self.key}: wanted a certificate and its unencrypted key as PEM, got {error}"
            ) from None


@dataclass(frozen=True)
class Policy:
    """How a server treats its clients."""

    token: str = ""
    """A bearer token that requests must carry; "" for none."""
    token_file: Path | None = None
    """Holds tokens, one a line, each of which is taken; read again when it changes."""
    open_metrics: bool = False
    """Whether metrics need no token. Health and readiness never need one."""
    origins: tuple[str, ...] = ()
    """Web origins whose pages may read answers, such as https://app.example; `*` for all."""
    tls: TlsFiles | None = None
    access_log: str = ""
    """A file that gets one JSON line per request; `-` for standard output, "" for none."""
    routes: Mapping[str, str] = field(default_factory=dict)
    """Further paths, and the path of this server that each stands for."""
    prediction_log: LogSettings | None = None
    """Where and how answers are logged with the rows that they are for; None for not."""

    def __post_init__(self) -> None:
        """Refuse origins that no browser sends: UsageError."""
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(
                    f"--allow-origin {origin}: wanted scheme, host and port of a web page as browsers send them, "
                    "such as https://app.example, without a path"
                )
