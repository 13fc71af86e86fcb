"""What becomes of a source file is decided by the loader that the project uses for it."""

from .site import FILES


def test_an_import_hook_decides_what_a_module_is(site):
    """Bytecode made by a loader that changes the code is not that of the plain file."""
    site.write(
        "hook.py",
        """\
import sys
from importlib.machinery import PathFinder, SourceFileLoader

class Loader(SourceFileLoader):
    def source_to_code(self, data, path, **kwargs):
        return super().source_to_code(data.replace(b"plain", WORD), path, **kwargs)

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        if name == "shop.views":
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec

def install(word):
    global WORD
    WORD = word
    sys.meta_path.insert(0, Finder)
""",
    )
    site.edit("shop/views.py", '"shop"', '"plain"')
    assert site.text("/shop/") == "plain"

    install = "import hook; hook.install"
    for line, seen in [(f"{install}(b'one')", "one"), (f"{install}(b'two')", "two"), ("", "plain")]:
        site.write("config/settings.py", f"{FILES['config/settings.py']}{line}\n")
        assert site.text("/shop/") == seen


def test_a_patched_compiler_decides_what_a_module_is(site):
    """Hy patches the loader that everyone uses."""
    code = """
from importlib.machinery import SourceFileLoader

def patch(data):
    return data.replace(b"plain", b"patched")

compiled = SourceFileLoader.source_to_code
SourceFileLoader.source_to_code = lambda self, data, path, **kwargs: compiled(self, patch(data), path, **kwargs)
"""
    site.edit("shop/views.py", '"shop"', '"plain"')
    assert site.text("/shop/") == "plain"

    site.write("config/settings.py", FILES["config/settings.py"] + code)
    assert site.text("/shop/") == "patched"

    site.restore("config/settings.py")
    assert site.text("/shop/") == "plain"


def test_a_module_of_more_than_a_mebibyte(fresh_site):
    site = fresh_site
    site.write("blog/large.py", f"TEXT = 'one'\n{'#' * 79}\n" * 15_000)
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(large.TEXT)")
    site.edit("blog/views.py", "import os", "from . import large\nimport os")
    site.start()
    assert site.text() == "one"
    generation = site.status()["generation"]
    assert site.text() == "one"
    assert site.status()["generation"] == generation == 1

    site.edit("blog/large.py", "one", "two")
    assert site.text() == "two"
    assert site.status()["generation"] == 2
