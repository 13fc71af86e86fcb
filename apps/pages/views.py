import platform

import django
from django.db import connection
from django.urls import reverse_lazy
from django.views.generic import CreateView

from apps.pages.models import Note

NOTES_SHOWN = 20


class NoteList(CreateView):
    """Lists the newest notes, and adds one."""

    model = Note
    fields = ["text"]
    template_name = "pages/notes.html"
    success_url = reverse_lazy("pages:notes")

    def get_context_data(self, **kwargs):
        database = ".".join(map(str, connection.get_database_version()))
        return super().get_context_data(
            notes=Note.objects.all()[:NOTES_SHOWN],
            versions=[
                f"Django {django.get_version()}",
                f"Python {platform.python_version()}",
                f"{connection.display_name} {database}",
            ],
            **kwargs,
        )
