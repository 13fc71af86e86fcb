import pytest
from django.db import connection
from django.urls import reverse

from apps.pages.models import Note

pytestmark = pytest.mark.django_db


def test_page_says_that_there_are_no_notes_yet(client):
    response = client.get(reverse("pages:notes"))

    assert response.status_code == 200
    assert "No notes yet" in response.text


def test_added_note_is_in_the_database_and_on_the_page(client):
    response = client.post(reverse("pages:notes"), {"text": "Buy <milk>"}, follow=True)

    assert list(Note.objects.values_list("text", flat=True)) == ["Buy <milk>"]
    assert "Buy &lt;milk&gt;" in response.text


def test_newest_note_comes_first(client):
    for text in ("first", "second"):
        Note.objects.create(text=text)

    page = client.get(reverse("pages:notes")).text

    assert page.index("second") < page.index("first")


@pytest.mark.parametrize("text", ["", "x" * 201])
def test_note_that_does_not_fit_is_refused_and_kept_in_the_form(client, text):
    response = client.post(reverse("pages:notes"), {"text": text})

    assert response.status_code == 200
    assert "errorlist" in response.text
    assert text in response.text
    assert not Note.objects.exists()


def test_page_names_the_database_it_reads(client):
    page = client.get(reverse("pages:notes")).text

    assert f"{connection.display_name} {connection.get_database_version()[0]}" in page


def test_page_runs_nothing_from_elsewhere(client):
    policy = client.get(reverse("pages:notes")).headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
