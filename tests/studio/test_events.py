"""Events: numbered, followed from anywhere within the ring, stale beyond it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

from scumble.studio.events import Events


def test_what_came_after_a_number_comes_in_order() -> None:
    events = Events()
    for k in range(5):
        events.publish("job", {"k": k})
    due = events.since(2)
    assert due is not None
    assert [json.loads(text)["data"]["k"] for _, text in due] == [2, 3, 4]
    assert events.since(5) == []


def test_a_number_that_is_forgotten_or_not_ours_is_stale() -> None:
    events = Events(kept=3)
    for k in range(10):
        events.publish("job", k)
    assert events.since(2) is None
    assert events.since(99) is None
    assert len(events.since(7) or []) == 3


def test_a_follower_hears_what_is_published_and_ends_with_the_studio() -> None:
    async def run() -> list[str]:
        events = Events()
        heard: list[str] = []

        async def follow() -> None:
            async for text in events.follow(0):
                heard.append(text)

        task = asyncio.create_task(follow())
        await asyncio.sleep(0)
        events.publish("job", 1)
        events.publish("job", 2)
        while len(heard) < 3:
            await asyncio.sleep(0)
        assert events.watched
        events.close()
        await task
        assert not events.watched
        return heard

    with ThreadPoolExecutor(1) as pool:  # a browser's test may have left a loop running in the main thread
        heard = pool.submit(asyncio.run, run()).result()
    assert [json.loads(text.split("data: ")[1])["data"] for text in heard[1:3]] == [1, 2]
