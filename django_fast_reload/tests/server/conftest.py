import pytest

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
