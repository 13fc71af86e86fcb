"""Mail of development: what the backend keeps, and what the dashboard shows of it."""

import re
import stat

import pytest
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.test import Client

from django_compose_stack import checks
from django_compose_stack import mail as kept
from django_compose_stack.env import Env, InvalidVariable
from django_compose_stack.tests.dashboard.test_views import words

PNG = b"\x89PNG\r\n\x1a\n picture"
HOSTILE = """<script>parent.document.title = "taken"</script><img src=x onerror="alert(1)"><b>bold</b>"""


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Keep mail in a folder of the test's own, as development does."""
    settings.STACK_ROOT = tmp_path
    settings.MAILERS = {"default": {"BACKEND": "django_compose_stack.mail.EmailBackend"}}
    return tmp_path / kept.FOLDER


def send(body="Hello", to=("you@example.com",), html="", **options):
    message = EmailMultiAlternatives("A subject", body, "me@example.com", list(to), **options)
    if html:
        message.attach_alternative(html, "text/html")
    return message.send()


def path_of_the_only_one():
    (name,) = kept.names()
    return f"/_stack/mail/{name}/"


def test_message_is_shown_with_its_parts(client):
    sent = send("Text with https://example.com/reset/?a=1&b=2 in it", html="<p>rich</p>", cc=["cc@example.com"])

    page = client.get("/_stack/mail/")
    message = client.get(path_of_the_only_one())

    assert sent == 1
    assert "A subject" in page.text
    assert "you@example.com, cc@example.com" in page.text
    assert '<a href="https://example.com/reset/?a=1&amp;b=2" rel="nofollow">' in message.text
    assert f'<iframe title="The HTML part of the message" src="{path_of_the_only_one()}html/"' in message.text
    assert client.get(f"{path_of_the_only_one()}html/").text.endswith("<p>rich</p>\n")


def test_newest_is_first_and_the_dashboard_counts(client, db):
    for number in range(3):
        EmailMessage(f"number {number}", "", "me@example.com", ["you@example.com"]).send()

    page = client.get("/_stack/mail/").text

    assert re.findall(r">(number \d)</a>", page) == ["number 2", "number 1", "number 0"]
    assert "Mail (3)" in client.get("/_stack/").text


def test_recipient_of_a_blind_copy_is_shown(client):
    send(to=[], bcc=["hidden@example.com"])

    assert "hidden@example.com" in client.get(path_of_the_only_one()).text


def test_message_without_recipient_is_not_sent_as_by_smtp():
    assert send(to=[]) == 0
    assert kept.names() == []


def test_line_end_in_a_header_is_refused_as_by_smtp():
    with pytest.raises(ValueError, match="linefeed"):
        EmailMessage("a\nBcc: everybody@example.com", "", "me@example.com", ["you@example.com"]).send()

    assert kept.names() == []


def test_file_is_for_its_owner_alone(folder):
    send()

    (file,) = folder.iterdir()
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)


def test_attachment_can_be_saved_and_is_never_a_page(client):
    message = EmailMessage("A subject", "text", "me@example.com", ["you@example.com"])
    message.attach("über.html", "<script>alert(1)</script>", "text/html")
    message.send()

    page = client.get(path_of_the_only_one()).text
    href = re.search(r'<a href="(/_stack/mail/[^"]+/\d+/)">über.html</a>', page)[1]
    file = client.get(href)

    assert file.content == b"<script>alert(1)</script>\n"
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["Content-Disposition"] == "attachment; filename*=utf-8''%C3%BCber.html"
    assert "iframe" not in page


def test_picture_of_the_message_is_in_its_html(client):
    message = EmailMultiAlternatives("A subject", "text", "me@example.com", ["you@example.com"])
    message.attach_alternative('<img src="cid:logo">', "text/html")
    from email.message import MIMEPart

    picture = MIMEPart()
    picture.set_content(PNG, maintype="image", subtype="png", cid="<logo>", disposition="inline")
    message.attach(picture)
    message.send()

    html = client.get(f"{path_of_the_only_one()}html/").text

    assert '<img src="data:image/png;base64,iVBORw0KGgog' in html


def test_html_of_a_message_runs_no_script(client):
    send(html=HOSTILE)

    response = client.get(f"{path_of_the_only_one()}html/")
    frame = re.search("<iframe[^>]*>", client.get(path_of_the_only_one()).text)[0]

    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';")
    assert "script" not in policy
    assert "allow-scripts" not in frame
    assert "allow-same-origin" not in frame + policy
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame


def test_text_and_headers_of_a_message_are_escaped(client):
    EmailMessage(HOSTILE, HOSTILE, "me@example.com", ["you@example.com"], headers={"X-Own": HOSTILE}).send()

    for path in ("/_stack/mail/", path_of_the_only_one()):
        assert not re.search("<script|<img|<b>", client.get(path).text)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no header at all",
        b"Subject: =?utf-8?b?%%%?=\nContent-Type: text/plain; charset=no-such\n\nh\xc3\xa9llo",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment; filename*=a'b\n\nx",
        b"To: <<<@@>>>\nDate: never\nContent-Type: multipart/mixed\n\nx",
        b"Content-ID:\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n!!!!",
    ],
)
def test_malformed_message_is_shown(client, raw):
    kept.keep(raw + b"\n")

    assert client.get("/_stack/mail/").status_code == 200
    assert client.get(path_of_the_only_one()).status_code == 200
    assert client.get(f"{path_of_the_only_one()}html/").status_code == 200


def test_button_deletes_all_messages_and_nothing_else(client, folder):
    send()
    (folder / "notes.txt").touch()

    response = client.post("/_stack/mail/clear/")

    assert (response.status_code, response.headers["Location"]) == (302, "/_stack/mail/")
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert "None yet" in client.get("/_stack/mail/").text


def test_button_needs_post_and_the_token_of_the_page(client):
    send()

    assert client.get("/_stack/mail/clear/").status_code == 405
    assert Client(enforce_csrf_checks=True).post("/_stack/mail/clear/").status_code == 403
    assert len(kept.names()) == 1


@pytest.mark.parametrize("page", ["", "{name}/", "{name}/html/", "{name}/0/", "clear/"])
def test_mail_is_not_for_other_machines_nor_without_debug(client, settings, page):
    send()
    (name,) = kept.names()
    path = f"/_stack/mail/{page.format(name=name)}"
    ask = client.post if page == "clear/" else client.get

    elsewhere = ask(path, REMOTE_ADDR="192.0.2.7")
    proxied = ask(path, headers={"X-Forwarded-For": "127.0.0.1"})
    settings.DEBUG = False

    assert (elsewhere.status_code, proxied.status_code, ask(path).status_code) == (403, 403, 404)
    assert "Mail is shown to this machine alone." in words(elsewhere)
    assert len(kept.names()) == 1


def test_shared_page_does_not_lead_to_mail(client, db):
    assert "/_stack/mail/" not in client.get("/_stack/", REMOTE_ADDR="192.0.2.7").text


@pytest.mark.parametrize("name", ["x", "..", "0" * 20 + "-" + "0" * 8, "%2e%2e%2fsettings"])
def test_message_that_is_not_there(client, name):
    assert client.get(f"/_stack/mail/{name}/").status_code == 404


def test_oldest_messages_go(monkeypatch):
    monkeypatch.setattr(kept, "MAX_KEPT", 2)
    for number in range(4):
        send(str(number))

    assert [message.text.strip() for message in kept.messages()] == ["3", "2"]


def test_project_without_mailers_can_name_the_backend(settings):
    """Django before 6.1 has no MAILERS."""
    backend = kept.EmailBackend()

    assert backend.send_messages([EmailMessage("A subject", "", "me@example.com", ["you@example.com"])]) == 1


def test_mail_that_nobody_would_see_is_an_error(settings):
    assert list(checks.check_mail()) == []
    settings.DEBUG = False

    (error,) = checks.check_mail()

    assert error.id == "django_compose_stack.E002"
    assert "so none is sent" in error.msg


def test_development_keeps_mail_and_a_wrong_address_is_refused():
    class Given(Env):
        ENVIRON = {"WRONG": "pigeon://loft"}

    assert Given().mailer("EMAIL_URL", default="dashboard://") == {"BACKEND": "django_compose_stack.mail.EmailBackend"}
    with pytest.raises(InvalidVariable, match="Expected dashboard://, consolemail:// or smtp"):
        Given().mailer("WRONG", default="")


def test_default_mailer_is_this_one():
    assert type(mail.mailers.default) is kept.EmailBackend
