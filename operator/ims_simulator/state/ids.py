"""Where the ids of all that is made while the cloud runs come from: images, jobs, tokens, requests.

Each follows from a salt and a number: an image's and its job's from how many images there were, those of a request and
of a token from the number of the call. With a seed that was given, the salt is the seed: the same calls in the same
order make the same ids, in any process. Without one, the salt is random, so that a cloud that starts anew does not
give an id of the old one to another copy.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid


def hex_id(seed: int, label: str) -> str:
    """32 hex digits that follow from seed and label."""
    return hashlib.sha256(f"ims-simulator/{seed}/{label}".encode()).hexdigest()[:32]


def uuid_id(seed: int, label: str) -> str:
    """A version 4 UUID that follows from seed and label."""
    return str(uuid.UUID(hex=hex_id(seed, label), version=4))


class Ids:
    """Makes ids; the same salt, number and word make the same id."""

    def __init__(self, seed: int | None) -> None:
        self.salt = f"seed {seed}" if seed is not None else secrets.token_hex(16)

    def hex(self, number: int, word: str) -> str:
        """32 lower-case hex digits."""
        return self._digest(number, word, 16).hex()

    def uuid(self, number: int, word: str) -> str:
        """A version 4 UUID with hyphens."""
        return str(uuid.UUID(bytes=self._digest(number, word, 16), version=4))

    def text(self, number: int, word: str, length: int) -> str:
        """So many letters, digits, - and _: for tokens and secrets."""
        return base64.urlsafe_b64encode(self._digest(number, word, length)).decode()[:length]

    def _digest(self, number: int, word: str, length: int) -> bytes:
        return hashlib.shake_128(f"{self.salt}/{number}/{word}".encode()).digest(length)
