"""Text that a program puts into a Markdown file which is otherwise written by hand."""

from pathlib import Path


def put(file: Path, begins: str, ends: str, text: str) -> None:
    """Write `text` between the two marks, which must each stand in the file once; ValueError if not."""
    before, rest = file.read_text().split(begins)
    _, after = rest.split(ends)
    file.write_text(f"{before}{begins}\n{text}\n{ends}{after}")
