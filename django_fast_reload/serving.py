"""The server: load what Django loads, then answer the connections that the supervisor hands over."""

import io
import os
import socket
import sys
import threading
import time
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management.base import OutputWrapper, SystemCheckError
from django.core.servers.basehttp import WSGIRequestHandler
from django.db import connections
from django.template import engines
from django.urls import get_resolver
from django.utils import autoreload

from . import channel, debugging, pages
from .answers import EDITOR
from .bytecode import remove_folder
from .inject import Inject

PATIENCE = 30  # seconds that a request may still take after its code has been replaced
QUIET = 0.2  # seconds without a request before the checks start
DEBUGGERS = {"pdb", "bdb", "ipdb", "pudb", "IPython", "pydevd", "_pydevd_bundle", "_pydevd_sys_monitoring"}
INNOCENT = {"django", "asgiref", "psycopg", "psycopg_binary", *sys.stdlib_module_names}  # may be imported ahead


class Reloader(autoreload.BaseReloader):
    """What receivers of Django's autoreload signals get as their sender: they tell it what else to watch."""

    def places(self) -> dict[str, Path]:
        """Return the folders to watch: as the supervisor names them, with symlinks resolved, and as Django does."""
        folders = [*self.directory_globs, *(Path(file).absolute().parent for file in self.extra_files)]
        return {os.path.realpath(folder): folder for folder in folders}

    def concerned(self, path: str) -> Path | None:
        """Return the path as Django names it where a receiver asked for that file."""
        for real, folder in self.places().items():
            if path.startswith(real + "/"):
                file = folder / path[len(real) + 1 :]
                globs = self.directory_globs.get(folder, ())
                if any(file.match(glob.removeprefix("**/")) for glob in globs) or file in map(Path, self.extra_files):
                    return file
        return None


class Server:
    """Answers one request a connection, so that each request passes the supervisor's barrier."""

    def __init__(self, command, options: dict, snapshots):
        self.command, self.options, self.snapshots = command, options, snapshots
        self.tell = snapshots.recorder.tell
        self.orders = snapshots.orders
        self.threads: set[threading.Thread] = set()
        self.reloader = Reloader()
        self.last_request = 0.0
        self.announcing, self.is_announced = threading.Lock(), False

    def load(self) -> None:
        """Load the whole project, URLconf last: it imports the views, which are edited most."""
        handler = self.command.get_handler(**self.options)
        engines.all()
        get_resolver().url_patterns  # noqa: B018 (loads the URLconf)
        self.snapshots.checkpoint("")
        if self.orders["fresh"]:
            self.prepare()
        http = type("Server", (self.command.server_cls,), {})(
            ("", 0), WSGIRequestHandler, ipv6=self.command.use_ipv6, bind_and_activate=False
        )
        http.socket.close()
        http.server_name, http.server_port = self.command.addr, self.orders["port"]
        http.setup_environ()
        is_wanted = getattr(settings, "DEVSERVER_BROWSER", True)
        http.set_app(Inject(handler, self.orders["version"]) if is_wanted else handler)
        self.http = http

    def prepare(self) -> None:
        """Do what is due once, before the first request of all."""
        self.snapshots.paused = True  # The database is open now, and the project has been loaded.
        try:
            self.command.check_migrations()
        except Exception as error:
            # A database that is away is no reason not to serve: the pages will say it.
            self.command.stderr.write(f"The migrations could not be checked: {error}")
        for connection in connections.all(initialized_only=True):
            connection.close()

    def run(self) -> None:
        """Serve until the supervisor closes the connection. Never returns."""
        recorder = self.snapshots.recorder
        recorder.flush()
        recorder.loading = False
        self.snapshots.finish()
        self.loaded = set(sys.modules)
        fresh = self.orders["fresh"]
        if not self.orders["watched"]:
            # Before the first request: a template that is rendered must be watched. Later processes have time for it.
            self.announce()
        if self.orders["debugger"]:
            debugging.join(self.orders["debugger"])
        if fresh:
            self.command.on_bind(self.orders["port"])
        self.tell(
            {
                "serving": {
                    "url": getattr(settings, "DEVSERVER_URL", ""),
                    "editor": getattr(settings, "DEVSERVER_EDITOR", EDITOR),
                }
            }
        )
        threading.Thread(target=self.check, args=(fresh,), daemon=True).start()
        while True:
            message, fds = channel.receive(recorder.live)
            if message is None:
                self.drain()
            if "stop" in message:
                sys.exit(0)
            if "changed" in message:
                self.notify(message["changed"])
            for fd in fds:
                self.answer(socket.socket(fileno=fd))

    def answer(self, connection: socket.socket) -> None:
        self.last_request = time.monotonic()
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

    def drain(self) -> None:
        """Finish the requests under way, then end. Someone who sits in a debugger has all the time there is."""
        deadline = time.monotonic() + PATIENCE
        told = False
        while self.threads and self.is_supervised() and (time.monotonic() < deadline or self.is_debugged()):
            for thread in list(self.threads):
                thread.join(0.05)
            if not told and self.is_debugged():
                told = True
                print("The debugger stays open on the old code; new requests get the new code.", flush=True)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if not self.is_supervised():
            remove_folder(self.orders["bytecode"])  # The supervisor was killed, and could not.
        # No atexit handlers: the snapshots go on using what those would remove.
        os._exit(0)

    def is_supervised(self) -> bool:
        try:
            channel.send(self.snapshots.recorder.live, {"draining": len(self.threads)})
        except OSError:
            return False
        return True

    def is_debugged(self) -> bool:
        frames = sys._current_frames()
        for frame in [frames.get(thread.ident) for thread in list(self.threads)]:
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
        self.tell({"used": {"modules": self.late_modules(), "pages": pages.own()}})
        serious = False
        self.command.stdout = self.command.stderr = OutputWrapper(output := io.StringIO())
        try:
            if not self.options["skip_checks"]:
                self.command.check(display_num_errors=fresh)
            if not fresh:
                self.command.check_migrations()
        except SystemCheckError as error:
            serious = True
            output.write(f"{error}\n")
        except Exception as error:
            output.write(f"The checks could not be run: {error}\n")
        finally:
            connections.close_all()
        self.tell({"checks": {"text": output.getvalue().strip()[: 16 * 1024], "serious": serious}})

    def late_modules(self) -> list[str]:
        """Return the modules that requests imported and that may be imported ahead: none of the project's."""
        project = self.snapshots.recorder.project
        return [
            name
            for name, module in list(sys.modules.items())
            if name not in self.loaded
            and name.partition(".")[0] in INNOCENT
            and not ((path := getattr(module, "__file__", None)) and project.locate(path, code=True))
        ]

    def announce(self) -> None:
        """Send Django's signal, then tell the supervisor what else is to be watched: only what is not installed."""
        with self.announcing:
            if self.is_announced:
                return
            self.is_announced = True
            autoreload.autoreload_started.send(sender=self.reloader)
        places = {*self.reloader.places(), *static_folders()}
        project = self.snapshots.recorder.project
        self.tell({"folders": sorted(place for place in places if project.locate(f"{place}/", code=True))})

    def notify(self, paths: list[str]) -> None:
        """Send file_changed for files that are no part of the process: templates, translations."""
        self.announce()  # Else the receivers would not have said yet what concerns them.
        restart = ""
        for path in paths:
            file = self.reloader.concerned(path)
            if file is not None:
                results = autoreload.file_changed.send(sender=self.reloader, file_path=file)
                if not any(handled for _, handled in results):
                    restart = path
        self.tell({"notified": {"files": paths, "restart": restart}})


def static_folders() -> set[str]:
    if not apps.is_installed("django.contrib.staticfiles"):
        return set()
    storages = (getattr(finder, "storages", {}).values() for finder in get_finders())
    return {os.path.realpath(storage.location) for some in storages for storage in some if hasattr(storage, "location")}
