"""What the sigma window's node and its strip both make of the same inputs: window_cases.json.

`inputs` are those that differ from the node's defaults. `active` are the first and the last step that act, with the
`calls` that they cost; or the inputs are `refused`, with the sentence.
"""

import json
from pathlib import Path

CASES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
