"""What this project relies on of its base images. The public images and the stand-ins of .ci both keep to it."""

import uuid

import pytest

from django_compose_stack.tests.stack.checkout import run, wait_for

POSTGRES = "postgres:18"
MARIADB = "mariadb:11.8"
NGINX = "nginx:1.30"
PYTHON = "python:3.12-slim"
PASSWORD = "p@ss:w/o?r#d%$'\" x"
TIMEOUT = 60  # seconds


def docker(*words):
    return run("docker", *words, timeout=TIMEOUT, check=False)


@pytest.fixture
def start():
    """Start containers that end with the test, each with its anonymous volumes: start(IMAGE, option, ...)."""
    names = []

    def start(image, *options):
        names.append(f"base-image-{uuid.uuid4().hex[:12]}")
        started = docker("run", "--detach", "--name", names[-1], *options, image)
        assert started.returncode == 0, started.stderr
        return names[-1]

    yield start
    docker("rm", "--force", "--volumes", *names)


def wait_until_ready(container):
    probe = ["exec", container, "pg_isready", "-q", "-h", "127.0.0.1"]
    wait_for(lambda: docker(*probe).returncode == 0, "PostgreSQL over TCP", TIMEOUT)


def sql(container, query, user="postgres", database="postgres"):
    return docker("exec", container, "psql", "-XAt", "-U", user, "-d", database, "-c", query).stdout.strip()


def login(container, password):
    """Ask as another host would: the image trusts whoever comes over 127.0.0.1."""
    address = docker("inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", container).stdout.strip()
    query = ["psql", "-XAt", "-h", address, "-U", "postgres", "-c", "SELECT 1"]
    done = docker("exec", "--env", f"PGPASSWORD={password}", container, *query)
    return done.stdout + done.stderr


def exit_and_log(container):
    status = docker("wait", container).stdout.strip()
    logs = docker("logs", container)
    return status, logs.stdout + logs.stderr


def test_postgres_makes_user_database_and_runs_scripts_before_it_listens(start, tmp_path):
    (tmp_path / "10-table.sql").write_text("CREATE TABLE seen (what text);")
    (tmp_path / "20-probe.sh").write_text(
        "pg_isready -q -h 127.0.0.1 && what=listening || what=quiet\n"
        'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO seen VALUES (\'$what\')"\n'
    )
    tmp_path.chmod(0o755)

    db = start(
        POSTGRES,
        *("--env", f"POSTGRES_PASSWORD={PASSWORD}", "--env", "POSTGRES_USER=owner", "--env", "POSTGRES_DB=my db"),
        *("--env", "POSTGRES_INITDB_ARGS=--data-checksums --set='max_connections = 33'"),
        *("--volume", f"{tmp_path}:/docker-entrypoint-initdb.d:ro"),
    )
    wait_until_ready(db)

    settings = "current_setting('data_directory'), current_setting('max_connections')"
    assert sql(db, "SELECT what FROM seen", "owner", "my db") == "quiet"
    assert sql(db, f"SELECT {settings}, datcollate FROM pg_database WHERE datname = 'my db'", "owner") == (
        "/var/lib/postgresql/18/docker|33|en_US.utf8"
    )
    assert docker("exec", db, "stat", "-c", "%u", "/proc/1").stdout.strip() == "999"
    assert docker("inspect", "--format", "{{json .Config.Volumes}}", db).stdout.strip() == '{"/var/lib/postgresql":{}}'


def test_postgres_asks_other_hosts_for_the_password(start):
    db = start(POSTGRES, "--env", f"POSTGRES_PASSWORD={PASSWORD}")
    wait_until_ready(db)

    assert login(db, PASSWORD) == "1\n"
    assert "password authentication failed" in login(db, "wrong")


def test_postgres_keeps_its_data_and_stops_cleanly(start):
    db = start(POSTGRES, "--env", "POSTGRES_PASSWORD=x")
    wait_until_ready(db)
    sql(db, "CREATE TABLE kept ()")

    docker("stop", "--timeout", "30", db)
    status, log = exit_and_log(db)
    docker("start", db)
    wait_until_ready(db)

    assert status == "0"
    assert "received fast shutdown request" in log
    assert sql(db, "SELECT count(*) FROM kept") == "0"


def test_postgres_reads_a_password_from_a_file(start, tmp_path):
    (tmp_path / "secret").write_text("from a file\n")
    secret = ("--volume", f"{tmp_path}/secret:/run/secret:ro", "--env", "POSTGRES_PASSWORD_FILE=/run/secret")

    db = start(POSTGRES, *secret)
    both = start(POSTGRES, *secret, "--env", "POSTGRES_PASSWORD=x")
    wait_until_ready(db)

    assert login(db, "from a file") == "1\n"
    assert exit_and_log(both)[0] == "1"  # The variable and the file are both set.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "superuser password is not specified"),
        (("--env", "POSTGRES_PASSWORD=x", "--tmpfs", "/var/lib/postgresql/data"), "in 18+"),
    ],
)
def test_postgres_refuses_to_start(start, options, message):
    status, log = exit_and_log(start(POSTGRES, *options))

    assert status == "1"
    assert message in log


def mariadb(container, query, *words):
    return docker("exec", container, "mariadb", "-N", *words, "-e", query).stdout.strip()


def wait_until_mariadb_is_ready(container):
    probe = ["exec", container, "mariadb-admin", "ping", "-h", "127.0.0.1"]
    wait_for(lambda: docker(*probe).returncode == 0, "MariaDB over TCP", TIMEOUT)


def test_mariadb_makes_user_database_and_time_zones_and_runs_scripts_before_it_listens(start, tmp_path):
    (tmp_path / "10-table.sql").write_text("CREATE TABLE seen (what text);")
    (tmp_path / "20-probe.sh").write_text(
        "mariadb-admin ping -u root -h 127.0.0.1 && what=listening || what=quiet\n"
        "mariadb -u root my_db -e \"INSERT INTO seen VALUES ('$what')\"\n"
    )
    tmp_path.chmod(0o755)

    db = start(
        MARIADB,
        *("--env", f"MYSQL_PASSWORD={PASSWORD}", "--env", "MYSQL_USER=owner", "--env", "MYSQL_DATABASE=my_db"),
        *("--env", "MYSQL_ALLOW_EMPTY_PASSWORD=1", "--env", "MYSQL_ROOT_HOST=localhost"),
        *("--volume", f"{tmp_path}:/docker-entrypoint-initdb.d:ro"),
    )
    wait_until_mariadb_is_ready(db)

    assert mariadb(db, "SELECT what FROM my_db.seen") == "quiet"
    assert mariadb(db, "SELECT user, host FROM mysql.user WHERE user <> 'mariadb.sys' ORDER BY 1") == (
        "owner\t%\nroot\tlocalhost"
    )
    as_owner = ("-h", "127.0.0.1", "-u", "owner", f"-p{PASSWORD}", "my_db")
    assert mariadb(db, "SELECT CURRENT_USER()", *as_owner) == "owner@%"
    assert "Access denied" in docker("exec", db, "mariadb", "-h", "127.0.0.1", "-e", "SELECT 1").stderr
    assert "DENIED" in docker("exec", db, "mariadb", *as_owner, "-e", "CREATE DATABASE other").stderr.upper()
    values = "@@character_set_server, CONVERT_TZ('2020-06-01 12:00', 'UTC', 'Europe/Berlin')"
    assert mariadb(db, f"SELECT {values}") == "utf8mb4\t2020-06-01 14:00:00"
    assert docker("exec", db, "stat", "-c", "%u", "/proc/1").stdout.strip() == "999"
    assert docker("inspect", "--format", "{{json .Config.Volumes}}", db).stdout.strip() == '{"/var/lib/mysql":{}}'


def test_mariadb_keeps_its_data_reads_a_password_from_a_file_and_stops_cleanly(start, tmp_path):
    (tmp_path / "secret").write_text("from a file\n")
    secret = ("--volume", f"{tmp_path}/secret:/run/secret:ro", "--env", "MYSQL_PASSWORD_FILE=/run/secret")
    names = ("--env", "MYSQL_USER=owner", "--env", "MYSQL_DATABASE=app", "--env", "MYSQL_ALLOW_EMPTY_PASSWORD=1")
    db = start(MARIADB, *secret, *names)
    wait_until_mariadb_is_ready(db)
    query = ("CREATE TABLE kept (id int); SELECT COUNT(*) FROM kept", "-u", "owner", "-pfrom a file", "app")
    assert mariadb(db, *query) == "0"

    docker("stop", "--timeout", "30", db)
    status, log = exit_and_log(db)
    docker("start", db)
    wait_until_mariadb_is_ready(db)

    assert status == "0"
    assert "Shutdown complete" in log
    assert mariadb(db, "SELECT COUNT(*) FROM app.kept") == "0"


def test_mariadb_refuses_to_start_without_a_word_about_roots_password(start):
    status, log = exit_and_log(start(MARIADB, "--env", "MYSQL_DATABASE=app"))

    assert status == "1"
    assert "Database is uninitialized and password option is not specified" in log


def test_nginx_fills_templates_with_the_variables_that_are_set(start, tmp_path):
    template = "# ${NAME} $HOME ${OTHER} $uri\n"
    (tmp_path / "site.conf.template").write_text(template)
    tmp_path.chmod(0o755)

    web = start(
        NGINX,
        *("--env", "NAME=filled", "--env", "NGINX_ENVSUBST_FILTER=^NAME$"),
        *("--volume", f"{tmp_path}:/etc/nginx/templates:ro"),
    )
    filled = wait_for(lambda: docker("exec", web, "cat", "/etc/nginx/conf.d/site.conf").stdout, "the file", TIMEOUT)

    assert filled == template.replace("${NAME}", "filled")


def test_nginx_serves_as_its_own_user_and_drains_on_stop(start):
    web = start(NGINX)
    probe = ["exec", web, "curl", "--fail", "http://127.0.0.1:80/"]
    wait_for(lambda: docker(*probe).returncode == 0, "a page", TIMEOUT)
    users = docker("exec", web, "sh", "-c", "stat -c %u /proc/[0-9]*/cmdline").stdout.split()

    docker("stop", "--timeout", "30", web)
    status, log = exit_and_log(web)

    assert "101" in users
    assert status == "0"
    assert "signal 3 (SIGQUIT) received" in log


def test_python_has_what_a_build_of_this_project_uses():
    script = "python -m venv --without-pip /tmp/v; pip --version; for name; do command -v $name; done"

    done = docker("run", "--rm", PYTHON, "sh", "-euc", script, "sh", "useradd", "setpriv", "getent")

    assert done.returncode == 0, done.stderr
    assert "python 3.12" in done.stdout
