"""What config.urls has while DEBUG is on, and views that fail."""

from django.contrib import admin
from django.db import connection
from django.http import HttpResponse
from django.urls import include, path

from apps.pages.models import Note


def query(request, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
    return HttpResponse("done")


def mistake(request):
    raise ValueError("a mistake of the project's own")


def loop(request):
    for pk in range(7):
        Note.objects.filter(pk=pk).exists()
    return HttpResponse("done")


urlpatterns = [
    path("_stack/", include("django_compose_stack.dashboard.urls")),
    path("", include("apps.pages.urls")),
    path("admin/", admin.site.urls),
    path("query/<str:sql>/", query),
    path("mistake/", mistake),
    path("loop/", loop),
]
