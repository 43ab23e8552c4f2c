"""What a run's line is made of; no host is needed."""

import torch

from sag_delayed_activation.sag_core import SigmaWindow
from sag_delayed_activation.sampling.run_log import RunLog


def test_guidance_that_was_not_finite_is_counted_once_and_its_tensors_are_let_go():
    log = RunLog(SigmaWindow(15, 0), sigmas=[4.0, 2.0, 1.0], acted=[0, 1, 2])
    log.finite = [torch.tensor(all_of_it) for all_of_it in ([True, True], [True, False], [False, False])]
    log.settle()
    assert (log.not_finite, log.finite) == (2, [])
    log.settle()
    assert log.not_finite == 2 and "on 2 of them guidance was not finite" in log.summary()
