#!/usr/bin/env python3
"""Trains the study's DiTs, one for each kind of pictures, with the words of lab.demo.train:

python -m lab.study.dit.train --data wesnoth.npz --out WORK --file wesnoth_dit.safetensors --batch 256 --seconds 300 ...
"""

from lab.demo.train import arguments, train_as_asked
from lab.loading import load_host

if __name__ == "__main__":
    options = arguments()
    load_host()
    from lab.study.dit.model import build, initialise, velocity_loss

    train_as_asked(options, build, initialise, velocity_loss)
