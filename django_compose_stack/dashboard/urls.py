from django.urls import path

from django_compose_stack.dashboard import views

app_name = "stack"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("migrate/", views.migrate, name="migrate"),
]
