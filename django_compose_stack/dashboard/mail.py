"""The pages of the mail that development has kept. They are for the developer's own machine alone."""

from collections.abc import Callable
from functools import wraps

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from django_compose_stack import mail
from django_compose_stack.dashboard.local import development_only, why_not_local
from django_compose_stack.dashboard.requests import OWN

# Of an HTML part, which anybody may have written: it runs no script, sends no form and loads nothing, no picture
# that tells its sender of the reader either. The page around it adds a sandbox of its own.
POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; font-src data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# Links open in a tab of their own: the frame may show nothing but the message.
TARGET = '<!doctype html><base target="_blank">'


def local_only(view: Callable) -> Callable:
    """Answer 403 where another machine may be asking: a mail may hold a link that resets a password."""

    @development_only
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if reason := why_not_local(request):
            raise PermissionDenied(f"{reason} Mail is shown to this machine alone.")
        return view(request, *args, **kwargs)

    return guarded


@require_safe
@local_only
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "stack/mail.html", {"messages": list(mail.messages()), "limit": mail.MAX_KEPT})


@require_safe
@local_only
def message(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "stack/message.html", {"mail": found(name)})


@require_safe
@local_only
def html(request: HttpRequest, name: str) -> HttpResponse:
    # SAMEORIGIN, because the default of Django's middleware shows it in no frame.
    headers = {"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "no-referrer"}
    return HttpResponse(TARGET + found(name).html, headers=headers)


@require_safe
@local_only
def attachment(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Answer with a file to save. No browser shows it as a page of this site."""
    file = found(name).attachment(number)
    if file is None:
        raise Http404("The message has no such attachment.")
    headers = {
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": content_disposition_header(True, file[0]),
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(file[1], content_type="application/octet-stream", headers=headers)


@require_POST
@local_only
def clear(request: HttpRequest) -> HttpResponse:
    mail.clear()
    return redirect(f"{OWN}mail/")


def found(name: str) -> mail.Mail:
    message = mail.read(name)
    if message is None:
        raise Http404("There is no such message. It may have been deleted.")
    return message
