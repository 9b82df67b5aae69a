"""Recognizes personal data in bytes: by form, and by check digits where there are any.

Repetitions are bounded or possessive, so a search takes time linear in the text, whatever the text is.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

CANARY = "canary"
"""Of texts that somebody plants, `canary-` and 8 to 64 hexadecimal digits, to learn where data ends up."""


class Detector(NamedTuple):
    """One kind of personal data."""

    name: str
    pattern: re.Pattern[bytes]
    needs: bytes
    """What a text must have for the pattern to match; a search for it is fast."""
    accepts: Callable[[bytes], bool] = lambda _: True


def _digits(text: bytes) -> str:
    return "".join(chr(byte) for byte in text if 48 <= byte <= 57)


def _is_card(text: bytes) -> bool:
    """Check the lengths that go with the first digits, and Luhn's check digit."""
    digits = _digits(text)
    lengths = {"4": (13, 16, 19), "34": (15,), "37": (15,), "5": (16,), "6": (16,), "35": (16,)}
    if not any(digits.startswith(start) and len(digits) in sizes for start, sizes in lengths.items()):
        return False
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    total = sum(map(int, digits[-1::-2])) + sum(value - 9 if value > 9 else value for value in doubled)
    return total % 10 == 0 and len(set(digits)) > 1


_IBAN_LENGTHS = {
    "AT": 20,
    "BE": 16,
    "BG": 22,
    "CH": 21,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "EE": 20,
    "ES": 24,
    "FI": 18,
    "FR": 27,
    "GB": 22,
    "GR": 27,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IT": 27,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "MT": 31,
    "NL": 18,
    "NO": 15,
    "PL": 28,
    "PT": 25,
    "RO": 24,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "TR": 26,
    "UA": 29,
}
"""Country -> characters of an account's number."""


def _is_iban(text: bytes) -> bool:
    """Check the country's length, and the check digits (ISO 7064, modulo 97)."""
    joined = text.decode("ascii").replace(" ", "")
    joined = joined[: _IBAN_LENGTHS.get(joined[:2], 0)]
    if len(joined) != _IBAN_LENGTHS.get(joined[:2]):
        return False
    return int("".join(str(int(char, 36)) for char in joined[4:] + joined[:4])) % 97 == 1


def _is_address(text: bytes) -> bool:
    """Check that it is an address of a machine that can be somebody's: no loopback, and no mask."""
    try:
        address = ipaddress.IPv4Address(text.decode("ascii"))
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)


def _is_social_security(text: bytes) -> bool:
    area, group, serial = text.decode("ascii").split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


DETECTORS = (
    Detector(CANARY, re.compile(rb"canary-[0-9a-f]{8,64}+"), b"canary-"),
    Detector(
        "e-mail address",
        re.compile(
            rb"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}+@(?:[A-Za-z0-9-]{1,63}+\.(?=[A-Za-z0-9])){1,8}+[A-Za-z]{2,24}+"
        ),
        b"@",
    ),
    Detector("telephone number", re.compile(rb"(?<![0-9A-Za-z+])\+(?:[ ()./-]{0,2}+[0-9]){9,15}+(?![0-9])"), b"+"),
    Detector("telephone number", re.compile(rb"(?<![0-9A-Za-z])\([0-9]{3}\) ?[0-9]{3}-[0-9]{4}(?![0-9])"), b"("),
    Detector(
        "bank account",
        re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}+(?: ?[A-Z0-9]{1,3}+(?![A-Za-z0-9]))?+"),
        b"",
        _is_iban,
    ),
    Detector(
        "payment card", re.compile(rb"(?<![0-9A-Za-z.-])[3-6](?:[ -]?[0-9]){12,18}+(?![0-9A-Za-z.])"), b"", _is_card
    ),
    Detector(
        "social security number",
        re.compile(rb"(?<![0-9A-Za-z-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9A-Za-z-])"),
        b"-",
        _is_social_security,
    ),
    Detector(
        "IP address", re.compile(rb"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z.])"), b".", _is_address
    ),
)
NAMES = tuple(dict.fromkeys(detector.name for detector in DETECTORS))

_TELLING = frozenset(
    {
        *("address", "birthday", "birthdate", "dob", "email", "firstname", "forename", "fullname", "iban", "lastname"),
        *("passport", "phone", "postcode", "ssn", "surname", "telephone", "username", "zipcode"),
    }
)
"""Words in a feature's name that say that its values are about a person."""


def found_in(text: bytes) -> Counter[str]:
    """Count the matches in a text by the detector's name."""
    found: Counter[str] = Counter()
    for detector in DETECTORS:
        if detector.needs in text:
            matches = (match[0] for match in detector.pattern.finditer(text))
            found[detector.name] += sum(detector.accepts(match) for match in matches)
    return +found


def telling_names(names: Iterable[str]) -> list[str]:
    """Return the names of features that say that they are about a person, such as `customer_email`."""
    return [name for name in names if _TELLING & set(re.split(r"[^a-z0-9]+", name.lower()))]
