from contextlib import contextmanager

import pytest

from .asgi_project import PACKAGES, AsgiSite, make_asgi_environment
from .site import Site


@contextmanager
def running(site):
    yield site.start()
    site.stop()


@contextmanager
def as_new(site):
    """Lend a running server that has the files as they are in FILES, and restore them."""
    site.until(lambda: site.get() == (200, b"0000"))
    yield site
    site.restore_all()


@pytest.fixture(scope="module")
def running_site(tmp_path_factory):
    with running(Site(tmp_path_factory.mktemp("dev server") / "my site")) as site:
        yield site


@pytest.fixture
def site(running_site):
    """A running server, shared by the tests of a module; each finds the files as they are in FILES."""
    with as_new(running_site) as site:
        yield site


@pytest.fixture
def fresh_site(tmp_path):
    """A project whose server the test starts."""
    site = Site(tmp_path / "my site")
    yield site
    site.stop()


@pytest.fixture(scope="session")
def asgi_python(tmp_path_factory):
    """The interpreter of an environment with uvicorn, daphne and channels."""
    return make_asgi_environment(tmp_path_factory.mktemp("asgi") / "env", *PACKAGES)


@pytest.fixture(scope="module")
def running_asgi_site(tmp_path_factory, asgi_python):
    with running(AsgiSite(tmp_path_factory.mktemp("dev server") / "my site", asgi_python)) as site:
        yield site


@pytest.fixture
def asgi_site(running_asgi_site):
    """As `site`, with an ASGI application."""
    with as_new(running_asgi_site) as site:
        yield site


@pytest.fixture
def fresh_asgi_site(tmp_path, asgi_python):
    site = AsgiSite(tmp_path / "my site", asgi_python)
    yield site
    site.stop()
