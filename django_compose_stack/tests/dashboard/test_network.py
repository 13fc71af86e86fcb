import socket
import sys

import pytest

from django_compose_stack.dashboard import network, stations

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ROUTE = "Iface\tDestination\tGateway\tFlags\neth0\t000012AC\t00000000\t0001\neth0\t00000000\t010012AC\t0003\n"


@pytest.fixture
def listener():
    """A function from an address to the port of a socket that listens on it."""
    sockets = []

    def listen(address):
        sockets.append(socket.create_server((address, 0)))
        return sockets[-1].getsockname()[1]

    yield listen
    for each in sockets:
        each.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_listener_is_found_by_its_port(listener, address):
    assert network.listening(listener(address)) == [address]


def test_port_that_is_free_has_no_listener(listener):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        assert network.listening(taken.getsockname()[1]) == []


def test_loopback_is_among_the_interfaces():
    assert network.Interface("lo", "127.0.0.1") in network.interfaces()


@pytest.mark.parametrize(
    ("address", "listens", "opened"),
    [
        ("127.0.0.1", ["127.0.0.1"], True),
        ("192.0.2.7", ["127.0.0.1"], False),
        ("192.0.2.7", ["0.0.0.0"], True),
        ("192.0.2.7", ["::"], True),
        ("::1", ["0.0.0.0"], False),
        ("::1", ["::"], True),
        ("192.0.2.7", [], False),
    ],
)
def test_address_is_open_where_something_listens_on_it_or_on_all(address, listens, opened):
    assert network.is_open(address, listens) is opened


@pytest.mark.skipif(sys.byteorder != "little", reason="the sample is a little-endian machine's")
def test_gateway_is_the_default_routes(tmp_path, monkeypatch):
    (tmp_path / "route").write_text(ROUTE)
    monkeypatch.setattr(network, "PROC", tmp_path)

    assert network.gateway() == "172.18.0.1"


def test_machine_without_a_network_has_no_gateway(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "PROC", tmp_path)

    assert network.gateway() == ""


INTERFACES = [
    network.Interface("lo", "127.0.0.1"),
    network.Interface("eth0", "172.18.0.3"),
    network.Interface("lo", "::1"),
]


@pytest.fixture
def container(monkeypatch, settings):
    monkeypatch.setattr(network, "IN_CONTAINER", True)
    monkeypatch.setattr(network, "interfaces", lambda: INTERFACES)
    settings.ALLOWED_HOSTS = []
    settings.WEB_HOST, settings.WEB_PORT = "127.0.0.1", 8010
    return settings


def states(listens):
    return [(each.place, [url for _, url in each.pairs], each.state) for each in stations.addresses(8000, listens)]


def test_container_that_compose_publishes_on_loopback(container):
    assert states(["0.0.0.0"]) == [
        ("your machine", ["http://127.0.0.1:8010"], "open"),
        ("your machine", ["http://LAN-ADDRESS:8010"], "closed"),
        ("inside the web container", ["http://127.0.0.1:8000"], "open"),
        ("inside the web container", ["http://172.18.0.3:8000"], "refused"),
        ("inside the web container", ["http://[::1]:8000"], "closed"),
    ]


def test_container_that_is_open_to_the_network(container):
    container.WEB_HOST = "0.0.0.0"
    container.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "192.168.1.5", "172.18.0.3"]

    assert states(["0.0.0.0"])[:2] == [
        ("your machine", ["http://127.0.0.1:8010", "http://192.168.1.5:8010"], "open"),
        ("inside the web container", ["http://127.0.0.1:8000"], "open"),
    ]


def test_container_that_is_shared(container):
    container.SHARED_AT = "192.168.1.5"

    assert states(["0.0.0.0"])[:2] == [
        ("your machine", ["http://127.0.0.1:8010"], "open"),
        ("your machine", ["http://192.168.1.5:8010"], "open"),
    ]
    assert stations.host_station(8000).state == stations.WARNING
    assert stations.shared(8000) == "http://192.168.1.5:8010/"


def test_container_whose_server_listens_on_its_own_loopback(container):
    assert states(["127.0.0.1"])[2:] == [
        ("inside the web container", ["http://127.0.0.1:8000"], "open"),
        ("inside the web container", ["http://172.18.0.3:8000", "http://[::1]:8000"], "closed"),
    ]
    assert stations.web_station(8000, ["127.0.0.1"]).state == stations.WARNING


def test_container_that_compose_did_not_start(container):
    container.WEB_HOST, container.WEB_PORT = "", 0

    assert states(["0.0.0.0"])[0] == ("your machine", [], "closed")
    assert stations.host_station(8000).state == stations.WARNING


@pytest.mark.parametrize(
    ("host", "state"), [("127.0.0.1", stations.OK), ("0.0.0.0", stations.WARNING), ("192.168.1.5", stations.WARNING)]
)
def test_port_that_is_open_to_the_network_is_no_green_light(container, host, state):
    container.WEB_HOST = host

    assert stations.host_station(8000).state == state


@pytest.mark.parametrize(("listens", "state"), [(["127.0.0.1"], stations.OK), (["0.0.0.0"], stations.WARNING)])
def test_process_that_is_open_to_the_network_is_no_green_light(listens, state):
    assert stations.process_station(8000, listens).state == state
