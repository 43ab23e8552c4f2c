"""The word for a step on which guidance does not act."""


class GuidanceSkipped(Exception):
    """Guidance cannot act on this evaluation. The message says why, and stands in the log."""
