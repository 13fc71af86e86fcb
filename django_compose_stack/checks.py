"""System checks: what the stack needs of a project's settings and URLs, each with the line to write.

An update changes neither, so a version that needs something new of them adds a check here.
"""

from pathlib import Path

from django.conf import settings
from django.core import checks
from django.urls import NoReverseMatch, reverse

MIDDLEWARE = "django_compose_stack.middleware.StackMiddleware"
MAIL_BACKEND = "django_compose_stack.mail.EmailBackend"
DASHBOARD = "django_compose_stack.dashboard."
# What gunicorn.conf.py and `manage.py ready` read.
PRODUCTION = {
    "WEB_CONCURRENCY": 'env.int("WEB_CONCURRENCY", default=0) or os.cpu_count()',
    "WEB_REPLICAS": 'env.int("WEB_REPLICAS", default=1)',
    "WEB_THREADS": "4",
}


@checks.register
def check_production(**kwargs):
    if settings.DEBUG or not Path("gunicorn.conf.py").exists():
        return
    for name, value in PRODUCTION.items():
        if not hasattr(settings, name):
            yield checks.Error(
                f"The setting {name} is missing, and gunicorn.conf.py reads it.",
                hint=f"Write into the settings: {name} = {value}",
                id="django_compose_stack.E001",
            )


@checks.register
def check_mail(**kwargs):
    mailers = getattr(settings, "MAILERS", {"default": {"BACKEND": getattr(settings, "EMAIL_BACKEND", "")}})
    if not settings.DEBUG and any(mailer.get("BACKEND") == MAIL_BACKEND for mailer in mailers.values()):
        yield checks.Error(
            "Mail is kept for the dashboard, which is not there while DEBUG is off, so none is sent.",
            hint="Set EMAIL_URL to smtp+tls://USER:PASSWORD@HOST:PORT.",
            id="django_compose_stack.E002",
        )


@checks.register
def check_health(**kwargs):
    if MIDDLEWARE not in settings.MIDDLEWARE:
        yield checks.Warning(
            "Nothing of the stack answers /healthz, which the containers' health checks request.",
            hint=f'Write "{MIDDLEWARE}" as the first line of MIDDLEWARE.',
            id="django_compose_stack.W001",
        )
    elif settings.MIDDLEWARE[0] != MIDDLEWARE:
        yield checks.Warning(
            f"{settings.MIDDLEWARE[0]} comes before the health endpoints, and may refuse or redirect a probe.",
            hint=f'Move "{MIDDLEWARE}" to the first line of MIDDLEWARE.',
            id="django_compose_stack.W002",
        )


@checks.register
def check_dashboard(**kwargs):
    if not settings.DEBUG or any(name.startswith(DASHBOARD) for name in settings.MIDDLEWARE):
        return
    try:
        reverse("stack:dashboard")
    except NoReverseMatch:
        yield checks.Warning(
            "The dashboard has no address.",
            hint='Write into urlpatterns: path("_stack/", include("django_compose_stack.dashboard.urls"))',
            id="django_compose_stack.W003",
        )
