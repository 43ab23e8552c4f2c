"""Names for the host's dicts and lists, for readers and mypy. Its classes are imported where they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Latent = dict[str, Any]  # a LATENT
ModelOptions = dict[str, Any]  # of a MODEL; every run has its own copy
TransformerOptions = dict[str, Any]  # the part of the model options that reaches the UNet
AttentionOptions = dict[str, Any]  # the transformer options, and what the host adds for one attention
PostCfgArgs = dict[str, Any]  # what a post-CFG function is given
Prompt = dict[str, Any]  # as the host prepared it for sampling
Conds = list[Prompt]  # the prompts of one side of CFG
AttentionReplace = Callable[..., torch.Tensor]  # (q, k, v, attention options) -> what the attention gives
