import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse


def test_user_model_is_the_projects_own():
    assert get_user_model()._meta.label == "accounts.User"


@pytest.mark.django_db
def test_superuser_manages_users_in_the_admin(client):
    client.force_login(get_user_model().objects.create_superuser("ada", password="long-and-unguessable"))

    response = client.get(reverse("admin:accounts_user_changelist"))

    assert response.status_code == 200
    assert "ada" in response.text
