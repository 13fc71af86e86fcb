from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("apps.pages.urls")),
    path("admin/", admin.site.urls),
]
handler500 = "django_compose_stack.errors.server_error"
if settings.DEBUG:
    # First, so that no pattern of the project hides it; and last, where the project has no front page yet.
    urlpatterns.insert(0, path("_stack/", include("django_compose_stack.dashboard.urls")))
    urlpatterns.append(path("", RedirectView.as_view(pattern_name="stack:dashboard")))
