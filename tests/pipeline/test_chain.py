"""Chains and fan-out: what passes, what ends, what fails."""

from __future__ import annotations

import polars as pl
import pytest

from eunomia.pipeline.chain import Chain, FanOut
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.schema.batch import Batch
from tests.pipeline.handlers import Adder, Dropper, Failing, Holder, Keeper, batch, numbers

Failures = list[tuple[Handler, str]]


def chain(*handlers: Handler) -> tuple[Chain, Losses, Failures]:
    losses, failures = Losses(), Failures()
    return Chain(handlers, losses, lambda handler, error: failures.append((handler, str(error)))), losses, failures


def test_handlers_in_order() -> None:
    keeper = Keeper()
    made, losses, failures = chain(Adder(1), keeper, Adder(10))
    passed = made.handle(batch(1, 2))
    assert passed is not None
    assert numbers([passed]) == [[12, 13]]
    assert keeper.numbers == [[2, 3]]
    assert (losses.lost, failures) == ({}, [])


def test_an_empty_chain_passes_everything() -> None:
    given = batch(1)
    assert chain()[0].handle(given) is given


@pytest.mark.parametrize("dropper", [Dropper(), Dropper(empty=True)])
def test_none_ends_it(dropper: Handler) -> None:
    keeper = Keeper()
    made, losses, failures = chain(Adder(1), dropper, keeper)
    assert made.handle(batch(1)) is None
    assert keeper.seen == []
    assert (losses.lost, failures) == ({}, [])


def test_an_empty_batch_goes_nowhere() -> None:
    keeper = Keeper()
    assert chain(keeper)[0].handle(batch()) is None
    assert keeper.seen == []


def test_a_failing_handler_is_isolated_and_counted() -> None:
    before, behind, failing = Keeper(), Keeper(), Failing("handle")
    made, losses, failures = chain(before, failing, behind)
    assert made.handle(batch(1, 2, 3)) is None
    assert made.handle(batch(4)) is None
    assert before.numbers == [[1, 2, 3], [4]], "it is called again"
    assert behind.seen == []
    assert losses.lost == {"Failing failed": 4}
    assert failures == [(failing, "handle failed")] * 2


def test_what_fails_is_counted_as_it_came_to_the_handler() -> None:
    class Doubler(Handler):
        def handle(self, batch):  # type: ignore[no-untyped-def]
            return batch.with_frame(batch.frame.vstack(batch.frame))

    made, losses, _ = chain(Doubler(), Failing("handle"))
    made.handle(batch(1, 2))
    assert losses.lost == {"Failing failed": 4}


def test_what_a_handler_leaves_out_is_counted() -> None:
    class Odd(Handler):
        leaves_out = True

        def handle(self, batch: Batch) -> Batch | None:
            return batch.with_frame(batch.frame.filter(pl.col("number") % 2 == 1))

    losses, keeper = Losses(), Keeper()
    chain = Chain([Odd(), keeper], losses, lambda *_: None)
    for numbers_ in ((1, 2, 3), (4,), (5,)):
        chain.handle(batch(*numbers_))
    assert keeper.numbers == [[1, 3], [5]]
    assert (losses.filtered, losses.lost) == (2, {})


def test_an_interrupt_is_no_failure() -> None:
    class Interrupted(Handler):
        def handle(self, batch):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    made, losses, failures = chain(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        made.handle(batch(1))
    assert (losses.lost, failures) == ({}, [])


@pytest.mark.parametrize("release", ["tick", "flush"])
def test_released_batches_go_through_later_handlers_only(release: str) -> None:
    before, behind, holder = Keeper(), Keeper(), Holder()
    made, losses, _ = chain(before, holder, Adder(1), behind)
    assert made.handle(batch(1)) is None
    assert made.handle(batch(2)) is None
    assert behind.seen == []
    assert numbers(getattr(made, release)()) == [[2], [3]]
    assert before.numbers == [[1], [2]]
    assert behind.numbers == [[2], [3]]
    assert list(getattr(made, release)()) == []
    assert losses.lost == {}


def test_released_by_one_and_held_by_the_next() -> None:
    first, second, keeper = Holder(), Holder(), Keeper()
    made, _, _ = chain(first, Adder(1), second, keeper)
    made.handle(batch(1))
    # The second one is asked after the first one: what the first lets go of comes out in the same round.
    assert numbers(made.flush()) == [[2]]
    assert keeper.numbers == [[2]]


@pytest.mark.parametrize("release", ["tick", "flush"])
def test_failing_to_release_stops_nobody(release: str) -> None:
    failing, holder = Failing(release), Holder()
    made, losses, failures = chain(failing, holder)
    made.handle(batch(1))
    assert numbers(getattr(made, release)()) == [[1]]
    assert failures == [(failing, f"{release} failed")]
    assert losses.lost == {}


def test_a_released_batch_may_fail_further_on() -> None:
    holder, failing, last = Holder(), Failing("handle"), Failing()
    made, losses, failures = chain(holder, failing, last)
    made.handle(batch(1, 2))
    assert list(made.tick()) == []
    assert losses.lost == {"Failing failed": 2}
    assert failures == [(failing, "handle failed")]
    assert last.calls == ["tick"], "the others are asked all the same"


def test_a_generator_may_fail_while_it_gives() -> None:
    class Half(Handler):
        def tick(self):  # type: ignore[no-untyped-def]
            yield batch(1)
            raise RuntimeError("half way")

    made, _, failures = chain(Half(), Keeper())
    list(made.tick())
    assert [text for _, text in failures] == ["half way"]


def test_all_are_closed() -> None:
    handlers = [Failing("close"), Keeper(), Failing("close"), Keeper()]
    made, _, failures = chain(*handlers)
    made.close()
    assert [handler.closes for handler in handlers if isinstance(handler, Keeper)] == [1, 1]
    assert [handler for handler, _ in failures] == [handlers[0], handlers[2]]


def test_chains_in_chains() -> None:
    keeper = Keeper()
    inner, inner_losses, _ = chain(Adder(1), Holder(), Adder(1))
    made, losses, _ = chain(Adder(10), inner, keeper)
    assert made.handle(batch(0)) is None
    made.flush()
    assert keeper.numbers == [[12]]
    assert (losses.lost, inner_losses.lost) == ({}, {})


# Fan-out


def test_fan_out_to_every_branch() -> None:
    left, right = Keeper(), Keeper()
    fan_out = FanOut([chain(Adder(1), left)[0], Dropper(), chain(right)[0]])
    given = batch(1)
    assert fan_out.handle(given) is given, "unchanged, whatever the branches make of it"
    assert (left.numbers, right.numbers) == ([[2]], [[1]])


def test_a_failing_branch_harms_no_other() -> None:
    keeper = Keeper()
    broken, losses, failures = chain(Failing("handle", "tick", "flush", "close"))
    fan_out = FanOut([broken, chain(keeper)[0]])
    given = batch(1, 2)
    assert fan_out.handle(given) is given
    assert list(fan_out.tick()) == list(fan_out.flush()) == []
    fan_out.close()
    assert (keeper.numbers, keeper.ticks, keeper.flushes, keeper.closes) == ([[1, 2]], 1, 1, 1)
    assert losses.lost == {"Failing failed": 2}
    assert [text for _, text in failures] == ["handle failed", "tick failed", "flush failed", "close failed"]


def test_branches_release_within_themselves() -> None:
    keeper = Keeper()
    fan_out = FanOut([chain(Holder(), keeper)[0]])
    made, _, _ = chain(fan_out)
    made.handle(batch(1))
    assert keeper.seen == []
    assert list(made.tick()) == []
    assert keeper.numbers == [[1]]
    made.handle(batch(2))
    assert list(made.flush()) == []
    assert keeper.numbers == [[1], [2]]


def test_a_failing_branch_is_called_by_its_name() -> None:
    fan_out = FanOut([Keeper(), Failing("handle")])
    made, losses, _ = chain(fan_out)
    assert made.handle(batch(1, 2)) is None
    assert losses.lost == {"Failing failed": 2}


def test_every_branch_is_closed_also_after_one_that_fails_to() -> None:
    keeper = Keeper()
    made, _, failures = chain(FanOut([Failing("close"), keeper]))
    made.close()
    assert keeper.closes == 1
    assert [text for _, text in failures] == ["close failed"]
