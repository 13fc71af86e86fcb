import pytest

from .asgi_project import PACKAGES, AsgiSite, make_asgi_environment
from .site import Site


@pytest.fixture(scope="module")
def running_site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("dev server") / "my site")
    yield site.start()
    site.stop()


@pytest.fixture
def site(running_site):
    """A running server, shared by the tests of a module; each finds the files as they are in FILES."""
    running_site.until(lambda: running_site.get() == (200, b"0000"))
    yield running_site
    running_site.restore_all()


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
    site = AsgiSite(tmp_path_factory.mktemp("dev server") / "my site", asgi_python)
    yield site.start()
    site.stop()


@pytest.fixture
def asgi_site(running_asgi_site):
    """As `site`, with an ASGI application."""
    running_asgi_site.until(lambda: running_asgi_site.get() == (200, b"0000"))
    yield running_asgi_site
    running_asgi_site.restore_all()


@pytest.fixture
def fresh_asgi_site(tmp_path, asgi_python):
    site = AsgiSite(tmp_path / "my site", asgi_python)
    yield site
    site.stop()
