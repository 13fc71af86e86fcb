import pytest
from django.db import InterfaceError, OperationalError
from django.urls import path


def failing(error):
    def view(request):
        raise error

    return view


urlpatterns = [
    path("operational", failing(OperationalError("the database system is shutting down"))),
    path("interface", failing(InterfaceError("connection already closed"))),
    path("lost", failing(OperationalError(2013, "Lost connection to server during query"))),
    path("refused", failing(OperationalError(2003, "Can't connect to MySQL server on 'db'"))),
    path("closed", failing(InterfaceError(0, ""))),
    path("full", failing(OperationalError(1040, "Too many connections"))),
    path("other", failing(ValueError("a fault of the code"))),
    path("column", failing(OperationalError(1054, "Unknown column 'colour' in 'SELECT'"))),
    path("default", failing(OperationalError(1364, "Field 'colour' doesn't have a default value"))),
]
handler500 = "django_compose_stack.errors.server_error"


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("name", ["operational", "interface", "lost", "refused", "closed", "full"])
def test_database_that_is_away_is_a_503_to_come_back_to(client, name):
    client.raise_request_exception = False

    response = client.get(f"/{name}")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "Back in a moment" in response.text


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("name", ["other", "column", "default"])
def test_other_fault_stays_a_500(client, name):
    client.raise_request_exception = False

    response = client.get(f"/{name}")

    assert response.status_code == 500
    assert "Retry-After" not in response.headers


def test_project_uses_it():
    from config import urls

    assert urls.handler500 == handler500
