"""Who may send events: holders of a shared secret, or Google accounts that a token names."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import MlopsError, UsageError

TOLERANCE_SECONDS = 300.0
"""How old a signature may be, or how far ahead, so that a request that was recorded is of no use later."""
_SHORTEST = 24
"""Bytes of the shortest secret."""


class Unauthorized(MlopsError):
    """A request whose sender is not known; the message says what was wanted, and nothing of the secret."""


class Senders(Protocol):
    """Tells who sent a request."""

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """Return the sender's name; Unauthorized for one that is not known. Names of headers are lower-case."""


class Anyone:
    """Everyone who can connect: for the loopback interface, which only this machine reaches."""

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> str:  # noqa: ARG002 - the protocol's
        """Accept the request."""
        return "anyone"


@dataclass(frozen=True)
class SharedSecrets:
    """Signatures as https://www.standardwebhooks.com describes them: HMAC-SHA256 over id, time and body."""

    secrets: Sequence[bytes]
    """Any of them fits, so that a secret can be replaced without a pause."""

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """Return `shared secret`; Unauthorized for a missing, wrong or old signature."""
        message, sent, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
        if not (message and sent and signatures):
            raise Unauthorized("wanted the headers webhook-id, webhook-timestamp and webhook-signature")
        if not (sent.isascii() and sent.isdigit()) or abs(now - int(sent[:15])) > TOLERANCE_SECONDS:
            raise Unauthorized(f"webhook-timestamp: wanted a time within {TOLERANCE_SECONDS:g} s of this machine's")
        valid = [_signature(secret, message, sent, body).encode() for secret in self.secrets]
        # No early end: the time it takes tells nothing of which secret or how much of it fits.
        fits = [hmac.compare_digest(one, given.encode()) for one in valid for given in signatures.split(" ")[:8]]
        if not any(fits):
            raise Unauthorized("webhook-signature: wanted v1,<base64 of the HMAC-SHA256>, got one that does not fit")
        return "shared secret"


@dataclass(frozen=True)
class GoogleAccounts:
    """Tokens that Pub/Sub and Cloud Scheduler put into the Authorization header."""

    audience: str
    emails: frozenset[str]
    verify: Callable[[str, str], Mapping[str, Any]] | None = None
    """Returns a valid token's claims, given the token and the audience, or raises ValueError; None: Google's own."""

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> str:  # noqa: ARG002 - the protocol's
        """Return the account's address; Unauthorized for any other."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("authorization: wanted Bearer and a token")
        try:
            claims = (self.verify or _verified_by_google)(token, self.audience)
        except ValueError:
            raise Unauthorized(f"authorization: wanted a valid token for the audience {self.audience}") from None
        email = str(claims.get("email", ""))
        if claims.get("email_verified") is not True or email not in self.emails:
            raise Unauthorized("authorization: wanted a token of an account that may send, got another's")
        return email


def secrets_in(text: str, where: str) -> tuple[bytes, ...]:
    """Read secrets, one a line, as `whsec_<base64>` or plain; UsageError for none, or for one that is too short."""
    secrets = tuple(_secret(line.strip(), where) for line in text.splitlines() if line.strip())
    if not secrets:
        raise UsageError(f"{where}: wanted a secret, got an empty text; make one with: openssl rand -hex 32")
    return secrets


def signed(secret: bytes, message: str, body: bytes, now: float) -> dict[str, str]:
    """Return the headers that prove to `SharedSecrets` who sends a request."""
    sent = str(int(now))
    return {
        "webhook-id": message,
        "webhook-timestamp": sent,
        "webhook-signature": _signature(secret, message, sent, body),
    }


def _signature(secret: bytes, message: str, sent: str, body: bytes) -> str:
    mac = hmac.digest(secret, f"{message}.{sent}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


def _secret(line: str, where: str) -> bytes:
    secret = line.encode()
    if line.startswith("whsec_"):
        try:
            secret = base64.b64decode(line.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise UsageError(f"{where}: wanted base64 behind whsec_") from None
    if len(secret) < _SHORTEST:
        raise UsageError(f"{where}: wanted a secret of at least {_SHORTEST} bytes; make one with: openssl rand -hex 32")
    return secret


def _verified_by_google(token: str, audience: str) -> Mapping[str, Any]:
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - only where tokens are checked
    from google.auth.transport.requests import Request  # noqa: PLC0415
    from google.oauth2 import id_token  # noqa: PLC0415

    try:
        claims: Mapping[str, Any] = id_token.verify_oauth2_token(token, Request(), audience)
    except GoogleAuthError as error:
        raise ValueError(str(error)) from error
    return claims
