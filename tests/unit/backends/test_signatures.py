"""Where trusted keys are named, a registry returns no version that none of them has signed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core import digest
from core.backends.local_registry import LocalRegistry
from core.backends.signature import SIGNING_KEY, TRUSTED_KEYS, Signature, demand, sign
from core.errors import RegistryError, Untrusted, UsageError
from tests.signing_keys import KeyPair
from tests.unit.backends.registries import Backend, LocalBackend, copy, model


@dataclass
class Keys:
    """The variables of this process, and two pairs of keys."""

    ours: KeyPair
    theirs: KeyPair
    monkeypatch: pytest.MonkeyPatch

    def sign_with(self, path: object) -> None:
        self.monkeypatch.setenv(SIGNING_KEY, str(path))

    def trust(self, path: object) -> None:
        self.monkeypatch.setenv(TRUSTED_KEYS, str(path))

    def none(self) -> None:
        self.monkeypatch.delenv(SIGNING_KEY, raising=False)
        self.monkeypatch.delenv(TRUSTED_KEYS, raising=False)


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    return Keys(KeyPair.made(tmp_path, "ours"), KeyPair.made(tmp_path, "theirs"), monkeypatch)


def resealed(backend: Backend, name: str, **changed: object) -> None:
    """Rewrite a manifest as whoever can write the registry but has no key would: with a seal that fits."""
    body = json.loads(backend.read(name))
    body.pop("seal")
    signature = body.pop("signature", None)
    body |= changed
    body["seal"] = digest.of_bytes(json.dumps(body, sort_keys=True, allow_nan=False).encode())
    backend.write(name, json.dumps(body | ({"signature": signature} if signature else {})).encode())


def test_a_version_signed_by_a_trusted_key_is_returned_as_before(backend: Backend, keys: Keys, tmp_path: Path) -> None:
    keys.sign_with(keys.ours.private)
    signed = backend.registry.publish("m", model(tmp_path / "a"), {"spans": [1]})
    assert signed.signed_by.startswith("sha256:")
    backend.registry.promote("m", 1)
    keys.none()
    assert backend.reopened("unasked").champion("m") is not None
    keys.trust(keys.ours.public)
    found = backend.reopened().champion("m")
    assert found is not None
    assert (found.digest, found.signed_by, found.about) == (signed.digest, signed.signed_by, {"spans": [1]})


def test_a_version_without_a_signature_is_refused_until_it_is_signed(
    backend: Backend, keys: Keys, tmp_path: Path
) -> None:
    published = backend.registry.publish("m", model(tmp_path / "a"), {})
    backend.registry.promote("m", 1)
    assert published.signed_by == ""
    keys.trust(keys.ours.public)
    with pytest.raises(Untrusted, match=r"wanted a version signed with a key of .*ours.pub.pem.*mlops models sign"):
        backend.reopened().champion("m")
    with pytest.raises(UsageError, match="MLOPS_SIGNING_KEY: wanted the path"):
        backend.registry.sign("m", 1)
    keys.sign_with(keys.ours.private)
    signed = backend.registry.sign("m", 1)
    assert (signed.digest, signed.created, signed.about) == (published.digest, published.created, published.about)
    assert backend.registry.sign("m", 1) == signed
    found = backend.reopened().champion("m")
    assert found is not None
    assert found.signed_by == signed.signed_by
    assert backend.registry.problems("m") == []


def test_another_key_or_another_manifest_is_refused(backend: Backend, keys: Keys, tmp_path: Path) -> None:
    keys.sign_with(keys.theirs.private)
    backend.registry.publish("m", model(tmp_path / "a"), {"spans": [1]})
    keys.none()
    keys.trust(keys.ours.public)
    with pytest.raises(Untrusted, match="got one signed with sha256:"):
        backend.reopened().get("m", 1)
    keys.trust(keys.theirs.public)
    assert backend.reopened().get("m", 1).version == 1
    resealed(backend, "m/1/manifest.json", about={"spans": [2]})
    with pytest.raises(Untrusted, match="it was changed after it was signed"):
        backend.reopened().get("m", 1)


def test_a_signature_belongs_to_one_version(backend: Backend, keys: Keys, tmp_path: Path) -> None:
    keys.sign_with(keys.ours.private)
    backend.registry.publish("m", model(tmp_path / "a"), {})
    keys.none()
    copy(backend, "m/1", "m/2")
    resealed(backend, "m/2/manifest.json", version=2)
    assert backend.reopened("unasked").get("m", 2).version == 2, "the seal alone does not find it"
    keys.trust(keys.ours.public)
    with pytest.raises(Untrusted, match="it was changed after it was signed"):
        backend.reopened().get("m", 2)


def test_nothing_is_published_that_nobody_here_would_load(keys: Keys, tmp_path: Path) -> None:
    backend = LocalBackend.at(tmp_path)
    keys.trust(keys.ours.public)
    with pytest.raises(RegistryError, match=r"MLOPS_TRUSTED_KEYS demands signatures.* MLOPS_SIGNING_KEY, got none"):
        backend.registry.publish("m", model(tmp_path / "a"), {})
    keys.sign_with(keys.theirs.private)
    with pytest.raises(RegistryError, match=r"wanted the private key of one in .*ours\.pub\.pem"):
        backend.registry.publish("m", model(tmp_path / "b"), {})
    assert backend.registry.numbers("m") == []
    keys.trust(_both(keys, tmp_path))
    assert backend.registry.publish("m", model(tmp_path / "c"), {}).version == 1


def _both(keys: Keys, folder: Path) -> Path:
    path = folder / "both.pem"
    path.write_bytes(keys.ours.public.read_bytes() + keys.theirs.public.read_bytes())
    return path


def test_a_model_that_was_published_unsigned_is_published_again(keys: Keys, tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "models")
    assert registry.publish("m", model(tmp_path / "a"), {}).version == 1
    keys.sign_with(keys.ours.private)
    keys.trust(keys.ours.public)
    assert registry.publish("m", tmp_path / "a", {}).version == 2
    assert registry.publish("m", tmp_path / "a", {}).version == 2


@pytest.mark.parametrize(
    ("variable", "content", "says"),
    [
        (SIGNING_KEY, b"no key", "wanted a private key as PEM"),
        (SIGNING_KEY, None, "wanted a private key as PEM, got .*No such file"),
        (TRUSTED_KEYS, b"no key", "wanted different Ed25519 public keys as PEM, got 0 of 0"),
        (TRUSTED_KEYS, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "wanted public keys as PEM"),
        (TRUSTED_KEYS, None, "wanted public keys as PEM, got .*No such file"),
    ],
)
def test_a_file_that_is_no_key_is_named_and_nothing_is_let_through(
    variable: str, content: bytes | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = LocalRegistry(tmp_path / "models")
    registry.publish("m", model(tmp_path / "a"), {})
    file = tmp_path / "given.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv(variable, str(file))
    with pytest.raises(UsageError, match=rf"{variable}=.*given.pem: {says}"):
        registry.get("m", 1) if variable == TRUSTED_KEYS else registry.sign("m", 1)


def test_the_trusted_keys_are_no_keys_to_sign_with(keys: Keys, tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "models")
    registry.publish("m", model(tmp_path / "a"), {})
    keys.sign_with(keys.ours.public)
    with pytest.raises(UsageError, match="wanted a private key as PEM"):
        registry.sign("m", 1)


def _private(key: Any, how: serialization.KeySerializationEncryption) -> bytes:
    encoded: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    return encoded


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def test_a_key_with_a_password_or_of_another_kind_signs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "given.pem"
    path.write_bytes(_private(Ed25519PrivateKey.generate(), serialization.BestAvailableEncryption(b"secret")))
    with pytest.raises(UsageError, match="wanted a private key as PEM, got Password"):
        sign("sha256:seal", {SIGNING_KEY: str(path)})
    path.write_bytes(_private(ec.generate_private_key(ec.SECP256R1()), serialization.NoEncryption()))
    with pytest.raises(UsageError, match="wanted an Ed25519 key, got another kind"):
        sign("sha256:seal", {SIGNING_KEY: str(path)})
    assert sign("sha256:seal", {}) is None


def test_every_trusted_key_is_of_the_right_kind_and_there_once(keys: Keys, tmp_path: Path) -> None:
    ours, path = keys.ours.public.read_bytes(), tmp_path / "given.pem"
    signature = sign("sha256:seal", {SIGNING_KEY: str(keys.ours.private)})
    for others in (_public(ec.generate_private_key(ec.SECP256R1())), ours):
        path.write_bytes(ours + others)
        with pytest.raises(UsageError, match="wanted different Ed25519 public keys as PEM, got 1 of 2"):
            demand(signature, "sha256:seal", "m@1", {TRUSTED_KEYS: str(path)})


@pytest.mark.parametrize(
    "change", [lambda value: "!" + value, lambda value: value[:40] + "\n" + value[40:], lambda _: "A"]
)
def test_a_signature_that_is_not_written_as_it_was_made_is_none(change: Callable[[str], str], keys: Keys) -> None:
    signature = sign("sha256:seal", {SIGNING_KEY: str(keys.ours.private)})
    assert signature is not None
    trusted = {TRUSTED_KEYS: str(keys.ours.public)}
    demand(signature, "sha256:seal", "m@1", trusted)
    with pytest.raises(Untrusted, match=r"m@1: wanted a version signed with a key of .*, got a signature of another"):
        demand(Signature(signature.key, change(signature.value)), "sha256:seal", "m@1", trusted)
