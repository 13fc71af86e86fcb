import pytest
from django.test import RequestFactory

from django_compose_stack.dashboard import local, network

GATEWAY = "172.18.0.1"


def why(peer, **headers):
    return local.why_not_local(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))


@pytest.fixture
def container(monkeypatch, settings):
    monkeypatch.setattr(network, "IN_CONTAINER", True)
    monkeypatch.setattr(network, "gateway", lambda: GATEWAY)
    settings.WEB_HOST = "127.0.0.1"
    return settings


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_local(peer):
    assert why(peer) == ""


def test_other_addresses_of_this_machine_are_local(monkeypatch):
    monkeypatch.setattr(network, "interfaces", lambda: [network.Interface("eth0", "192.0.2.7")])

    assert why("192.0.2.7") == ""
    assert why("192.0.2.8") == "This request came from 192.0.2.8, which is another machine."


@pytest.mark.parametrize("header", local.PROXIED)
def test_request_of_a_proxy_or_tunnel_is_not_local(header):
    assert (
        why("127.0.0.1", **{header: "192.0.2.7"})
        == "This request came through a proxy, so any machine may have sent it."
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_gateway_is_local_where_the_port_is_published_on_loopback(container, host):
    container.WEB_HOST = host

    assert why(GATEWAY) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "my-laptop"])
def test_gateway_may_be_another_machine_where_the_port_is_open_to_the_network(container, host):
    container.WEB_HOST = host

    assert why(GATEWAY) == f"The port is published on {host}, where other machines can reach it."


def test_gateway_may_be_another_machine_while_the_page_is_shared(container):
    container.SHARED_AT = "192.168.1.5"

    assert why(GATEWAY) == "The port is published on 192.168.1.5, where other machines can reach it."


def test_gateway_may_be_another_machine_where_compose_did_not_publish(container):
    container.WEB_HOST = ""

    assert why(GATEWAY) == "Compose did not start this container, so it is unknown which machines can reach its port."


@pytest.mark.parametrize("peer", ["172.18.0.4", "192.168.1.9", ""])
def test_others_are_not_local_to_a_container(container, peer):
    assert why(peer) == f"This request came from {peer}, which is another machine or container."


def test_container_is_local_to_itself(container):
    assert why("127.0.0.1") == ""
