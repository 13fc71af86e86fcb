"""What `init` finds in a project, and what it makes of that."""

import pytest

from django_compose_stack.tests.scaffold.init.projects import (
    HARD_CODED,
    LAYOUTS,
    make,
    project,
    settings,
)


@pytest.fixture
def made(tmp_path, run):
    """Return a function that makes a project of files, runs init, and returns a reader of what it wrote."""

    def made(files, *options):
        root = make(tmp_path / "shop", files)
        code, shown = run(root, *options, "--yes")
        assert code == 0, shown

        def read(name):
            return shown if name == "shown" else (root / name).read_text()

        return read

    return made


def layout(name, **more):
    return {**LAYOUTS[name].files, **more}


def single(*requirements, databases=None, **more):
    text = "".join(f"{line}\n" for line in requirements)
    own = {"shop/settings.py": settings(databases=databases)} if databases else {}
    return {**project(), "requirements.txt": f"django~=5.2\n{text}", **own, **more}


def test_sqlite_stays_sqlite(made):
    read = made(layout("single"))

    assert "postgres" not in read("compose.yaml")
    assert "DATABASES" not in read("shop/settings_stack.py")
    assert "database = sqlite3" in read(".stack/project.ini")
    assert "backup" not in read("Makefile")
    assert "The database stays SQLite. For Postgres: init again with --database postgres." in read("shown")


def test_postgres_is_an_option(made):
    read = made(layout("single"), "--database", "postgres")

    assert "image: postgres:" in read("compose.yaml")
    assert "DATABASES = stack.databases(DATABASES)" in read("shop/settings_stack.py")
    assert "pip install --disable-pip-version-check 'psycopg[binary]>=3.2'" in read("Dockerfile")
    assert "backup: " in read("Makefile")


def test_a_database_url_with_a_driver_is_postgres(made):
    read = made(layout("settings package"))

    assert "DATABASE_URL: postgres://${POSTGRES_USER:-app}:" in read("compose.yaml")
    assert "psycopg[binary]==3.2.9" in read("Dockerfile")
    assert "test = pytest\ntest-settings = config.settings.local\n" in read(".stack/project.ini")


def test_requirements_of_development_are_installed_once(made):
    read = made(layout("settings package"))

    assert "pip install --disable-pip-version-check -r requirements/local.txt\n" in read("Dockerfile")
    assert "source=requirements/base.txt,target=requirements/base.txt" in read("Dockerfile")
    assert "Not installed: requirements/production.txt." in read("shown")


def test_variables_of_the_settings_lead_to_the_database(made):
    read = made(layout("uv"))

    assert "      SHOP_DB_HOST: ${DB_SERVICE:-db}\n" in read("compose.yaml")
    assert "      SHOP_DB_NAME: ${POSTGRES_DB:-app}\n" in read("compose.yaml")
    assert "test-settings = shop.settings\n" in read(".stack/project.ini")


def test_debug_gets_the_text_that_makes_it_true(made):
    read = made(layout("uv"))

    assert "      DEBUG: 1\n" in read("compose.yaml")


def test_a_variable_that_selects_postgres_is_set(made):
    text = settings(databases="{}") + (
        'if os.getenv("DB") == "pg":\n    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql",'
        ' "HOST": os.getenv("DB_HOST", "")}}\n'
    )

    read = made(single("psycopg[binary]", **{"shop/settings.py": text}))

    assert "      DB: pg\n" in read("compose.yaml")
    assert "      DB_HOST: ${DB_SERVICE:-db}\n" in read("compose.yaml")


def test_tests_run_on_the_stacks_settings_where_a_host_is_hard_coded(made):
    read = made(layout("Poetry"))

    assert "test = python manage.py test\ntest-settings = shop.settings_stack\n" in read(".stack/project.ini")


def test_other_test_settings_with_a_hard_coded_host_are_named(made):
    files = single(
        "psycopg[binary]",
        "pytest-django",
        databases=HARD_CODED,
        **{
            "shop/test_settings.py": "from shop.settings import *\n",
            "setup.cfg": "[tool:pytest]\nDJANGO_SETTINGS_MODULE = shop.test_settings\n",
        },
    )

    read = made(files)

    assert "test-settings = shop.test_settings\n" in read(".stack/project.ini")
    assert 'Write into it: DATABASES["default"].update({k: os.environ[f"POSTGRES_{k}"] for k in' in read("shown")


def test_uv_installs_what_is_locked(made):
    read = made(layout("uv"))

    assert "uv sync --frozen --no-install-project --group test\n" in read("Dockerfile")
    assert "ARG PYTHON_VERSION=3.13\n" in read("Dockerfile")


def test_poetry_is_the_one_that_wrote_the_lock(made):
    read = made(layout("Poetry"))

    assert "/opt/poetry/bin/pip install --disable-pip-version-check poetry==2.1.3" in read("Dockerfile")
    assert "poetry install --no-root --no-interaction\n" in read("Dockerfile")
    assert "ARG PYTHON_VERSION=3.12\n" in read("Dockerfile")


def test_system_packages_come_with_their_reason(made):
    read = made(layout("uv"))

    assert "#   gcc, libc6-dev, libpq-dev: psycopg2.\n" in read("Dockerfile")
    assert "        gcc \\\n        libc6-dev \\\n        libpq-dev && \\\n" in read("Dockerfile")


def test_packages_of_source_alone_are_named(made):
    read = made(layout("uv"))

    assert "add its package to the Dockerfile: docopt." in read("shown")


def test_requirements_from_git_need_git(made):
    read = made(single("git+https://example.com/thing.git#egg=thing"))

    assert "        git && \\\n" in read("Dockerfile")


def test_geodjango_gets_its_libraries_and_its_database(made):
    databases = '{"default": {"ENGINE": "django.contrib.gis.db.backends.postgis", "HOST": os.environ["DB_HOST"]}}'
    text = settings(databases=databases).replace('"django.contrib.auth"', '"django.contrib.auth", "django.contrib.gis"')

    read = made(single("psycopg[binary]", **{"shop/settings.py": text}))

    assert "        gdal-bin \\\n" in read("Dockerfile")
    assert "image: postgis/postgis:" in read("compose.yaml")


def test_a_subfolder_is_where_commands_run(made):
    read = made(layout("subfolder"))

    assert "    working_dir: /app/backend\n" in read("compose.yaml")
    assert "cd backend && \\\n    pip install --disable-pip-version-check -r requirements.txt\n" in read("Dockerfile")


def test_another_compose_file_keeps_its_name_and_its_containers(made):
    read = made(layout("own Docker files"))

    assert "\nname: shop-stack\n" in read("compose.stack.yaml")
    assert "      dockerfile: Dockerfile.stack\n" in read("compose.stack.yaml")
    assert "docker compose -f compose.stack.yaml up --build" in read("compose.stack.yaml")
    assert "Where a message says `make up`, type: python3 .stack up." in read("shown")


def test_a_required_secret_key_is_set_and_other_variables_are_named(made):
    text = settings().replace('os.environ.get("SECRET_KEY", "made up")', 'os.environ["SECRET_KEY"]')

    read = made(single(**{"shop/settings.py": text + 'TOKEN = os.environ["PAY_TOKEN"]\n'}))

    assert "      SECRET_KEY: insecure-key" in read("compose.yaml")
    assert "The settings need PAY_TOKEN. Write into .env: PAY_TOKEN=...." in read("shown")


@pytest.mark.parametrize(
    ("files", "problem", "fix"),
    [
        (
            {"runtime.txt": "python-3.11.9\n"},
            "runtime.txt asks for Python 3.11, and the stack needs 3.12",
            "--python 3.12",
        ),
        ({"manage.py": "print('nothing')\n"}, "manage.py names no settings module", "--settings config.settings"),
        ({"requirements.txt": None}, "no requirements.txt, pyproject.toml", "requirements.txt"),
        ({"manage.py": None}, "has no manage.py", "Name the folder of a Django project"),
    ],
)
def test_what_cannot_be_decided_is_refused(tmp_path, run, files, problem, fix):
    chosen = {name: text for name, text in {**single(), **files}.items() if text is not None}
    root = make(tmp_path / "shop", chosen)

    code, shown = run(root, "--yes")

    assert code == 1
    assert problem in shown
    assert fix in shown
    assert not (root / ".stack").exists()


def test_outside_of_git_it_is_refused(tmp_path, run):
    from django_compose_stack.tests.scaffold.init.projects import write

    write(tmp_path, single())

    code, shown = run(tmp_path, "--yes")

    assert code == 1
    assert "is not in a git repository, so the change could not be undone" in shown


def test_wheels_that_git_ignores_are_committed_all_the_same(made):
    read = made(single(**{".gitignore": "*.whl\n.env\n"}))

    assert read(".stack/.gitignore") == "!*.whl\n"


def test_files_that_git_ignores_are_named_and_undone(made):
    read = made(single(**{".gitignore": ".*\n!.gitignore\n"}))

    files = ".dockerignore .env.example .stack/__main__.py .stack/project.ini .stack/requirements.txt"
    assert f"Git ignores files of the stack. To commit them: git add --force {files}." in read("shown")
    assert f"Undo:  git checkout . && git clean -fd && git clean -fdx {files}\n" in read("shown")


def test_settings_that_read_variables_into_names_are_followed(made):
    text = settings(databases='{"default": chosen}').replace(
        "DATABASES =",
        'ENGINE = os.getenv("SHOP_ENGINE", "sqlite")\n'
        'HOST = os.getenv("SHOP_HOST", "localhost")\n'
        'if ENGINE == "postgres":\n'
        '    chosen = {"ENGINE": "django.db.backends.postgresql", "HOST": HOST}\n'
        "else:\n"
        '    chosen = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}\n'
        "DATABASES =",
    )

    read = made(single("psycopg[binary]", **{"shop/settings.py": text}))

    assert "      SHOP_ENGINE: postgres\n" in read("compose.yaml")
    assert "      SHOP_HOST: ${DB_SERVICE:-db}\n" in read("compose.yaml")


def test_the_scheme_of_a_url_selects_nothing(made):
    text = settings() + (
        'if "DATABASE_URL" in os.environ:\n    url = urlparse(os.environ["DATABASE_URL"])\n'
        '    if url.scheme == "postgres":\n        DATABASES["default"]["ENGINE"] = "django.db.backends.postgresql"\n'
    )

    read = made(single("psycopg[binary]", **{"shop/settings.py": text}))

    assert "      DATABASE_URL: postgres://${POSTGRES_USER:-app}:" in read("compose.yaml")


@pytest.mark.parametrize(("packages", "is_said"), [(("daphne",), True), (("daphne", "uvicorn"), False), ((), False)])
def test_asgi_needs_uvicorn(made, packages, is_said):
    text = settings().replace("INSTALLED_APPS = [", f"INSTALLED_APPS = [{'"daphne", ' if packages else ''}")

    read = made(single(*packages, **{"shop/settings.py": text}))

    said = "The settings name daphne, and the development server needs uvicorn for it. Add: uvicorn websockets"
    assert (said in read("shown")) == is_said
