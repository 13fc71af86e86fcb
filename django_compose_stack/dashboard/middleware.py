"""The dashboard without a line in urls.py, for projects that had their own before the stack came."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseForbidden, HttpResponseNotFound
from django.urls import resolve
from django.views.decorators.csrf import csrf_protect

from django_compose_stack.dashboard.requests import OWN


class DashboardMiddleware:
    """Answer what is below /_stack/. What comes after it in MIDDLEWARE, a login that is required say, is not asked."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not request.path_info.startswith(OWN):
            return self.get_response(request)
        try:
            match = resolve(f"/{request.path_info[len(OWN) :]}", "django_compose_stack.dashboard.urls")
            # The project's own CSRF middleware comes later, if it has one.
            return csrf_protect(match.func)(request, *match.args, **match.kwargs)
        except Http404:
            return HttpResponseNotFound("Not found.")
        except PermissionDenied as error:
            return HttpResponseForbidden(str(error))
