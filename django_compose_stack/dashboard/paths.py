"""What DashboardMiddleware answers, from / on: a URLconf needs a pattern that includes another with a namespace."""

from django.urls import include, path

urlpatterns = [path("", include("django_compose_stack.dashboard.urls"))]
