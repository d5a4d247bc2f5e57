"""Steps that leave rows out, and that they are counted."""

from __future__ import annotations

import polars as pl
import pytest

from eunomia.pipeline.chain import Chain
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.selecting import Chosen, Top
from tests.pipeline.handlers import batch


@pytest.mark.parametrize(
    ("step", "left"),
    [
        (Top(2), [3, 1]),
        (Top(9), [3, 1, 2]),
        (Chosen(pl.col("number") > 1), [3, 2]),
        (Chosen(pl.lit(None, pl.Boolean)), []),
    ],
)
def test_what_is_left_and_what_is_counted(step: Handler, left: list[int]) -> None:
    losses = Losses()
    passed = Chain([step], losses, lambda _handler, _error: None).handle(batch(3, 1, 2))
    assert passed is not None
    assert passed.frame["number"].to_list() == left
    assert losses.filtered == losses.gone == 3 - len(left)
