"""Tables in Markdown files: made of rows, and put between two marks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def table(rows: Iterable[dict[str, Any]]) -> str:
    """One line a row, as its cells are written; the columns are the keys of the first."""
    import pandas as pd

    return pd.DataFrame(list(rows)).to_markdown(index=False, disable_numparse=True)


def put(file: Path, begins: str, ends: str, text: str) -> None:
    """Write `text` between the two marks, which must each stand in the file once; ValueError if not."""
    before, rest = file.read_text().split(begins)
    _, after = rest.split(ends)
    file.write_text(f"{before}{begins}\n{text}\n{ends}{after}")
