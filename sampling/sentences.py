"""Every sentence that a run's line can hold. `locales/*/main.json` has them in other languages, by the same keys."""

from __future__ import annotations

from typing import Any, NamedTuple

SENTENCES = {
    "actedOnSome": "acted on {acted} of {count} model evaluations, from sigma {high} to {low}, "
    "{calls} extra UNet calls",
    "actedOnNone": "acted on 0 of {count} model evaluations",
    "endedEarly": "acted on 0 of {count} model evaluations: the run ended before guidance was computed",
    "cutShort": "the run ended early",
    "noneInside": "acted on 0 of {count} model evaluations: none lay in the window from {start} to {end}, "
    "sampled were {high} to {low}",
    "unasked": "acted on no step: the guider that sampled calls no function after CFG",
    "notFinite": "on {number} of them guidance was not finite for some picture and left out for it",
    "skippedSome": "skipped {number} in the window: {first}",
    "because": "{number} because {reason}",
    # words that are filled into other sentences
    "negative": "negative",
    "positive": "positive",
    "input": "input",
    "middle": "middle",
    "output": "output",
}
REASONS = {  # why guidance did not act on an evaluation
    "fadeIs0": "the fade is 0 there",
    "pureNoise": "at sigma 1 a flow model's latent is pure noise, so the extra call would see no blur",
    "tooSmall": "a latent of {height}x{width} is too small to blur",
    "hidden": "the prompts were evaluated in a way that is hidden from this node",
    "inParts": "the host evaluated the latent in parts (context windows)",
    "deepCache": "DeepCache would answer with features of another call",
    "cacheAnswered": "a cache answered in the UNet's place",
    "unetNotRun": "the UNet did not run: a cache skipped it, or an engine ran in its place",
    "replaced": "{module} replaced the {stage} block's attention (layer {layer})",
    "foreign": "{name} computes the {stage} block's attention in a way of its own, which reading layer {layer} would "
    "switch off",
    "promptNotRun": "the UNet did not run the {role} prompt",
    "promptNotAllRun": "the UNet did not run all of the {role} prompt",
    "promptWithoutWeight": "the {role} prompt has no weight at this sigma",
    "negativeNotActive": "the negative prompt is not active at this sigma",
    "noNegative": "no negative prompt was evaluated (cfg 1, or a guider without one)",
    "positiveNotActive": "the positive prompt is not active at this sigma",
    "noSuchMap": "attention of shape {shape} does not fit a {rows}x{columns} map",
    "keysChanged": "another node changed the keys: {keys} do not fit a {rows}x{columns} map",
    "batchSplit": "attention of {rows} rows does not fit {prompts} x {batch} pictures: another node splits the batch",
}

REMEDIES = {  # what to do about it: a warning begins with these
    "raiseCfg": "raise cfg, or set branch to auto in SAG delayed activation (advanced)",
    "widenPrompt": "widen the negative prompt's timestep range, "
    "or set branch to auto in SAG delayed activation (advanced)",
    "otherLayer": "choose another layer in SAG delayed activation (advanced)",
    "otherWindow": "choose a window that holds some of the sigmas sampled",
    "otherGuider": "sample with another guider",
    "leaveOut": "leave out the node that does this",
    "lowerDepth": "lower the depth of HyperTile, or of what is like it",
    "largerPicture": "make each side of the picture at least 40 pixels",
    "moreStrength": "give the prompt a strength above 0",
    "fullPrecision": "start ComfyUI with --fp32-unet",
}
REMEDY_OF = {  # by the key of what went wrong
    "noNegative": "raiseCfg", "negativeNotActive": "widenPrompt", "replaced": "otherLayer", "foreign": "otherLayer",
    "noneInside": "otherWindow", "unasked": "otherGuider", "deepCache": "leaveOut", "cacheAnswered": "leaveOut",
    "unetNotRun": "leaveOut", "hidden": "leaveOut", "promptNotRun": "leaveOut", "promptNotAllRun": "leaveOut",
    "keysChanged": "leaveOut", "noSuchMap": "lowerDepth", "tooSmall": "largerPicture",
    "promptWithoutWeight": "moreStrength", "notFinite": "fullPrecision",
}  # fmt: skip


class Phrase(NamedTuple):
    """A sentence or word of this module, by its key, and what is filled into it: numbers, texts or other phrases."""

    key: str
    words: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, key: str, **words: Any) -> Phrase:
        return cls(key, tuple(words.items()))

    def __str__(self) -> str:
        """In English."""
        return (SENTENCES | REASONS | REMEDIES)[self.key].format(**dict(self.words))

    def for_page(self) -> dict[str, Any]:
        """What the page needs to say it in its own language."""
        words = {name: word.for_page() if isinstance(word, Phrase) else word for name, word in self.words}
        return {"key": self.key, "words": words}


class GuidanceSkipped(Exception):
    """Guidance cannot act on this evaluation. `guide` catches it, and `reason`, one of REASONS, goes into the line."""

    def __init__(self, reason: str, **words: Any) -> None:
        self.reason = Phrase.of(reason, **words)
        super().__init__(str(self.reason))
