"""What the stack adds to each request: health endpoints, and while DEBUG is on what the dashboard shows."""

from django.conf import settings
from django.http import JsonResponse

from django_compose_stack.health import OK, readiness


class StackMiddleware:
    """Answer GET /healthz (this process lives) and /readyz (it can serve requests); let the dashboard see the others.

    It comes first in MIDDLEWARE: a probe asks by an address that ALLOWED_HOSTS does not name and does not follow a
    redirect to https, and the dashboard shows how long all of a request takes.
    """

    def __init__(self, get_response):
        if settings.DEBUG:
            from django_compose_stack.dashboard.requests import recorded

            get_response = recorded(get_response)
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/healthz":
            return JsonResponse({"process": OK})
        if request.path == "/readyz":
            state = readiness()
            return JsonResponse(state, status=200 if set(state.values()) == {OK} else 503)
        return self.get_response(request)
