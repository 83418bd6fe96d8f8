"""The queue behind the callbacks: groups of bounded size, and an answer for everyone who waits."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from notifier.model import Receipt
from notifier.web.batch import Limits, NotStored, ReceiptQueue

T = TypeVar("T")


def run_queue(work: Callable[[ReceiptQueue], Awaitable[T]], queue: ReceiptQueue) -> T:
    async def both() -> T:
        running = asyncio.create_task(queue.run())
        result = await work(queue)
        queue.close()
        await running
        return result

    return asyncio.run(both())


def receipts(number: int) -> list[Receipt]:
    return [Receipt("twilio", None, {}, code=str(place)) for place in range(number)]


def test_only_the_refused_receipt_of_a_group_fails() -> None:
    async def work(queue: ReceiptQueue) -> list[object]:
        return await asyncio.gather(*(queue.put(one) for one in receipts(5)), return_exceptions=True)

    results = run_queue(work, ReceiptQueue(lambda group: frozenset({2}), Limits()))
    assert [isinstance(one, NotStored) for one in results] == [False, False, True, False, False]


def test_no_group_is_larger_than_the_limit_and_the_order_is_kept() -> None:
    groups: list[list[str | None]] = []

    def write(group: Sequence[Receipt]) -> frozenset[int]:
        groups.append([one.code for one in group])
        return frozenset()

    async def work(queue: ReceiptQueue) -> None:
        await asyncio.gather(*(queue.put(one) for one in receipts(450)))

    run_queue(work, ReceiptQueue(write, Limits(size=200, linger=0.01)))
    assert [len(group) for group in groups] == [200, 200, 50]
    assert [code for group in groups for code in group] == [str(place) for place in range(450)]


def test_a_full_or_closing_queue_takes_nothing_more() -> None:
    async def work(queue: ReceiptQueue) -> list[object]:
        found = await asyncio.gather(*(queue.put(one) for one in receipts(3)), return_exceptions=True)
        queue.close()
        return [*found, *await asyncio.gather(queue.put(receipts(1)[0]), return_exceptions=True)]

    results = run_queue(work, ReceiptQueue(lambda _: frozenset(), Limits(room=2)))
    assert [isinstance(one, NotStored) for one in results] == [False, False, True, True]


def test_a_provider_that_hangs_up_does_not_disturb_the_others() -> None:
    async def work(queue: ReceiptQueue) -> list[object]:
        waiting = [asyncio.create_task(queue.put(one)) for one in receipts(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    stored: list[Receipt] = []

    def write(group: Sequence[Receipt]) -> frozenset[int]:
        stored.extend(group)
        return frozenset()

    results = run_queue(work, ReceiptQueue(write, Limits()))
    assert [result for result in results if result is None] == [None, None]
    assert len(stored) == 3
