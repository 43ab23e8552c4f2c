"""The host's own objects and dicts, by name.

Its classes change from version to version, so none is imported, and to mypy each is Any. What the pack uses of each
stands in tests/host/test_contract.py, where these names are how it is found.
"""

from __future__ import annotations

from typing import Any

ModelPatcher = Any  # a MODEL: what nodes clone, patch and hand on
BaseModel = Any  # the model in a MODEL, which samples
ModelSampling = Any  # a model's noise levels, and how noise is added at one of them
LatentFormat = Any  # what a model's latents mean
Sampler = Any  # what takes the steps of a run
KSampler = Any  # one sampling run of the plain sampler, with its schedule
UNetWrapper = Any  # what another pack puts around the UNet's calls
PromptServer = Any  # the host's web server, and its way to the pages that are open
WrapperExecutor = Any  # what a wrapper calls to go on
PlacedPrompt = Any  # where, and how strongly, a prompt counts
UNet = Any  # the network in a BaseModel
UNetModule = Any  # a block of it, or a module in one
Transformer = Any  # one of the transformers in a module: self-attention, then cross-attention
Attention = Any  # one self-attention in a transformer
AttentionReplace = Any  # computes one self-attention in the host's place

Latent = dict[str, Any]  # a LATENT
ModelOptions = dict[str, Any]  # of a MODEL; every run has its own copy since 0.3.7
TransformerOptions = dict[str, Any]  # the part of the model options that reaches the UNet
AttentionOptions = dict[str, Any]  # the transformer options, with what one attention is told
PostCfgArgs = dict[str, Any]  # what a post-CFG function is given
UNetConfig = dict[str, Any]  # what a kind of model is known by
Prompt = dict[str, Any]  # as the host prepared it for sampling
Conds = list[Prompt]  # the prompts of one side of CFG
