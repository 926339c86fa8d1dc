"""Reads tokens from files, which the kubelet keeps current."""

from pathlib import Path

_MAX_BYTES = 65536


def read_token(path: str) -> str:
    """Return the token in a file, without line breaks at its ends.

    Raises:
        ValueError: the file can't be read, or what is in it could not be sent. The message quotes nothing of it.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise ValueError(f"{path}: {exc.strerror or type(exc).__name__}") from None
    if len(content) > _MAX_BYTES:
        raise ValueError(f"{path} has more than {_MAX_BYTES} bytes")
    token = content.strip().decode("ascii", "replace")
    if not token:
        raise ValueError(f"{path} is empty")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"{path} has no token in it")
    return token
