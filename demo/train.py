"""Train the demo's model: a class-conditional UNet of ComfyUI's own class on Fashion-MNIST.

    python demo/train.py --comfyui PATH --data PATH --out demo/model/fashion_unet.safetensors

Epsilon prediction on the host's own noise schedule (`ModelSamplingDiscrete`), 15 % of the labels dropped so that the
model also learns the negative. What is saved is the moving average of the weights, in bfloat16.
Shapes: image x (B, 1, 32, 32) in [-1, 1]; context (B, TOKENS, CONTEXT_DIM); sigma (B,).
"""

import argparse
import gzip
import logging
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import embedding, mse_loss, pad
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
log = logging.getLogger("train")


def arguments() -> argparse.Namespace:
    """What can be set from the command line; the defaults are those of the committed weights."""
    parser = argparse.ArgumentParser(description="Train the demo's model on Fashion-MNIST.")
    parser.add_argument("--comfyui", type=Path, required=True, help="folder of a ComfyUI checkout")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="folder of *.gz")
    parser.add_argument("--out", type=Path, default=HERE / "model" / "fashion_unet.safetensors")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--lr", type=float, default=6e-4, help="peak learning rate of Adam, cosine decay to zero")
    parser.add_argument("--ema", type=float, default=0.999, help="decay of the moving average of the weights")
    parser.add_argument("--drop", type=float, default=0.15, help="share of labels replaced by the negative")
    parser.add_argument("--seed", type=int, default=20230927)
    return parser.parse_args()


def read_idx(path: Path) -> torch.Tensor:
    """An IDX file of bytes, as a uint8 tensor of the shape that its header names."""
    raw = gzip.decompress(path.read_bytes())
    dims = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims).copy())


def load_data(folder: Path, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, 32, 32) in [-1, 1], padded with black from 28 to 32, and labels (N,)."""
    images = read_idx(folder / "train-images-idx3-ubyte.gz").to(device)[:, None].float() / 127.5 - 1
    return pad(images, (2, 2, 2, 2), value=-1.0), read_idx(folder / "train-labels-idx1-ubyte.gz").to(device).long()


def build(model_py, device: torch.device):
    """The host's BaseModel with fresh weights, and the embedding table (11, TOKENS * CONTEXT_DIM)."""
    from comfy.model_base import BaseModel

    base = BaseModel(model_py.config())
    unet = base.diffusion_model.train()
    for module in unet.modules():  # the host leaves its layers uninitialised, since it always loads weights
        if hasattr(module, "weight"):
            kind = next(k for k in type(module).__mro__ if k.__module__.startswith("torch.nn"))
            kind.reset_parameters(module)
    for name, parameter in unet.named_parameters():  # each residual branch starts at zero
        if any(part in name for part in ("out_layers.3", "proj_out", "out.2")):
            torch.nn.init.zeros_(parameter)
    table = torch.nn.Parameter(torch.randn(model_py.NEGATIVE + 1, model_py.TOKENS * model_py.CONTEXT_DIM))
    base.to(device).requires_grad_(True)
    return base, torch.nn.Parameter(table.detach().to(device))


def learning_rate(step: int, steps: int, peak: float) -> float:
    """200 steps of warm-up, then a cosine to zero."""
    return peak * min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * step / steps))


class MovingAverage:
    """Exponential moving average of a list of parameters, with a decay that grows in from zero."""

    def __init__(self, parameters: list[torch.Tensor], decay: float):
        self.parameters, self.decay, self.seen = parameters, decay, 0
        self.average = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self) -> None:
        self.seen += 1
        decay = min(self.decay, self.seen / (self.seen + 10))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap_in(self) -> None:
        """Put the averages where the parameters were, for good."""
        for parameter, average in zip(self.parameters, self.average, strict=True):
            parameter.copy_(average)


def train(base, table: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, args, negative: int) -> float:
    """Train in place, leave the averaged weights in the model, return the mean loss of the last tenth."""
    parameters = [*base.diffusion_model.parameters(), table]
    optimizer = torch.optim.Adam(parameters, lr=args.lr, betas=(0.9, 0.99), fused=images.is_cuda)
    average, sampling, device = MovingAverage(parameters, args.ema), base.model_sampling, images.device
    losses: list[torch.Tensor] = []
    for step in (bar := tqdm(range(args.steps), mininterval=10)):
        pick = torch.randint(len(images), (args.batch,), device=device)
        label = torch.where(torch.rand(args.batch, device=device) < args.drop, negative, labels[pick])
        t = torch.randint(len(sampling.sigmas), (args.batch,), device=device)
        sigma = sampling.sigmas[t].view(-1, 1, 1, 1)
        noise = torch.randn_like(images[pick])
        scaled = sampling.calculate_input(sigma, images[pick] + sigma * noise)
        context = embedding(label, table).view(args.batch, -1, base.model_config.unet_config["context_dim"])
        with torch.autocast(device.type, torch.bfloat16):
            predicted = base.diffusion_model(scaled, t.float(), context=context)
        loss = mse_loss(predicted.float(), noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr)
        optimizer.step()
        average.update()
        losses.append(loss.detach())
        if step % 250 == 249:
            bar.set_postfix(loss=f"{torch.stack(losses[-250:]).mean().item():.4f}")
    average.swap_in()
    return torch.stack(losses[-max(1, args.steps // 10) :]).mean().item()


@torch.no_grad()
def sample(base, table: torch.Tensor, count: int, cfg: float = 2.0, steps: int = 20) -> torch.Tensor:
    """Euler steps with guidance on the host's "normal" noise levels: (count * classes, 1, 32, 32)."""
    sampling, device, rows = base.model_sampling, table.device, len(table) - 1
    sigmas = sampling.sigma(torch.linspace(999, 0, steps, device=device))
    sigmas = torch.cat([sigmas, sigmas.new_zeros(1)])
    context = table.view(rows + 1, -1, base.model_config.unet_config["context_dim"])
    positive, negative = context[:rows].repeat(count, 1, 1), context[rows:].expand(count * rows, -1, -1)
    generator = torch.Generator(device).manual_seed(0)
    x = torch.randn(count * rows, 1, 32, 32, device=device, generator=generator) * (1 + sigmas[0] ** 2).sqrt()
    for now, after in zip(sigmas[:-1], sigmas[1:], strict=True):
        level = now.expand(len(x))
        with_class = base.apply_model(x, level, c_crossattn=positive)
        without = base.apply_model(x, level, c_crossattn=negative)
        denoised = without + cfg * (with_class - without)
        x = denoised + (x - denoised) * after / now
    return x


def save(base, table: torch.Tensor, model_py, path: Path) -> None:
    """UNet and table in bfloat16 under the host's usual prefix."""
    weights = {model_py.PREFIX + k: v for k, v in base.diffusion_model.state_dict().items()} | {model_py.TABLE: table}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().to("cpu", torch.bfloat16).contiguous() for k, v in weights.items()}, path)


def save_grid(x: torch.Tensor, columns: int, path: Path) -> None:
    """Images (N, 1, 32, 32) as one PNG, `columns` to a row, each pixel four times as large."""
    rows = x.clamp(-1, 1).view(-1, columns, 32, 32).permute(0, 2, 1, 3).reshape(-1, columns * 32)
    picture = Image.fromarray(((rows.cpu().numpy() + 1) * 127.5).round().astype(np.uint8))
    picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.NEAREST).save(path)


def main() -> None:
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.path[:0] = [str(args.comfyui), str(HERE / "sag_demo")]
    from comfy.cli_args import args as host_args

    host_args.cpu = not torch.cuda.is_available()
    import model as model_py

    torch.manual_seed(args.seed)
    device = torch.device("cpu" if host_args.cpu else "cuda")
    torch.backends.cudnn.benchmark = True
    images, labels = load_data(args.data, device)
    base, table = build(model_py, device)
    log.info("%d parameters on %s", sum(p.numel() for p in base.diffusion_model.parameters()) + table.numel(),
             "the CPU" if host_args.cpu else torch.cuda.get_device_name())
    start = time.perf_counter()
    loss = train(base, table, images, labels, args, model_py.NEGATIVE)
    log.info("%d steps in %.0f s, loss %.4f", args.steps, time.perf_counter() - start, loss)
    base.eval()
    save(base, table, model_py, args.out)
    save_grid(sample(base, table, count=8), model_py.NEGATIVE, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
