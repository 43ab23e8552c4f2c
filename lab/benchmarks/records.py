"""Results as lines of JSON, each with a `kind`: written as they come, so that a run that was cut off can go on."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from lab.benchmarks.timing import machine

Record = dict[str, Any]


def read(*paths: Path) -> list[Record]:
    """All records of the files; a last line that was cut off is left out."""
    records = []
    for path in paths:
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return records


class Records:
    """A file of records, open for adding."""

    def __init__(self, path: Path, keep: list[Record] | None = None) -> None:
        """Begins the file with the records of `keep` and a line on this machine; SystemExit where it is another."""
        here = machine()
        for record in keep or []:
            if record["kind"] == "machine" and {k: record[k] for k in here} != here:
                raise SystemExit(f"{path} is of another machine or software. Here is {here}; use another file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("w")
        for record in keep or []:
            self._write(record)
        self.add("machine", **here, command=shlex.join(["python", "-m", "lab.benchmarks.bench", *sys.argv[1:]]))

    def add(self, kind: str, **values: Any) -> None:
        self._write({"kind": kind, **values})

    def _write(self, record: Record) -> None:
        self.file.write(json.dumps(record) + "\n")
        self.file.flush()

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: Any) -> None:
        self.file.close()
