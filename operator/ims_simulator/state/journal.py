"""The state file: one JSON line per change, written before the change is answered.

A line reaches the kernel before the reply leaves, so a SIGKILL at any moment loses nothing that somebody was told.
No fsync: the simulator outlives its own death, not the machine's. A line that the death cut short was never
answered and is dropped. At start the file is rewritten with one line per record (temporary file, then rename).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Generic, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError


class StateFileError(Exception):
    """The state file cannot be used; the text says why and what to do."""


class Journal:
    """Appends lines to the state file; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def read(self) -> Iterator[tuple[str, JsonValue]]:
        """(table, record) of every whole line. Raises: StateFileError."""
        if self.path is None or not self.path.exists():
            return
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise StateFileError(f"cannot read {self.path}: {error.strerror}") from error
        lines = data.split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                entry = json.loads(line)
                yield entry["t"], entry["v"]
            except (ValueError, KeyError, TypeError) as error:
                raise StateFileError(
                    f"{self.path}, line {number} is not a line of a state file; give another --state or remove the file"
                ) from error

    def start(self, snapshot: Iterable[str]) -> None:
        """Replace the file by `snapshot` and keep it open for appending. Raises: StateFileError."""
        if self.path is None:
            return
        temporary = self.path.with_name(self.path.name + ".new")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(snapshot)
            os.replace(temporary, self.path)
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise StateFileError(f"cannot write {self.path}: {error.strerror}") from error

    def append(self, line: str) -> None:
        """Hand one line to the kernel."""
        if self._file is not None:
            self._file.write(line)
            self._file.flush()

    @property
    def open(self) -> bool:
        """Whether changes are kept."""
        return self._file is not None

    def close(self) -> None:
        """Stop keeping changes."""
        if self._file is not None:
            self._file.close()
            self._file = None


def line_of(table: str, record_json: str) -> str:
    """One line of the file, with its end."""
    return f'{{"t":"{table}","v":{record_json}}}\n'


R = TypeVar("R", bound=BaseModel)


class Table(Generic[R]):
    """Records of one kind by id; `put` keeps a change in memory and in the journal."""

    def __init__(self, name: str, model: type[R], journal: Journal) -> None:
        self.name = name
        self._model = model
        self._journal = journal
        self._records: dict[str, R] = {}

    def put(self, record: R) -> None:
        """Add or replace a record."""
        self.remember(record)
        if self._journal.open:
            self._journal.append(line_of(self.name, record.model_dump_json()))

    def load(self, value: JsonValue) -> None:
        """Take a record from the state file. Raises: StateFileError."""
        try:
            self.remember(self._model.model_validate(value))
        except ValidationError as error:
            raise StateFileError(f"a record of {self.name} in the state file is not usable: {error}") from error

    def remember(self, record: R) -> None:
        """Add or replace a record in memory alone."""
        self._records[identity(record)] = record

    def get(self, key: str) -> R | None:
        """The record of that id, if any."""
        return self._records.get(key)

    def values(self) -> Iterable[R]:
        """All records, oldest first."""
        return self._records.values()

    def __len__(self) -> int:
        return len(self._records)

    def snapshot(self) -> Iterator[str]:
        """One line per record."""
        for record in self._records.values():
            yield line_of(self.name, record.model_dump_json())


def identity(record: BaseModel) -> str:
    """Id of a record."""
    value: object = getattr(record, "id", None)
    if not isinstance(value, str):
        raise TypeError(f"{type(record).__name__} has no id")
    return value
