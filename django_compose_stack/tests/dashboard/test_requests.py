import threading

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from django_compose_stack.dashboard import requests


def record(path="/", respond=HttpResponse):
    return requests.recorded(lambda request: respond())(RequestFactory().get(path))


@pytest.mark.django_db
def test_request_is_recorded_with_its_queries(client):
    client.get("/?token=secret")

    (entry,) = requests.recent()
    assert (entry.method, entry.path, entry.status) == ("GET", "/", 200)
    assert entry.queries >= 1
    assert 0 < entry.query_ms < entry.ms


@pytest.mark.django_db
def test_query_in_a_loop_is_noticed(client):
    client.get("/loop/")

    (entry,) = requests.recent()
    assert (entry.queries, entry.alike) == (7, 7)
    assert "7 identical: a query in a loop?" in client.get("/_stack/").text


@pytest.mark.django_db
def test_request_that_fails_is_recorded_too(client):
    client.raise_request_exception = False

    client.get("/mistake/")

    assert [(entry.path, entry.status) for entry in requests.recent()] == [("/mistake/", 500)]


@pytest.mark.django_db
def test_dashboard_does_not_record_itself(client):
    client.get("/_stack/")

    assert requests.recent() == []


def test_newest_comes_first_and_old_ones_go():
    for number in range(requests.KEPT + 5):
        record(f"/{number}")

    assert [entry.path for entry in requests.recent()] == [f"/{n}" for n in range(requests.KEPT + 4, 4, -1)]


def test_long_path_is_cut():
    record("/" + "x" * 5000)

    assert len(requests.recent()[0].path) == requests.PATH_LENGTH


def test_threads_lose_nothing():
    threads = [threading.Thread(target=record, args=(f"/{n}",)) for n in range(requests.KEPT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        requests.recent()
        thread.join()

    assert {entry.path for entry in requests.recent()} == {f"/{n}" for n in range(requests.KEPT)}
