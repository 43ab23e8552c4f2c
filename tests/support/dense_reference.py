"""Self-attention guidance written out densely and in float32, sharing no line with the pack.

For one positive and one negative prompt over the whole frame.
"""

from __future__ import annotations

import comfy.samplers
import torch
import torch.nn.functional as F


class DenseSAG:
    """Hooks into the attention module itself, not into ComfyUI's patches."""

    def __init__(
        self, model, scale: float, blur_sigma: float, stack=None, transformer=0, threshold=1.0, detail=0.0
    ) -> None:
        """`stack` is the SpatialTransformer whose attention is read, the middle block's where none is given."""
        self.detail = detail
        self.model, self.scale, self.blur_sigma, self.threshold = model.clone(), scale, blur_sigma, threshold
        self.stack, self.transformer = stack or model.model.diffusion_model.middle_block[1], transformer
        self.qk, self.grid, self.recording = {}, None, True
        self.model.set_model_sampler_post_cfg_function(lambda args: self.guide(args))  # clones copy bound methods

    def __enter__(self):
        attention = self.stack.transformer_blocks[self.transformer].attn1
        self.handles = [
            attention.to_q.register_forward_hook(lambda _, __, out: self.note("q", out)),
            attention.to_k.register_forward_hook(lambda _, __, out: self.note("k", out)),
            self.stack.register_forward_pre_hook(lambda _, inputs: setattr(self, "grid", inputs[0].shape[-2:])),
        ]
        self.heads = attention.heads
        return self.model

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()

    def note(self, name, out):
        if self.recording:
            self.qk[name] = out.float()

    def attention(self, batch):
        q, k = (self.qk[n][:batch].unflatten(-1, (self.heads, -1)).permute(0, 2, 1, 3) for n in "qk")  # uncond first
        weights = torch.softmax(torch.einsum("bhid,bhjd->bhij", q, k) / q.shape[-1] ** 0.5, dim=-1)
        return weights.mean(dim=1).sum(dim=1).reshape(batch, *self.grid)

    def mask(self, batch, height, width):
        tokens = self.attention(batch)
        rows = torch.arange(height) * self.grid[0] // height
        columns = torch.arange(width) * self.grid[1] // width
        return (tokens[:, rows][:, :, columns] > self.threshold).unsqueeze(1)

    def blurred(self, x0, width):
        t = torch.arange(-4, 5, dtype=torch.float64)
        bell = torch.exp(-(t[:, None] ** 2 + t[None, :] ** 2) / (2 * width**2))
        kernel = (bell / bell.sum()).float().expand(x0.shape[1], 1, 9, 9)
        return F.conv2d(F.pad(x0, (4, 4, 4, 4), mode="reflect"), kernel, groups=x0.shape[1])

    def guide(self, args):
        x, x0, sigma, model = args["input"], args["uncond_denoised"], args["sigma"], args["model"]
        mask = self.mask(x.shape[0], *x.shape[-2:])
        degraded = torch.where(mask, self.blurred(x0, self.blur_sigma), x0)
        flow = hasattr(model.model_sampling, "shift")
        if flow and 1 - sigma[0] < 1e-3:
            return args["denoised"]  # x is noise alone: nothing of x0 is in it that could be seen
        level = sigma.view(-1, 1, 1, 1)
        n = (x - (1 - level) * x0) / level if flow else (x - x0) / level  # the noise in x, by definition
        noisy = (1 - level) * degraded + level * n if flow else degraded + level * n
        self.recording = False
        sag = comfy.samplers.calc_cond_batch(model, [None, args["uncond"]], noisy, sigma, args["model_options"])[1]
        self.recording = True
        taken = self.blurred(x0 - degraded, 0.7)
        return args["denoised"] + self.scale * (degraded - sag + self.detail * taken)
