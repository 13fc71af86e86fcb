"""What of a project gets into its image."""

from django_compose_stack.tests.stack.checkout import Checkout, run

SECRETS = [
    "prod.dump",
    "dump.sql",
    "dump.sql.gz",
    "key.pem",
    "site.key",
    "id_rsa",
    ".pgpass",
    ".netrc",
    ".aws/credentials",
    "production.env",
    "secrets.bak",
    ".env",
    "compose.override.yaml",
    "apps/pages/.env",
    "apps/pages/tls.key",
    "sub/.git/config",
    "frontend/node_modules/a/index.js",
    "db.sqlite3",
    "secrets/secret_key",
    "backups/a.dump",
    "backups-old/b.dump",
    "media/upload.png",
    "apps/pages/fixtures/all.dump",
    ".ssh/id_ed25519",
]
NEEDED = [
    "apps/pages/static/.well-known/security.txt",
    "apps/pages/migrations/views.sql",
    "templates/base.html",
    ".stack/a.whl",
]


def test_no_secret_gets_into_the_image_and_what_is_needed_does(tmp_path, engine):
    """An image of the whole context, as `COPY . .` sees it."""
    project, seen = Checkout(tmp_path), tmp_path / "seen"
    for name in (*SECRETS, *NEEDED):
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_text("content")
    everything = tmp_path / "everything"
    everything.write_text("FROM scratch\nCOPY . /\n")

    run("docker", "build", "--quiet", f"--file={everything}", f"--output=type=local,dest={seen}", str(project.path))

    assert [name for name in SECRETS if (seen / name).exists()] == []
    assert [name for name in NEEDED if not (seen / name).exists()] == []
    assert (seen / "manage.py").exists()
