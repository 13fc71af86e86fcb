"""The server: load what Django loads, then answer the connections that the supervisor hands over."""

import io
import os
import resource
import select
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from socketserver import BaseServer

from django.conf import settings
from django.core.management.base import OutputWrapper, SystemCheckError
from django.core.servers.basehttp import WSGIRequestHandler, WSGIServer
from django.db import connections
from django.template import engines
from django.urls import get_resolver

from .. import ipc
from ..debugger.host import join
from ..page.inject import Inject
from . import memory
from .watching import Reloader

EXECUTOR_TIMEOUT = 5  # seconds that work of an executor may take after the last request
QUIET = 0.2  # seconds without a request before the checks start
MAX_CHECKS = 16 * 1024  # characters of output
DEBUGGERS = {"pdb", "bdb", "ipdb", "pudb", "IPython", "pydevd", "_pydevd_bundle", "_pydevd_sys_monitoring"}


class Server:
    """Answers one request a connection, so that each request passes the supervisor's barrier."""

    def __init__(self, command, options: dict, snapshotter):
        self.command, self.options, self.snapshotter = command, options, snapshotter
        self.recorder = snapshotter.recorder
        self.send = self.recorder.send
        self.threads: set[threading.Thread] = set()
        # The requests themselves need descriptors too; a connection for which there is none would be lost.
        self.room = threading.BoundedSemaphore(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self.reloader = Reloader()
        self.last_request = 0.0
        self.announcing, self.is_announced = threading.Lock(), False

    def load(self) -> None:
        """Load the whole project, URLconf last: it imports the views, which are edited most."""
        self.load_handler()
        engines.all()
        self.configured_by = self.snapshotter.orders
        self.send(ipc.Configured())
        get_resolver().url_patterns  # noqa: B018 (loads the URLconf)
        application = self.load_application()
        self.snapshotter.checkpoint("")
        if self.snapshotter.orders.is_fresh:
            self.prepare()
        self.port = int(self.command.port) or self.snapshotter.orders.port
        if self.snapshotter.orders.is_fresh:
            self.send(ipc.Address(self.command.addr, self.port, self.command.use_ipv6))
        version = self.snapshotter.orders.version
        self.set_up(application, version if getattr(settings, "DEVSERVER_BROWSER", True) else None)

    def load_handler(self) -> None:
        """Load what is there before the URLconf: middleware, above all."""
        self.handler = self.command.get_handler(**self.options)

    def load_application(self) -> Callable:
        """Return what answers requests."""
        return self.handler

    def set_up(self, application: Callable, version: str | None) -> None:
        """Make what answers requests. version: of the code, for pages; None where they stay as they are."""
        http = type("Server", (self.server_class(),), {})(
            ("", 0), WSGIRequestHandler, ipv6=self.command.use_ipv6, bind_and_activate=False
        )
        http.socket.close()
        http.server_name, http.server_port = self.command.addr, self.port
        http.setup_environ()
        http.set_app(application if version is None else Inject(application, version))
        self.http = http

    def server_class(self) -> type:
        # Daphne's command has a class for the other protocol, also where --noasgi was asked for.
        own = self.command.server_cls
        return own if issubclass(own, BaseServer) else WSGIServer

    def prepare(self) -> None:
        """Do what is due once, before the first request of all."""
        self.snapshotter.is_paused = True  # The database is open now, and the project has been loaded.
        try:
            self.command.check_migrations()
        except Exception as error:
            # A database that does not answer must not keep the server from starting: the pages will show the error.
            self.command.stderr.write(f"Unapplied migrations could not be looked for: {error}")
        for connection in connections.all(initialized_only=True):
            connection.close()

    def run(self) -> None:
        """Serve until the supervisor closes the connection. Never returns."""
        self.recorder.flush()
        self.recorder.is_loading = False
        self.snapshotter.finish()
        self.loaded = set(sys.modules)
        orders = self.snapshotter.orders
        if not orders.is_watched or self.configured_by is orders:
            # Before the first request: a template that is rendered must be watched. A process that goes on from behind
            # the settings wants the same as the one before, and has time for it.
            self.announce()
        if orders.debugger:
            join(orders.debugger)
        if orders.is_fresh:
            self.on_bind()
            sys.stdout.flush()  # Into a file or a pipe it would be written much later, or never.
        editor = getattr(settings, "DEVSERVER_EDITOR", ipc.EDITOR)
        hosts = [str(host) for host in settings.ALLOWED_HOSTS if host]
        self.send(ipc.Serving(self.url(), editor, hosts))
        threading.Thread(target=self.check, args=(orders.is_fresh,), daemon=True).start()
        self.serve()

    def url(self) -> str:
        """Return the address of the site, where the project says it."""
        return getattr(settings, "DEVSERVER_URL", "")

    def on_bind(self) -> None:
        """Say what runs, at the first start of all."""
        self.command.on_bind(self.port)

    def serve(self) -> None:
        while True:
            # Where gevent replaced the threads, only this lets them run; receive() would keep them all waiting.
            select.select([self.recorder.sock], [], [])
            message, fds = ipc.receive(self.recorder.sock)
            if message is None or isinstance(message, ipc.Retire):
                self.drain(message)
            elif isinstance(message, ipc.Connection):
                self.recorder.journal.received += 1
                self.answer(socket.socket(fileno=fds[0]))
            elif isinstance(message, ipc.Changed):
                self.on_changed(message.files)
            elif isinstance(message, ipc.Current):
                self.on_current()
            elif isinstance(message, ipc.Stop):
                sys.exit(0)

    def on_current(self) -> None:
        """The supervisor answers a question that only servers of other kinds ask."""

    def answer(self, connection: socket.socket) -> None:
        self.last_request = time.monotonic()
        self.room.acquire()
        if not self.options["use_threading"]:
            self.process(connection)
            return
        # Not socketserver's ThreadingMixIn: without it Django closes each connection after its response.
        thread = threading.Thread(target=self.process, args=(connection,), daemon=True)
        self.threads.add(thread)
        thread.start()

    def process(self, connection: socket.socket) -> None:
        try:
            address = connection.getpeername()
            self.http.finish_request(connection, address)
        except OSError:
            pass  # The client has gone.
        except Exception:
            self.http.handle_error(connection, address)
        finally:
            self.http.shutdown_request(connection)
            self.threads.discard(threading.current_thread())
            self.room.release()

    def drain(self, order: ipc.Retire | None) -> None:
        """Finish the requests under way and the work that they gave to executors, then end.

        Someone who sits in a debugger has all the time there is. Other threads of the project end with the process.
        """
        deadline = time.monotonic() + ipc.DRAIN_TIMEOUT
        is_reported = is_debugged = False
        while self.threads and self.is_supervised() and (time.monotonic() < deadline or is_debugged):
            for thread in list(self.threads):
                thread.join(0.05)
            is_debugged = self.is_debugged()
            if is_debugged:
                self.send(ipc.Debugging())
            if not is_reported and is_debugged:
                is_reported = True
                print("The debugger stays open on the old code; new requests get the new code.", flush=True)
        self.finish(order)

    def finish(self, order: ipc.Retire | None) -> None:
        """Let executors do what they have, then end."""
        self.finish_executors()
        if order is not None:
            self.snapshotter.finalize(order.position)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if not self.is_supervised():
            # The supervisor was killed, and could not.
            shutil.rmtree(self.snapshotter.orders.bytecode, ignore_errors=True)
        # No atexit handlers: the snapshots go on using what those would remove.
        os._exit(0)

    def finish_executors(self) -> None:
        """Let executors do what was submitted, as the interpreter does at its exit, but for a bounded time."""
        executors = sys.modules.get("concurrent.futures.thread")
        if executors is not None and executors._threads_queues:
            finishing = threading.Thread(target=executors._python_exit, daemon=True)
            finishing.start()
            finishing.join(EXECUTOR_TIMEOUT)

    def is_supervised(self) -> bool:
        try:
            ipc.send(self.recorder.sock, ipc.Recorded())
        except OSError:
            return False
        return True

    def request_threads(self) -> list[threading.Thread]:
        """Return the threads that may run code of requests."""
        return list(self.threads)

    def is_debugged(self) -> bool:
        frames = sys._current_frames()
        for frame in [frames.get(thread.ident) for thread in self.request_threads()]:
            while frame is not None:
                if frame.f_globals.get("__name__", "").partition(".")[0] in DEBUGGERS:
                    return True
                frame = frame.f_back
        return False

    def check(self, fresh: bool) -> None:
        """Run the checks beside the requests, when these leave time."""
        time.sleep(QUIET)
        while time.monotonic() - self.last_request < QUIET:
            time.sleep(QUIET / 2)
        self.announce()
        self.send(ipc.Warm(memory.late_modules(self.recorder.project, self.loaded), memory.own()))
        is_serious = False
        self.command.stdout = self.command.stderr = OutputWrapper(output := io.StringIO())
        try:
            if not self.options["skip_checks"]:
                self.command.check(display_num_errors=fresh)
            if not fresh:
                self.command.check_migrations()
        except SystemCheckError as error:
            is_serious = True
            output.write(f"{error}\n")
        except Exception as error:
            output.write(f"The system checks could not be run: {error}\n")
        finally:
            connections.close_all()
        self.send(ipc.Checks(output.getvalue().strip()[:MAX_CHECKS], is_serious))

    def announce(self) -> None:
        """Send Django's signal, then tell the supervisor what else is to be watched: only what is not installed."""
        with self.announcing:
            if self.is_announced:
                return
            self.is_announced = True
            found = self.reloader.start()
        project = self.recorder.project
        self.send(ipc.Folders(*(sorted(x for x in some if project.locate(f"{x}/", code=True)) for some in found)))

    def on_changed(self, files: list[str]) -> None:
        """Files changed that are no part of the process: templates, translations."""
        self.announce()  # Else the receivers would not have said yet what concerns them.
        self.send(ipc.Handled(files, self.reloader.restart_for(files)))
