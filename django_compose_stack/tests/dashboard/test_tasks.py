"""The tasks on the dashboard. What it shows of them, and the button at work, is in stack/test_services.py."""

import pytest
from django.test import Client

RETRY = "/_stack/tasks/0b6d4be0-7f0c-4c5f-9d1c-3c7b7d6f2b11/retry/"


@pytest.mark.django_db
def test_project_without_a_worker_has_no_tasks(client):
    assert 'id="tasks"' not in client.get("/_stack/").text


def test_button_needs_post_and_the_token_of_the_page(client):
    assert client.get(RETRY).status_code == 405
    assert Client(enforce_csrf_checks=True).post(RETRY).status_code == 403


def test_button_is_not_for_other_machines_nor_without_debug(client, settings):
    elsewhere = client.post(RETRY, REMOTE_ADDR="192.0.2.7")
    settings.DEBUG = False

    assert elsewhere.status_code == 403
    assert "192.0.2.7, which is another machine" in elsewhere.text
    assert client.post(RETRY).status_code == 404
