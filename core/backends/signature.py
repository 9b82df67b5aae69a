"""Signatures of model versions: whose key published one, checked before a version is loaded.

A manifest's seal finds accidents, but whoever can write the registry can seal again. A signature takes a private key,
which the registry does not have.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core import digest
from core.errors import RegistryError, Untrusted, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNING_KEY = "MLOPS_SIGNING_KEY"
"""Variable with the path of the private key (Ed25519, PEM) that signs what is published."""
TRUSTED_KEYS = "MLOPS_TRUSTED_KEYS"
"""Variable with the path of the public keys (Ed25519, PEM, one after the other) whose versions may be loaded."""
MAKE = "openssl genpkey -algorithm ed25519 -out FILE"
_PURPOSE = b"mlops model version 1\n"
"""Signed before the seal, so that a signature of the same key for something else is none for a model."""
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----")


@dataclass(frozen=True)
class Signature:
    """A signature of a manifest's seal, and the digest of the public key that it is checked with."""

    key: str
    value: str
    """In base64."""


def sign(seal: str, environment: Mapping[str, str] = os.environ) -> Signature | None:
    """Sign a seal with the key that MLOPS_SIGNING_KEY names; None where it names none, UsageError for another file."""
    path = environment.get(SIGNING_KEY, "")
    if not path:
        return None
    private = _private_key(Path(path))
    return Signature(_name(private.public_key()), base64.b64encode(private.sign(_PURPOSE + seal.encode())).decode())


def demand(signature: Signature | None, seal: str, where: str, environment: Mapping[str, str] = os.environ) -> None:
    """Check the signature of the version at `where`, where MLOPS_TRUSTED_KEYS demands one.

    Raises Untrusted when it is missing, of another key or of another seal; UsageError when the file has no keys.
    """
    path = environment.get(TRUSTED_KEYS, "")
    if not path:
        return
    wanted = f"{where}: wanted a version signed with a key of {path} ({TRUSTED_KEYS})"
    trusted = _trusted_keys(Path(path))
    if signature is None:
        raise Untrusted(f"{wanted}, got one without a signature; sign it: mlops models sign NAME VERSION")
    key = trusted.get(signature.key)
    if key is None:
        raise Untrusted(f"{wanted}, got one signed with {signature.key}")
    if not _fits(key, signature, seal):
        raise Untrusted(f"{wanted}, got a signature of another manifest: it was changed after it was signed")


def check_can_publish(environment: Mapping[str, str] = os.environ) -> None:
    """Raise RegistryError where signatures are demanded and what is published here would have none that is trusted."""
    trusted, signing = environment.get(TRUSTED_KEYS, ""), environment.get(SIGNING_KEY, "")
    if not trusted:
        return
    if not signing:
        raise RegistryError(
            f"{TRUSTED_KEYS} demands signatures: wanted the key to sign with in {SIGNING_KEY}, got none; "
            "set it, or publish without the demand and sign with `mlops models sign`"
        )
    if _name(_private_key(Path(signing)).public_key()) not in _trusted_keys(Path(trusted)):
        raise RegistryError(f"{SIGNING_KEY}={signing}: wanted the private key of one in {trusted}, got another one's")


def _private_key(path: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - most never sign
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{SIGNING_KEY}={path}: wanted a private key as PEM, got {error}; {MAKE}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{SIGNING_KEY}={path}: wanted an Ed25519 key, got another kind; {MAKE}")
    return key


def _trusted_keys(path: Path) -> dict[str, "Ed25519PublicKey"]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        keys = [load_pem_public_key(block) for block in _PUBLIC.findall(path.read_bytes())]
    except (OSError, ValueError) as error:
        raise UsageError(f"{TRUSTED_KEYS}={path}: wanted public keys as PEM, got {error}") from None
    found = {_name(key): key for key in keys if isinstance(key, Ed25519PublicKey)}
    if not found or len(found) != len(keys):
        raise UsageError(
            f"{TRUSTED_KEYS}={path}: wanted different Ed25519 public keys as PEM, got {len(found)} of {len(keys)}; "
            "openssl pkey -in KEY -pubout"
        )
    return found


def _name(key: "Ed25519PublicKey") -> str:
    return digest.of_bytes(key.public_bytes_raw())


def _fits(key: "Ed25519PublicKey", signature: Signature, seal: str) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above

    try:
        key.verify(base64.b64decode(signature.value, validate=True), _PURPOSE + seal.encode())
    except (InvalidSignature, binascii.Error):
        return False
    return True
