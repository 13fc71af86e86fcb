import io
import platform
import threading

import django
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_POST, require_safe

from django_compose_stack import mail
from django_compose_stack.dashboard import network, reloads, requests, stations, variables
from django_compose_stack.dashboard.database import look
from django_compose_stack.dashboard.local import development_only, why_not_local

one_at_a_time = threading.Lock()


@require_safe
@development_only
def dashboard(request: HttpRequest) -> HttpResponse:
    port = int(request.META["SERVER_PORT"])
    listens = network.listening(port)
    itself = "127.0.0.1" if network.is_open("127.0.0.1", listens) or not listens else listens[0]
    database, devserver = look(), reloads.ask(itself, port)
    context = {
        "database": database,
        "stations": stations.chain(request, listens, database),
        "addresses": stations.addresses(port, listens),
        "shared": stations.shared(port),
        "not_local": why_not_local(request),
        "qr": qr_code(stations.shared(port)) if settings.SHARED_AT else "",
        "mail": len(mail.names()),
        "tasks": database.tasks,
        "requests": requests.recent(),
        "reloads": reloads.recent(devserver),
        "tests": (devserver or {}).get("tests"),
        "variables": variables.variables(),
        "settings": variables.changed_settings(),
        "versions": [f"Python {platform.python_version()}", f"Django {django.get_version()}", database.label],
    }
    return render(request, "stack/dashboard.html", context)


def qr_code(text: str) -> SafeString:
    """Return a QR code as an SVG element; empty if segno, a development package, is not installed."""
    try:
        import segno
    except ImportError:
        return SafeString()
    # Black on white in dark mode too: some cameras cannot read inverted codes.
    return mark_safe(segno.make(text, micro=False).svg_inline(border=2, dark="#000", light="#fff", omitsize=True))


@require_POST
@development_only
def migrate(request: HttpRequest) -> HttpResponse:
    """Apply the migrations, then redirect to the page that `next` names; show the error if they fail."""
    if reason := why_not_local(request):
        raise PermissionDenied(f"{reason} Run: make migrate")
    output = io.StringIO()
    error = look().reason
    if not error:
        try:
            # A second click waits, then does nothing.
            with one_at_a_time:
                call_command("migrate", interactive=False, no_color=True, stdout=output, stderr=output)
        except Exception as failure:
            # A migration can raise anything, and the developer should see it here.
            error = f"{type(failure).__name__}: {failure}".strip()
    if error:
        context = {"error": error, "output": output.getvalue()}
        return render(request, "stack/failed.html", context, status=500)
    target = request.POST.get("next", "")
    allowed = url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/")
    return redirect(target if allowed else requests.OWN)
