"""Whether what looks like a card number, an account or an address is one.

Each takes a text and the place of a candidate in it, both as bytes of UTF-8, and
returns where what it accepts ends; zero if it accepts nothing that begins there.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from types import MappingProxyType

import msgspec

Accepts = Callable[[bytes, int, int], int]

_GROUPS = re.compile(rb"[0-9]+")
_NEITHER = re.compile(rb"[^0-9A-Za-z]+")
_DATE = re.compile(rb"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}\b")

_LEAST_CARD = 13
_LEAST_PHONE, _MOST_PHONE = 8, 15
"""Digits of a number with its country's, by E.164; fewer than eight are no more."""

_LEAST_NATIONAL = 9

_REGISTERED = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 "
    "DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 "
    "GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 "
    "LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 "
    "PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 "
    "TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
"""Countries, and how long an account's number is in each: SWIFT's registry of what
ISO 13616 describes."""

_IBAN_LENGTHS = MappingProxyType(
    {entry[:2]: int(entry[2:]) for entry in _REGISTERED.split()}
)


def anything(_text: bytes, _start: int, end: int) -> int:
    """Accept what looks like it."""
    return end


def sentence(text: bytes, start: int, end: int) -> int:
    """Accept what looks like it, less a full stop behind it."""
    return start + len(text[start:end].rstrip(b"."))


def card(text: bytes, start: int, end: int) -> int:
    """Accept what has a card's check digit, less a last group that is not its own."""
    if text[start - 1 : start] == b".":
        return 0
    groups = [(match[0], match.end()) for match in _GROUPS.finditer(text, start, end)]
    while groups:
        digits = b"".join(group for group, _ in groups)
        if len(digits) < _LEAST_CARD:
            return 0
        if luhn(digits) and len(set(digits)) > 1:
            return groups[-1][1]
        groups.pop()
    return 0


def luhn(digits: bytes) -> bool:
    """Tell whether the last digit is what Luhn's formula makes of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = digit - ord("0")
        if place % 2:
            value = value * 2 - 9 * (value > 4)
        total += value
    return total % 10 == 0


def iban(text: bytes, start: int, end: int) -> int:
    """Accept as much as an account's number has in its country, if it checks."""
    country = text[start : start + 2].decode("ascii").upper()
    wanted = _IBAN_LENGTHS.get(country, 0)
    number = _NEITHER.sub(b"", text[start:end])[:wanted]
    if not wanted or len(number) < wanted or not _mod_97(number.decode().upper()):
        return 0
    place = start
    for _ in range(wanted):
        while not text[place : place + 1].isalnum():
            place += 1
        place += 1
    return 0 if text[place : place + 1].isalnum() else place


def _mod_97(number: str) -> bool:
    """Tell whether the two check digits fit the rest (ISO 7064)."""
    turned = number[4:] + number[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def phone(text: bytes, start: int, end: int) -> int:
    """Accept as many digits as a telephone has, that are no date."""
    candidate = text[start:end]
    digits = b"".join(_GROUPS.findall(candidate))
    if text[end : end + 1].isdigit() or _DATE.match(candidate):
        return 0
    if candidate.startswith(b"+") or digits.startswith(b"00"):
        count = len(digits) - 2 * digits.startswith(b"00")
        return end if _LEAST_PHONE <= count <= _MOST_PHONE else 0
    is_written_apart = len(digits) < len(candidate)
    return end if is_written_apart and len(digits) >= _LEAST_NATIONAL else 0


def social_security(text: bytes, start: int, end: int) -> int:
    """Accept what the Social Security Administration gives out."""
    number = text[start:end]
    area, group, serial = _GROUPS.findall(number)
    is_given_out = (
        area not in {b"000", b"666"}
        and area < b"900"
        and group != b"00"
        and serial != b"0000"
    )
    return end if is_given_out and number[3] == number[6] else 0


def ip_address(text: bytes, start: int, end: int) -> int:
    """Accept an address of IP that is no part of something longer."""
    before, after = text[start - 1 : start], text[end : end + 2]
    candidate = text[start:end]
    if b":" in candidate:
        if before.isalnum() or before in {b"_", b":", b"."} or after[:1].isalnum():
            return 0
        if not re.search(rb"[0-9]", candidate):
            return 0
    elif before == b"." or (after[:1] == b"." and after[1:].isdigit()):
        return 0
    try:
        ipaddress.ip_address(candidate.decode())
    except ValueError:
        return 0
    return end


def openai_key(text: bytes, start: int, end: int) -> int:
    """Accept a key that is nobody else's, and no words with hyphens."""
    key = text[start:end]
    is_words = not re.search(rb"[0-9]", key)
    return 0 if key.startswith(b"sk-ant-") or is_words else end


def jwt(text: bytes, start: int, end: int) -> int:
    """Accept what begins with a header that names an algorithm."""
    header = text[start:end].partition(b".")[0]
    padded = header + b"=" * (-len(header) % 4)
    try:
        read = msgspec.json.decode(base64.urlsafe_b64decode(padded))
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return 0
    return end if isinstance(read, dict) and "alg" in read else 0
