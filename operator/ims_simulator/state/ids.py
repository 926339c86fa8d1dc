"""Ids and secrets: those that follow from a seed, and those that are made while the cloud runs.

`Ids` derives each id from a salt and a number. The number of an image and its job is the count of images, that of a
request or a token is the sequence number of the call. With a given seed, the seed is the salt: the same calls in the
same order make the same ids, in any process. Without one, the salt is random, so that a new cloud never reuses an id
of an old one.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid


def hex_id(seed: int, label: str) -> str:
    """An id of 32 hex digits, derived from a seed and a label."""
    return hashlib.sha256(f"ims-simulator/{seed}/{label}".encode()).hexdigest()[:32]


def uuid_id(seed: int, label: str) -> str:
    """A version 4 UUID, derived from a seed and a label."""
    return str(uuid.UUID(hex=hex_id(seed, label), version=4))


class Ids:
    """Makes ids. The same salt, number and word give the same id."""

    def __init__(self, seed: int | None) -> None:
        self.salt = f"seed {seed}" if seed is not None else secrets.token_hex(16)

    def hex(self, number: int, word: str) -> str:
        """32 lower-case hex digits."""
        return self._digest(number, word, 16).hex()

    def uuid(self, number: int, word: str) -> str:
        """A version 4 UUID with hyphens."""
        return str(uuid.UUID(bytes=self._digest(number, word, 16), version=4))

    def text(self, number: int, word: str, length: int) -> str:
        """A token or secret of `length` letters, digits, - and _."""
        return base64.urlsafe_b64encode(self._digest(number, word, length)).decode()[:length]

    def _digest(self, number: int, word: str, length: int) -> bytes:
        return hashlib.shake_128(f"{self.salt}/{number}/{word}".encode()).digest(length)
