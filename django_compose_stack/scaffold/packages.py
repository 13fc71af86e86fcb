"""Which Debian packages a Python package needs to be installed and to run."""

import re

COMPILER = ("gcc", "libc6-dev")
# By the name on the package index. What is installed from a wheel that brings its libraries is not here.
NEEDS = {
    "cairocffi": ("libcairo2",),
    "cairosvg": ("libcairo2",),
    "django-auth-ldap": (*COMPILER, "libldap2-dev", "libsasl2-dev"),
    "ffmpeg-python": ("ffmpeg",),
    "gdal": ("g++", *COMPILER, "gdal-bin", "libgdal-dev"),
    "mysqlclient": (*COMPILER, "default-libmysqlclient-dev", "pkg-config"),
    "ocrmypdf": ("ghostscript", "tesseract-ocr"),
    "opencv-python": ("libgl1", "libglib2.0-0"),
    "pdf2image": ("poppler-utils",),
    "psycopg": ("libpq5",),
    "psycopg-c": (*COMPILER, "libpq-dev"),
    "psycopg2": (*COMPILER, "libpq-dev"),
    "pycairo": (*COMPILER, "libcairo2-dev", "pkg-config"),
    "pycurl": (*COMPILER, "libcurl4-openssl-dev", "libssl-dev"),
    "pydub": ("ffmpeg",),
    "pygraphviz": (*COMPILER, "graphviz", "libgraphviz-dev"),
    "pylibmc": (*COMPILER, "libmemcached-dev", "zlib1g-dev"),
    "pyodbc": ("unixodbc",),
    "pysaml2": ("xmlsec1",),
    "pytesseract": ("tesseract-ocr",),
    "python-ldap": (*COMPILER, "libldap2-dev", "libsasl2-dev"),
    "python-magic": ("libmagic1",),
    "python3-saml": (*COMPILER, "libxml2-dev", "libxmlsec1-dev", "libxmlsec1-openssl", "pkg-config"),
    "pyuwsgi": ("libexpat1",),
    "pyzbar": ("libzbar0",),
    "uwsgi": COMPILER,
    "wand": ("libmagickwand-dev",),
    "weasyprint": ("libharfbuzz-subset0", "libpango-1.0-0", "libpangoft2-1.0-0"),
    "xmlsec": (*COMPILER, "libxml2-dev", "libxmlsec1-dev", "libxmlsec1-openssl", "pkg-config"),
}
# With one of these installed too, the other needs nothing of the system.
BRINGS = {"psycopg": {"psycopg-binary", "psycopg-c"}}


def normal(name):
    """Return a package's name as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def system_packages(names, uses_git=False, uses_gis=False, has_translations=False):
    """Return the Debian packages that an image needs, each with the reasons for it, as {"libpq-dev": {"psycopg2"}}.

    names: the Python packages, as `normal` returns them.
    """
    needed = {}
    for name in names:
        if not BRINGS.get(name, set()) & set(names):
            for package in NEEDS.get(name, ()):
                needed.setdefault(package, set()).add(name)
    if uses_git:
        needed.setdefault("git", set()).add("requirements from git")
    if uses_gis:
        for package in ("gdal-bin", "libproj-dev"):
            needed.setdefault(package, set()).add("django.contrib.gis")
    if has_translations:
        needed.setdefault("gettext", set()).add("translations")
    return needed
