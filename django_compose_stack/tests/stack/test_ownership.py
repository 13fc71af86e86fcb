"""Files written through the stack belong to whoever owns the checkout."""

import os

import pytest

from django_compose_stack.tests.stack.checkout import run, wait_for

OWNERS = [0, 1000, 1001]


@pytest.mark.parametrize("owner", OWNERS)
def test_no_file_of_another_owner(copies, owner):
    if os.geteuid() not in (0, owner):
        pytest.skip(f"only root can give a checkout to uid {owner}")
    checkout = copies(owner)
    models = checkout.path / "apps/pages/models.py"

    checkout.up()
    processes = run("docker", "top", checkout.container("web"), "-eo", "pid,uid,args").stdout.splitlines()
    models.write_text(models.read_text().replace("max_length=200", "max_length=300"))
    checkout.compose("run", "--rm", "web", "python", "manage.py", "makemigrations")
    checkout.compose("run", "--rm", "web", "sh", "-c", "echo $HOME >made-by-run")
    checkout.compose("exec", "-T", "web", "python", "manage.py", "startapp", "shop")
    checkout.make("app", "NAME=blog")
    wait_for(lambda: checkout.get()[0] == 200, "the page with the new apps")

    assert [path.name for path in (checkout.path / "apps/pages/migrations").glob("0002_*.py")] != []
    assert '    "apps.shop",\n    "apps.blog",\n]' in (checkout.path / "config/settings.py").read_text()
    assert (checkout.path / "made-by-run").read_text() == ("/root\n" if owner == 0 else "/home/app\n")
    written = [checkout.path, *checkout.path.rglob("*")]
    assert [path for path in written if path.lstat().st_uid != owner] == []
    assert {line.split()[1] for line in processes if "python" in line and "docker-init" not in line} == {str(owner)}
    checkout.remove()
