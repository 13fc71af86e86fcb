import asyncio

import pytest

from ...worker.lifespan import UNEXPLAINED, Lifespan


def run(application) -> list:
    """Start and stop; return the kinds of events that the application got."""
    seen = []

    async def noting(scope, receive, send):
        async def note():
            message = await receive()
            seen.append(message["type"])
            return message

        await application(scope, note, send)

    async def scenario():
        lifespan = Lifespan(noting)
        await lifespan.start()
        await lifespan.stop(0.1)

    asyncio.run(scenario())
    return seen


def test_start_and_stop():
    async def application(scope, receive, send):
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})

    assert run(application) == ["lifespan.startup", "lifespan.shutdown"]


def test_an_application_that_does_not_know_it():
    async def application(scope, receive, send):
        raise ValueError("only http")

    assert run(application) == []


def test_an_error_at_the_start_is_raised():
    async def application(scope, receive, send):
        await receive()
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        run(application)


@pytest.mark.parametrize(("message", "text"), [({"message": "no broker"}, "no broker"), ({}, UNEXPLAINED)])
def test_a_failure_that_the_application_reports(message, text):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", **message})

    with pytest.raises(RuntimeError, match=text):
        run(application)


def test_an_end_that_never_comes(caplog):
    async def application(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await asyncio.sleep(3600)

    assert run(application) == ["lifespan.startup"]
    assert "did not end within 0.1 s" in caplog.text
