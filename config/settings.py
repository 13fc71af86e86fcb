"""Settings of the project, and the only place that reads the environment.

.env.example describes every variable. The process environment wins over the file .env.
"""

import os
from pathlib import Path

from django.utils.csp import CSP

from django_compose_stack.env import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_file(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.secret_key("SECRET_KEY", debug=DEBUG)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", required=not DEBUG)
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")

# One app a folder. `make app NAME=blog` adds yours after the last line that begins with "apps.
INSTALLED_APPS = [
    # Both have a runserver: the first one in this list wins, and staticfiles has a third.
    "django_compose_stack",
    "django_fast_reload",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "apps.accounts",
    "apps.pages",
]
AUTH_USER_MODEL = "accounts.User"

MIDDLEWARE = [
    # First, so that a health probe needs no allowed host and is not redirected to https.
    "django_compose_stack.middleware.StackMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if not DEBUG:
    # In development runserver serves the static files itself.
    MIDDLEWARE.insert(2, "whitenoise.middleware.WhiteNoiseMiddleware")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Requests at a time: replicas of the web service, times processes in each, times threads in each process
# (gunicorn.conf.py). Each thread may hold one database connection.
WEB_REPLICAS = env.int("WEB_REPLICAS", default=1, low=1, high=1000)
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", default=0, high=1000) or min(os.cpu_count() or 1, 8)
WEB_THREADS = 4
# gthread for WSGI; asgi for ASGI_APPLICATION, or Django's own ASGI application.
WORKER_CLASS = env.str("WORKER_CLASS", default="gthread")

# DATABASE_URL, or the POSTGRES_* variables, or a file, so that manage.py works with nothing configured.
if url := env.database("DATABASE_URL"):
    database = url
elif host := env.str("POSTGRES_HOST", default=""):
    database = {
        # Django's own; in development it waits for a server that is still starting.
        "ENGINE": "django_compose_stack.postgresql" if DEBUG else "django.db.backends.postgresql",
        "HOST": host,
        "PORT": env.int("POSTGRES_PORT", default=5432, low=1, high=65535),
        "NAME": env.str("POSTGRES_DB", default="app"),
        "USER": env.str("POSTGRES_USER", default="app"),
        "PASSWORD": env.str("POSTGRES_PASSWORD", default="app"),
    }
else:
    # Writers wait for each other instead of failing with "database is locked".
    options = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3", "OPTIONS": options}
if "postgresql" in database["ENGINE"]:
    options = {"connect_timeout": 5}  # seconds
    if not DEBUG:
        # runserver has a thread for each request, which would leave its connection behind. timeout: seconds that a
        # request waits for a connection before it is answered with 503.
        options["pool"] = {"min_size": 1, "max_size": WEB_THREADS, "timeout": 5}
    database = {"CONN_HEALTH_CHECKS": True, **database, "OPTIONS": {**options, **database.get("OPTIONS", {})}}
DATABASES = {"default": database}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
MEDIA_URL = "media/"
MEDIA_ROOT = BASE_DIR / "media"
if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    # Shared by all processes of production. `migrate` makes the table.
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}

MAILERS = {"default": env.mailer("EMAIL_URL", default="dashboard://" if DEBUG else "smtp://localhost:25")}

# Pages may load and run only what this site serves itself.
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
HTTPS = SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("HTTPS", default=not DEBUG)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # A year, or five minutes on an unusual port: browsers remember it by host, and then ask for https on all ports.
    usual_port = env.int("HTTPS_PORT", default=443, low=1, high=65535) == 443
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if usual_port else 300)
    # Only the owner of the domain knows whether all of its subdomains serve https.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# The address at which this machine publishes the site, as Compose and native mode set it. The dashboard shows it.
WEB_HOST = env.str("WEB_HOST", default="")
WEB_PORT = env.int("WEB_PORT", default=0, high=65535)
SHARED_AT = env.str("SHARED_AT", default="")
if WEB_PORT:
    DEVSERVER_URL = f"http://{'127.0.0.1' if WEB_HOST in ('', '0.0.0.0') else WEB_HOST}:{WEB_PORT}/"

if not DEBUG:
    # Without DEBUG Django logs nothing to the console by default; it mails errors to ADMINS.
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {"django": {"handlers": ["console"], "level": "INFO", "propagate": False}},
    }
