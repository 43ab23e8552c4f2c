"""Results as lines of JSON."""

import json

from lab.records import Records, read


def test_what_is_added_is_read_again_in_its_order(tmp_path):
    first, second = Records(tmp_path / "new folder/a.jsonl"), Records(tmp_path / "b.jsonl")
    first.add(kind="sample", seconds=0.1)
    first.add(kind="machine", device="a card")
    second.add(kind="sample", seconds=None)
    assert read(first.file, second.file) == first.rows + second.rows
    assert read(first.file, second.file, kind="sample") == [first.rows[0], second.rows[0]]


def test_a_file_goes_on_where_it_was_cut_off(tmp_path):
    file = tmp_path / "cut.jsonl"
    file.write_text('{"name": "whole"}\n{"name": "cut o')
    assert read(file) == [{"name": "whole"}]
    records = Records(file)
    records.add(name="new")
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"name": "whole"}, {"name": "new"}]
    assert records.rows == read(file)


def test_a_file_begins_anew_if_it_is_not_to_go_on(tmp_path):
    Records(tmp_path / "a.jsonl").add(name="old")
    Records(tmp_path / "a.jsonl", resume=False).add(name="new")
    assert read(tmp_path / "a.jsonl") == [{"name": "new"}]
