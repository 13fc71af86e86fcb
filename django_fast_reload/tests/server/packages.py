"""A project that uses packages which do more than others when they are imported, and an environment with them."""

from pathlib import Path

from .site import FILES, Site

CELERY = """
from celery import Celery
app = Celery("site", broker="memory://", backend="cache+memory://")
app.conf.task_always_eager = True
app.autodiscover_tasks(["blog"])
"""
TASKS = """
from celery import shared_task
@shared_task
def word():
    return "one"
"""
OPENTELEMETRY = """
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult, {processor}
class Exporter(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor({processor}(Exporter()))
DjangoInstrumentor().instrument()
"""
SENTRY = """
import sentry_sdk
sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, send_default_pii=True)
"""
SCHEDULER = """
        from apscheduler.schedulers.background import BackgroundScheduler
        from . import words
        self.runs = []
        scheduler = BackgroundScheduler()
        scheduler.add_job(lambda: self.runs.append(words.WORD), "interval", seconds=0.05)
        scheduler.start()
"""
TOOLBAR = """
INSTALLED_APPS.append("debug_toolbar")
INTERNAL_IPS = ["127.0.0.1"]
MIDDLEWARE.insert(0, "debug_toolbar.middleware.DebugToolbarMiddleware")
"""
TOOLBAR_URLS = 'path("d/", include("debug_toolbar.urls")),'
THREAD = "a module started a thread"


class PackageSite(Site):
    """settings: lines at the end of them; files: instead of FILES, or besides."""

    def __init__(self, root: Path, python: Path):
        super().__init__(root)
        self.python = python

    def settings(self, lines: str) -> None:
        self.write("config/settings.py", FILES["config/settings.py"] + lines)

    def import_into_views(self, line: str) -> None:
        self.edit("blog/views.py", "import os", f"{line}\nimport os")

    def save_a_view(self) -> None:
        """Edit a view twice, and see the new code each time: the second goes on from as near as it can."""
        for number in range(2):
            self.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
            assert self.get() == (200, f"{number + 1:04}".encode())

    def begins_at(self) -> str:
        """Return the file from which on the last save executed the project anew; empty for the start."""
        return self.status()["history"][-1]["before"]

    def says(self, reason: str) -> bool:
        return f"reloads start further back: {reason}" in self.log.read_text()
