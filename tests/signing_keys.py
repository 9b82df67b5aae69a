"""Pairs of keys for signatures of model versions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class KeyPair:
    """The files of a private key and of its public key, as openssl writes them."""

    private: Path
    public: Path

    @classmethod
    def made(cls, folder: Path, name: str) -> Self:
        key = Ed25519PrivateKey.generate()
        pair = cls(folder / f"{name}.pem", folder / f"{name}.pub.pem")
        pair.private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        pair.public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return pair
