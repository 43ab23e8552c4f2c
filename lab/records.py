"""Results as lines of JSON in a file: written as they come, so that a run that was cut off can go on.

A record is a dict. `pandas.DataFrame(read(file))` makes a table of records.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(*files: Path, **like: Any) -> list[Record]:
    """The records of the files, in their order; with keywords, those that have these values: `kind="sample"`.

    A last line that was cut off is left out.
    """
    lines = [line for file in files for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [record for record in map(json.loads, lines) if like.items() <= record.items()]


class Records:
    """A file of records; `rows` are those that it holds."""

    def __init__(self, file: Path, resume: bool = True, echo: bool = False) -> None:
        """Goes on with what the file holds already; if not `resume`, begins it anew. `echo` prints what is added."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        self.echo, self.file, self.rows = echo, file, read(file) if resume else []
        text = file.read_bytes() if resume else b""
        with file.open("r+b") as opened:
            opened.truncate(text.rfind(b"\n") + 1)  # without a last line that was cut off

    def add(self, **values: Any) -> None:
        self.rows.append(values)
        with self.file.open("a") as opened:
            opened.write(json.dumps(values) + "\n")
        if self.echo:
            print(values, flush=True)
