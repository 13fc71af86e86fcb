"""Server-sent events and websockets in a real Chromium, across saves.

DEVSERVER_EDITS sets how often the files are saved.
"""

import os
import time

from .test_asgi_saves import figures
from .test_browser import browser  # noqa: F401

EDITS = int(os.environ.get("DEVSERVER_EDITS", "20"))
RECONNECT = 1.0  # seconds; on a machine that does nothing else it is a tenth of that
# No </body>: our script is not added, so the page stays through all saves. A websocket has no reconnection of its own.
PAGE = """<!doctype html><title>Streams</title><p>{{ word }}</p>
<script>
const seen = {events: [], websocket: []}, problems = [];
let saved = 0;
function note(kind, text, began) {
  const version = Number(text.slice(0, 4));
  if (version < saved) problems.push(`${kind}: ${text} after save ${saved}`);
  if (began !== undefined) seen[kind].push(performance.now() - began);
}
let lost = performance.now();
const source = new EventSource("/events");
source.onmessage = (event) => { note("events", event.data, lost); lost = undefined; };
source.onerror = () => {
  lost = performance.now();
  if (source.readyState === EventSource.CLOSED) problems.push("events: closed for good");
};
function connect(began) {
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onopen = () => socket.send("hello");
  socket.onmessage = (event) => { note("websocket", event.data, began); began = undefined; };
  socket.onclose = (event) => {
    if (event.code !== 1012) problems.push(`websocket: closed with ${event.code}`);
    connect(performance.now());
  };
}
connect(performance.now());
</script>
"""


def test_event_sources_and_websockets_across_saves(browser, asgi_site):  # noqa: F811
    """Each comes back soon after each save, hears no old code, and no websocket is lost without a close."""
    asgi_site.write("templates/page.html", PAGE)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{asgi_site.port}/page")
    for number in range(1, EDITS + 1):
        page.wait_for_function("count => Object.values(seen).every((times) => times.length >= count)", arg=number)
        time.sleep(0.1)
        asgi_site.edit("blog/views.py", f'"{number - 1:04}"', f'"{number:04}"')
        assert asgi_site.text() == f"{number:04}"
        page.evaluate("number => { saved = number }", number)
    page.wait_for_function("count => Object.values(seen).every((times) => times.length >= count)", arg=EDITS + 1)
    seen, problems = page.evaluate("[seen, problems]")
    page.close()

    for kind, times in seen.items():
        times = [milliseconds / 1000 for milliseconds in times[1:]]
        print(f"{kind}: {len(times)} times back; until the first answer, ms: {figures(times)}")
        assert sorted(times)[len(times) // 2] < RECONNECT
    assert problems == []
