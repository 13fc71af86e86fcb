import pytest
from django.template.loader import render_to_string


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_error_page_has_the_projects_look_and_needs_nothing_of_the_request(status):
    page = render_to_string(f"{status}.html")

    assert '<link rel="stylesheet" href="/static/stack/style.css">' in page
    assert page.count("<h1>") == 1


def test_refusal_tells_its_reason(client, settings):
    page = render_to_string("403.html", {"exception": "Only on <Mondays>."})

    assert "<p>Only on &lt;Mondays&gt;.</p>" in page
