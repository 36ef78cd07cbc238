"""Two ways to quantize may differ where a value lies in the middle between two codes, and nowhere else."""

import torch
from torch import Tensor


def same_but_for_ties(x: Tensor, amax: Tensor, bits: int, ours: Tensor, theirs: Tensor) -> None:
    """Assert it of two results for the same input."""
    step = amax / (2 ** (bits - 1) - 1)
    differs = (ours.double() - theirs.double()).abs() > 0.5 * step.double()
    to_tie = ((x.double() / step.double()) % 1 - 0.5).abs()
    assert not bool((to_tie[differs] > 1e-4).any())
    assert float(differs.float().mean()) < 1e-4, f"{int(differs.sum())} of {x.numel()} codes differ"
    closeness = 1e-2 if ours.dtype != torch.float32 else 1e-6  # one rounding of the result
    torch.testing.assert_close(ours[~differs], theirs[~differs], rtol=closeness, atol=0)
