from django.urls import path

from apps.pages.views import NoteList

app_name = "pages"
urlpatterns = [
    path("", NoteList.as_view(), name="notes"),
]
