import asyncio

from ...worker.gate import Gate


def test_what_comes_together_shares_a_question():
    async def scenario():
        asked = []
        gate = Gate(lambda: asked.append(1))
        first = asyncio.create_task(gate.is_open())
        await asyncio.sleep(0)
        later = [asyncio.create_task(gate.is_open()) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(asked) == 1

        gate.on_answer()
        assert await first is True
        assert [task.done() for task in later] == [False] * 3  # They came after the question.
        assert len(asked) == 2

        gate.on_answer()
        assert await asyncio.gather(*later) == [True] * 3
        assert len(asked) == 2

    asyncio.run(scenario())


def test_nothing_passes_when_the_code_has_been_replaced():
    async def scenario():
        gate = Gate(lambda: None)
        waiting = [asyncio.create_task(gate.is_open()) for _ in range(2)]
        await asyncio.sleep(0)

        gate.retire()

        assert await asyncio.gather(*waiting, gate.is_open()) == [False] * 3
        gate.on_answer()  # One that was under way.

    asyncio.run(scenario())


def test_one_that_is_cancelled_does_not_disturb_the_others():
    async def scenario():
        gate = Gate(lambda: None)
        one, other = asyncio.create_task(gate.is_open()), asyncio.create_task(gate.is_open())
        await asyncio.sleep(0)
        one.cancel()
        gate.on_answer()
        gate.on_answer()

        assert await other is True

    asyncio.run(scenario())
