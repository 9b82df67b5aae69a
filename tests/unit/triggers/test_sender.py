"""Only who holds the secret, or an account that may send, starts anything."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import UsageError
from mlops.triggers.sender import GoogleAccounts, SharedSecrets, Unauthorized, secrets_in, signed

SECRET, OTHER = b"s" * 32, b"o" * 32
NOW = 1_700_000_000.0


def test_the_holder_of_either_secret_may_send() -> None:
    senders = SharedSecrets((OTHER, SECRET))
    assert senders.check(signed(SECRET, "id-1", b"body", NOW), b"body", NOW) == "shared secret"


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        ({}, b"body", NOW),
        (signed(OTHER, "id-1", b"body", NOW), b"body", NOW),
        (signed(SECRET, "id-1", b"body", NOW), b"other body", NOW),
        (signed(SECRET, "id-1", b"body", NOW) | {"webhook-id": "id-2"}, b"body", NOW),
        (signed(SECRET, "id-1", b"body", NOW), b"body", NOW + 301),
        (signed(SECRET, "id-1", b"body", NOW), b"body", NOW - 301),
        (signed(SECRET, "id-1", b"body", NOW) | {"webhook-timestamp": "now"}, b"body", NOW),
        (signed(SECRET, "id-1", b"body", NOW) | {"webhook-timestamp": "²"}, b"body", NOW),
        (signed(SECRET, "id-1", b"body", NOW) | {"webhook-timestamp": "9" * 5000}, b"body", NOW),
        (signed(SECRET, "id-1", b"body", NOW) | {"webhook-signature": "v1,ÿ"}, b"body", NOW),
    ],
)
def test_a_forged_changed_or_recorded_request_may_not(headers: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(Unauthorized) as error:
        SharedSecrets((SECRET,)).check(headers, body, now)
    assert SECRET.decode() not in str(error.value)


def test_a_signature_of_the_published_example_fits() -> None:
    """The example of https://www.standardwebhooks.com: any other implementation signs alike."""
    (secret,) = secrets_in("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "secret")
    body = b'{"email":"test@example.com","username":"test_user"}'
    headers = signed(secret, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", body, 1649367553)
    assert headers["webhook-signature"] == "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="


def _verifying(claims: Mapping[str, Any]) -> Any:
    def verify(token: str, audience: str) -> Mapping[str, Any]:
        if token != "token" or audience != "https://handler":
            raise ValueError("no")
        return claims

    return verify


def test_an_account_that_may_send_is_known_by_its_token() -> None:
    claims = {"email": "push@project.iam", "email_verified": True}
    senders = GoogleAccounts("https://handler", frozenset({"push@project.iam"}), _verifying(claims))
    assert senders.check({"authorization": "Bearer token"}, b"", NOW) == "push@project.iam"


@pytest.mark.parametrize(
    ("authorization", "claims"),
    [
        ("", {}),
        ("Basic token", {}),
        ("Bearer forged", {}),
        ("Bearer token", {"email": "other@project.iam", "email_verified": True}),
        ("Bearer token", {"email": "push@project.iam", "email_verified": False}),
        ("Bearer token", {"email": "push@project.iam", "email_verified": "true"}),
        ("Bearer token", {}),
    ],
)
def test_any_other_token_is_refused(authorization: str, claims: Mapping[str, Any]) -> None:
    senders = GoogleAccounts("https://handler", frozenset({"push@project.iam"}), _verifying(claims))
    with pytest.raises(Unauthorized):
        senders.check({"authorization": authorization}, b"", NOW)


def test_a_real_token_is_checked_against_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's own library verifies; a token that somebody else signed is refused before its claims are read."""
    from google.oauth2 import id_token

    monkeypatch.setattr(id_token, "_fetch_certs", lambda *_: {})
    senders = GoogleAccounts("https://handler", frozenset({"push@project.iam"}))
    forged = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"none"}', b"{}", b""))
    with pytest.raises(Unauthorized):
        senders.check({"authorization": f"Bearer {forged}"}, b"", NOW)


@pytest.mark.parametrize(
    ("text", "message"), [("", "wanted a secret"), ("short", "at least 24 bytes"), ("whsec_?", "base64 behind whsec_")]
)
def test_a_secret_that_protects_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        secrets_in(text, "file")
