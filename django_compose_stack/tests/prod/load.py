"""A constant load on a production, like that of some browsers, of which every answer is looked at."""

import collections
import http.client
import re
import ssl
import threading
import time
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from django_compose_stack.tests.prod.production import STYLESHEET

THREADS = 8
PAUSE = 0.04  # seconds between two rounds of one thread
EXPECTED = {"page": 200, "style": 200, "note": 302}


class Load:
    """Reads the page and its stylesheet, and writes notes, until the `with` block ends.

    answers: how often each (what, status) came; status is the error's text where no answer came.
    acknowledged: the texts of the notes whose form was accepted.
    tls: as browsers do with HTTPS; which, too, ask once more where a connection that was kept turns out to be closed.
    """

    def __init__(self, production, pause: float = PAUSE, tls: bool = False):
        self.tls = tls
        self.port = int(production.variables["HTTPS_PORT" if tls else "HTTP_PORT"])
        self.pause = pause
        self.answers: collections.Counter = collections.Counter()
        self.acknowledged: list[str] = []
        self.slowest = 0.0  # seconds
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.visit_or_say_why, args=[number]) for number in range(THREADS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    @property
    def failed(self) -> dict:
        return {answer: count for answer, count in self.answers.items() if EXPECTED.get(answer[0]) != answer[1]}

    def visit_or_say_why(self, number: int) -> None:
        try:
            self.visit(number)
        except Exception as error:
            self.answers["visitor", repr(error)] += 1

    def connection(self, number: int) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)

    def visit(self, number: int) -> None:
        connection = self.connection(number)
        for turn in range(1_000_000):
            if self.ending.wait(self.pause):
                break
            if turn % 50 == 0:
                # Browsers come and go.
                connection.close()
            page = self.ask(connection, "page", "GET", "/")
            if not page:
                continue
            body, cookies = page
            self.ask(connection, "style", "GET", STYLESHEET.search(body)[1])
            if turn % 3 == 0:
                text = f"{number}-{turn}-{time.time_ns()}"
                token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', body)[1]
                cookie = SimpleCookie(cookies)["csrftoken"].value
                form = urlencode({"csrfmiddlewaretoken": token, "text": text})
                headers = {"Cookie": f"csrftoken={cookie}", "Content-Type": "application/x-www-form-urlencoded"}
                headers |= {"Origin": f"https://localhost:{self.port}"} if self.tls else {}
                if self.ask(connection, "note", "POST", "/", form, headers):
                    self.acknowledged.append(text)
        connection.close()

    def ask(self, connection, what, method, path, form=None, headers=None):
        """Send one request and count its answer. Return (body, cookies) if it is the expected one, else None."""
        started = time.monotonic()
        was_kept = connection.sock is not None
        try:
            connection.request(method, path, form, {"Host": f"localhost:{self.port}", **(headers or {})})
            response = connection.getresponse()
            status, body = response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if self.tls and was_kept and isinstance(error, ConnectionError | ssl.SSLEOFError):
                return self.ask(connection, what, method, path, form, headers)
            status = f"{type(error).__name__}: {error}"
        self.answers[what, status] += 1
        self.slowest = max(self.slowest, time.monotonic() - started)
        return (body, response.getheader("Set-Cookie")) if status == EXPECTED[what] else None
