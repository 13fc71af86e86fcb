from django_compose_stack.tests import STACK

"""What docs/pains.md claims of production and no other test shows."""


def test_gunicorn_keeps_its_heartbeat_in_memory(rehearsal):
    """Each worker touches a file without a name; on a container's disk that may hang for seconds."""
    listed = rehearsal.run(*STACK, "prod-exec", "web", "sh", "-c", "ls -l /proc/[0-9]*/fd 2>/dev/null; true").stdout

    files = {line.split(" -> ")[1] for line in listed.splitlines() if "wgunicorn-" in line}
    assert files
    assert {file.rpartition("/")[0] for file in files} == {"/dev/shm"}
