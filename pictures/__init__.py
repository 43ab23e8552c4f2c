"""Everything that is drawn. Pillow takes long to import, so import this only when something is to be drawn."""

from .mask_tiles import latent_picture, notice, resize_masks, tile
from .schedule_plot import plot

__all__ = ["latent_picture", "notice", "plot", "resize_masks", "tile"]
