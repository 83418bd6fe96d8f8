"""The queue behind the callbacks: groups of bounded size, and an answer for everyone who waits."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from notifier.store.callbacks import Raw
from notifier.web.batch import CallbackQueue, Limits

Write = Callable[[Sequence[Raw]], None]


def answers_of(
    count: int, write: Write, limits: Limits, is_behind: Callable[[], bool] = lambda: False
) -> tuple[list[bool], list[int]]:
    """Puts so many, and closes: (whether each was taken, the numbers that were answered with "safe")."""

    async def work() -> tuple[list[bool], list[int]]:
        safe: list[int] = []
        with ThreadPoolExecutor(1) as executor:
            queue = CallbackQueue(write, limits, executor, is_behind)
            raws: list[Raw] = [(number, "") for number in range(count)]
            taken = [queue.put(raw, lambda ok, n=number: ok and safe.append(n)) for number, raw in enumerate(raws)]
            assert safe == []  # nobody is answered before something is written
            await queue.close()
            assert not queue.put((1, ""), lambda _: None)
        return taken, safe

    return asyncio.run(work())


def test_no_group_is_larger_than_the_limit_and_the_order_is_kept() -> None:
    groups: list[list[int | None]] = []
    taken, safe = answers_of(450, lambda group: groups.append([key for key, _ in group]), Limits(size=200))
    assert all(taken)
    assert [len(group) for group in groups] == [200, 200, 50]
    assert [key for group in groups for key in group] == safe == list(range(450))


def test_only_the_group_that_was_not_written_is_told_so() -> None:
    def write(group: Sequence[Raw]) -> None:
        if (3, "") in group:
            raise OSError

    taken, safe = answers_of(6, write, Limits(size=2))
    assert all(taken)
    assert safe == [0, 1, 4, 5]


def test_a_full_or_closing_queue_takes_nothing_more() -> None:
    taken, safe = answers_of(3, lambda _: None, Limits(room=2))
    assert (taken, safe) == ([True, True, False], [0, 1])


def test_what_comes_while_a_group_is_being_written_is_the_next_group() -> None:
    async def work() -> list[int]:
        sizes: list[int] = []
        begun, goes_on = threading.Event(), threading.Event()

        def write(group: Sequence[Raw]) -> None:
            sizes.append(len(group))
            begun.set()
            goes_on.wait(10)

        with ThreadPoolExecutor(1) as executor:
            queue = CallbackQueue(write, Limits(), executor, lambda: False)
            queue.put((0, ""), lambda _: None)
            await asyncio.to_thread(begun.wait, 10)
            for number in range(1, 8):
                queue.put((number, ""), lambda _: None)
            goes_on.set()
            await queue.close()
        return sizes

    assert asyncio.run(work()) == [1, 7]


def test_what_never_becomes_receipts_keeps_nobody_waiting_for_ever() -> None:
    async def work() -> list[bool]:
        answers: list[bool] = []
        with ThreadPoolExecutor(1) as executor:
            queue = CallbackQueue(lambda _: None, Limits(size=1, longest=0.2), executor, lambda: True)
            for number in range(3):
                queue.put((number, ""), answers.append)
            await asyncio.sleep(0.05)
            assert answers == []
            async with asyncio.timeout(5):
                while len(answers) < 3:
                    await asyncio.sleep(0.01)
            await queue.close()
        return answers

    assert asyncio.run(work()) == [True] * 3
