"""The state file: one JSON line per change, written before the change is answered.

A line is handed to the kernel before the reply leaves, so a SIGKILL at any time loses nothing that was answered. There
is no fsync: the file survives a crash of the simulator, not of the machine. An incomplete last line belongs to a change
that was never answered, and is ignored. At start the file is rewritten with one line per record, as a temporary file
that is then renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Generic, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError


class StateFileError(Exception):
    """The state file can't be used; the text says why and what to do."""


def unusable(problem: str) -> StateFileError:
    """The error for a state file whose content this program can't use."""
    return StateFileError(f"{problem}: give another --state or remove the file")


class Journal:
    """Reads the state file and appends lines to it. Without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def read(self) -> Iterator[tuple[str, JsonValue]]:
        """The table and the record of every complete line. Raises: StateFileError."""
        if self.path is None or not self.path.exists():
            return
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise StateFileError(f"cannot read the state file {self.path}: {error.strerror}") from error
        lines = data.split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                entry = json.loads(line)
                yield entry["t"], entry["v"]
            except (ValueError, KeyError, TypeError) as error:
                raise unusable(f"{self.path}: line {number} is not a line of a state file") from error

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
            raise StateFileError(f"cannot write the state file {self.path}: {error.strerror}") from error

    def append(self, line: str) -> None:
        """Append one line and hand it to the kernel."""
        if self._file is not None:
            self._file.write(line)
            self._file.flush()

    @property
    def open(self) -> bool:
        """Whether a file is open, so that changes are kept."""
        return self._file is not None

    def close(self) -> None:
        """Close the file; later changes are not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None


def line_of(table: str, record_json: str) -> str:
    """One line of the state file, with its line break."""
    return f'{{"t":"{table}","v":{record_json}}}\n'


R = TypeVar("R", bound=BaseModel)


class Table(Generic[R]):
    """Records of one kind by id, in memory and in the journal."""

    def __init__(self, name: str, model: type[R], journal: Journal) -> None:
        self.name = name
        self._model = model
        self._journal = journal
        self._records: dict[str, R] = {}

    def put(self, record: R) -> None:
        """Add or replace a record, in memory and in the journal."""
        self.remember(record)
        if self._journal.open:
            self._journal.append(line_of(self.name, record.model_dump_json()))

    def load(self, value: JsonValue) -> None:
        """Restore a record of the state file. Raises: StateFileError."""
        try:
            self.remember(self._model.model_validate(value))
        except ValidationError as error:
            raise unusable(f"the state file has an invalid record of {self.name} ({error})") from error

    def remember(self, record: R) -> None:
        """Add or replace a record in memory only."""
        self._records[id_of(record)] = record

    def get(self, key: str) -> R | None:
        """The record with this id, if there is one."""
        return self._records.get(key)

    def values(self) -> Iterable[R]:
        """All records, oldest first."""
        return self._records.values()

    def __len__(self) -> int:
        return len(self._records)

    def snapshot(self) -> Iterator[str]:
        """All records as lines of the state file."""
        for record in self._records.values():
            yield line_of(self.name, record.model_dump_json())


def id_of(record: BaseModel) -> str:
    """The id of a record."""
    value: object = getattr(record, "id", None)
    if not isinstance(value, str):
        raise TypeError(f"{type(record).__name__} has no id")
    return value
