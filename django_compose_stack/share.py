"""make share: opens the page to the local network, and prints its address there, also as a QR code."""

from django_compose_stack.development import native, up_with, url
from django_compose_stack.host.apart import own_address
from django_compose_stack.host.mode import mode
from django_compose_stack.host.process import die, must
from django_compose_stack.host.project import program

# 127.0.0.1 stays published; this adds the address in the network.
OVERLAY = """\
services:
  web:
    environment:
      SHARED_AT: ${LAN_ADDRESS}
      ALLOWED_HOSTS: ${LAN_ADDRESS},.localhost,127.0.0.1,[::1]${ALLOWED_HOSTS:+,${ALLOWED_HOSTS:-}}
      CSRF_TRUSTED_ORIGINS: http://${LAN_ADDRESS}:${WEB_PORT:-8000}${CSRF_TRUSTED_ORIGINS:+,${CSRF_TRUSTED_ORIGINS:-}}
    ports:
      - ${LAN_ADDRESS}:${WEB_PORT:-8000}:8000
"""


def share(address=""):
    is_native = mode() == "native"
    address = address or own_address()
    if not address:
        die("this machine seems to be in no network. If it is, name its address: make share LAN_ADDRESS=192.168.1.5")
    if is_native:
        page = f"http://{address}:{url().rpartition(':')[2]}"
        native("stop", "web")
        hosts = f"{address},.localhost,127.0.0.1,[::1]"
        native("up", WEB_HOST="0.0.0.0", SHARED_AT=address, ALLOWED_HOSTS=hosts, CSRF_TRUSTED_ORIGINS=page)
        qr = program("native", "segno")
    else:
        # With WEB_HOST=0.0.0.0 the port of that address would be published twice.
        up_with(OVERLAY, WEB_HOST="127.0.0.1", LAN_ADDRESS=address)
        page = f"http://{address}:{url().rpartition(':')[2]}"
        qr = ["docker", "compose", "exec", "-T", "web", "segno"]
    warning = "Open to everyone in the local network, error pages with code and settings too:"
    print(f"\n{warning}\n\n    {page}\n", flush=True)
    must(*qr, "--compact", page)
    print("\nmake up closes it again.")
