"""The server for ASGI: uvicorn's protocols on the connections that the supervisor hands over.

The event loop is made when the last snapshot has been taken, because copies of a process would share what it opens.
"""

import asyncio
import concurrent.futures.thread
import io
import os
import resource
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec

import uvicorn
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import OutputWrapper
from django.utils.module_loading import import_string
from uvicorn.server import ServerState

from .. import asgi, ipc
from ..page.inject_asgi import Inject
from .gate import Gate
from .lifespan import Lifespan
from .server import Server
from .streams import Streams

POLL = 0.01  # seconds
REPORT_INTERVAL = 0.05  # seconds
CLOSE_TIMEOUT = 5.0  # seconds that the code behind a stream may take after its end
GONE_TIMEOUT = 0.5  # seconds that it may take after its connection was cut
CANCEL_TIMEOUT = 1.0  # seconds that code may take after it was cancelled
STOP_TIMEOUT = 0.15  # seconds for the lifespan's end; the supervisor kills soon after
ORPHAN_TIMEOUT = 2.0  # seconds that a process may take to end without a supervisor


def closing(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """Return a protocol that tells the client of the end itself: the supervisor may hold the connection longer."""

    class Closing(protocol):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            with suppress(OSError):
                self.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)

    return Closing


class AsgiServer(Server):
    def load_handler(self) -> None:
        for name in settings.MIDDLEWARE:
            import_string(name)
        self.gate = Gate(lambda: self.send(ipc.Ask()))
        self.streams = Streams(self.gate)
        # What older versions of uvicorn choose for websockets has no orderly end.
        protocol = "websockets-sansio" if find_spec("websockets") else "auto"
        self.config = uvicorn.Config(
            self.streams, interface="asgi3", ws=protocol, log_config=None, access_log=False, proxy_headers=False
        )
        try:
            self.config.load()
        except (KeyError, ImportError) as error:
            raise ImproperlyConfigured(f"{asgi.TOO_OLD.format(uvicorn.__version__)} {asgi.UPGRADE}") from error

    def load_application(self) -> Callable:
        # Behind the URLconf, as with daphne's `runserver`, whose checks load that first: consumers are edited, too.
        return asgi.load_application(self.options)

    def set_up(self, application: Callable, version: str | None) -> None:
        self.streams.application = application if version is None else Inject(application, version)
        self.config.http_protocol_class = closing(self.config.http_protocol_class)
        if self.config.ws_protocol_class:  # Else neither websockets nor wsproto is installed.
            self.config.ws_protocol_class = closing(self.config.ws_protocol_class)
        self.state = ServerState()
        self.state.default_headers = self.config.encoded_headers
        self.accepting: set[asyncio.Task] = set()
        self.is_ending = self.has_debugger = False
        self.error: BaseException | None = None  # that ends this process
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2  # requests need descriptors too

    def run(self) -> None:
        self.snapshotter.is_paused = True
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        if threads := os.environ.get("ASGI_THREADS"):  # as daphne has it
            self.loop.set_default_executor(ThreadPoolExecutor(max_workers=int(threads)))
        self.loop.run_until_complete(self.start_lifespan())
        super().run()

    async def start_lifespan(self) -> None:
        self.lifespan = Lifespan(self.streams)
        await self.lifespan.start()

    def on_bind(self) -> None:
        out, self.command.stdout = self.command.stdout, OutputWrapper(text := io.StringIO())
        try:
            super().on_bind()
        finally:
            self.command.stdout = out
        what = f"ASGI development server (uvicorn {uvicorn.__version__})"
        for words in ("WSGI development server", "development server"):  # since Django 6.0, and before
            if f"Starting {words}" in text.getvalue():
                out.write(text.getvalue().replace(f"Starting {words}", f"Starting {what}", 1), ending="")
                return
        out.write(text.getvalue(), ending="")

    def serve(self) -> None:
        self.django = ThreadPoolExecutor(1)  # Receivers of Django's signals may do what no event loop allows.
        threading.Thread(target=self.watch, daemon=True).start()
        self.loop.add_reader(self.recorder.sock, self.on_readable)
        self.loop.run_forever()
        if self.error:
            raise self.error
        sys.exit(0)

    def on_readable(self) -> None:
        while self.has_room():
            try:
                message, fds = ipc.receive(self.recorder.sock, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if message is None or isinstance(message, ipc.Retire):
                self.loop.remove_reader(self.recorder.sock)
                self.retire(message)
                return
            if isinstance(message, ipc.Connection):
                self.recorder.journal.received += 1
                self.accept(socket.socket(fileno=fds[0]))
            elif isinstance(message, ipc.Current):
                self.gate.on_answer()
            elif isinstance(message, ipc.Changed):
                result = self.loop.run_in_executor(self.django, self.on_changed, message.files)
                result.add_done_callback(self.check_result)
            elif isinstance(message, ipc.Stop):
                self.keep(self.loop.create_task(self.stop()))

    def check_result(self, future: asyncio.Future) -> None:
        """End where a receiver failed, as by WSGI: the supervisor waits for its answer, and sees the end."""
        if error := future.exception():
            self.error = error
            self.loop.stop()

    def has_room(self) -> bool:
        """Leave connections with the supervisor while few descriptors are left, and this process goes on."""
        if self.is_ending or len(self.state.connections) + len(self.accepting) < self.limit:
            return True
        self.loop.remove_reader(self.recorder.sock)
        self.loop.call_later(POLL, self.loop.add_reader, self.recorder.sock, self.on_readable)
        self.gate.on_answer()  # The answer stands behind connections that only the end of others would let in.
        return False

    def accept(self, connection: socket.socket) -> None:
        self.last_request = time.monotonic()
        self.keep(self.loop.create_task(self.loop.connect_accepted_socket(self.make_protocol, connection)))

    def keep(self, task: asyncio.Task) -> None:
        self.accepting.add(task)
        task.add_done_callback(self.accepting.discard)

    def make_protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(self.config, self.state, self.lifespan.state, _loop=self.loop)

    def unfinished(self) -> int:
        return len(self.state.connections | self.state.tasks) + len(self.accepting)

    def retire(self, order: ipc.Retire | None) -> None:
        self.gate.retire()
        self.streams.close()
        self.draining = self.loop.create_task(self.drain(order))

    async def drain(self, order: ipc.Retire | None) -> None:
        """Finish the requests under way, and what belongs to streams that were closed; then end."""
        began = time.monotonic()
        cut = self.loop.call_later(CLOSE_TIMEOUT, self.cut_streams)
        while self.unfinished() and (self.has_debugger or time.monotonic() - began < ipc.DRAIN_TIMEOUT):
            await asyncio.sleep(POLL)
        cut.cancel()
        tasks = list(self.state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_TIMEOUT)
        await self.lifespan.stop()
        self.finish(order)

    def cut_streams(self) -> None:
        """Cut the connections whose clients do not go, do not read or have not asked; then cancel the code behind."""
        for connection in list(self.state.connections):
            # Without a cycle it has not got the head of its request so far.
            is_websocket = isinstance(connection, self.config.ws_protocol_class or ())
            if is_websocket or connection.cycle is None or self.streams.has_closed(connection.scope):
                connection.transport.abort()
        # Most of it ends by itself, when it hears that its client has gone.
        self.loop.call_later(GONE_TIMEOUT, self.streams.cancel)

    async def stop(self) -> None:
        self.gate.retire()
        self.streams.close()
        await self.lifespan.stop(STOP_TIMEOUT)
        self.loop.stop()

    def request_threads(self) -> list[threading.Thread]:
        return [threading.main_thread(), *concurrent.futures.thread._threads_queues]

    def watch(self) -> None:
        """Tell the supervisor, beside the loop, that someone sits in a debugger, which stops the loop.

        It has closed its side when this process is to end.
        """
        end = select.poll()
        end.register(self.recorder.sock, select.POLLRDHUP)
        end.poll()
        self.is_ending = True  # The order itself may stand behind connections for which there was no room.
        is_reported = False
        while self.is_supervised():
            self.has_debugger = self.is_debugged()
            if self.has_debugger:
                self.send(ipc.Debugging())
            if self.has_debugger and not is_reported:
                is_reported = True
                print("The debugger stays open on the old code; new requests get the new code.", flush=True)
            time.sleep(REPORT_INTERVAL)
        time.sleep(ORPHAN_TIMEOUT)
        self.finish(None)
