"""Users: files must belong to the owner of the checkout, and PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from django_compose_stack.host.process import Failure


def entry(uid):
    """Return the entry of a user in /etc/passwd; None if there is none, as in many containers."""
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def become_owner(path):
    """Become the owner of `path` if this process is root's, which must create no files here. Returns whether it did."""
    owner = path.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return False
    user = entry(owner.st_uid)
    if user:
        os.initgroups(user.pw_name, owner.st_gid)
        os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    else:
        os.setgroups([])
        os.environ["HOME"] = "/"
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    return True


def enter_namespace(uid):
    """Appear as user `uid` from now on, while files still belong to the user outside (Linux).

    Runs between fork and exec. Raises OSError if the kernel or a container forbids user namespaces.
    """
    outside = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER)
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{uid} {outside[0]} 1")
    (own / "gid_map").write_text(f"{uid} {outside[1]} 1")


def disguise(data):
    """Return how to start a program of PostgreSQL: the words before its command, and a preexec_fn.

    PostgreSQL refuses root and users without a name. Such a user appears as another one, in a user namespace. Where
    that is forbidden, root starts it as another user with access to root's files, and gives `data` to that user.
    """
    uid = os.geteuid()
    if uid != 0 and entry(uid):
        return [], None
    other = next(user for user in pwd.getpwall() if user.pw_uid not in (0, uid))
    if hasattr(os, "unshare"):
        try:
            subprocess.run(["true"], preexec_fn=lambda: enter_namespace(other.pw_uid), check=True)
        except (OSError, subprocess.SubprocessError):
            pass
        else:
            chown(data, uid, os.getegid())
            return [], lambda: enter_namespace(other.pw_uid)
    if uid == 0 and shutil.which("setpriv"):
        chown(data, other.pw_uid, other.pw_gid)
        ids = [f"--reuid={other.pw_uid}", f"--regid={other.pw_gid}", "--clear-groups"]
        # Without no_setuid_fixup, access(2), by which the server finds its programs, ignores the capability.
        rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
        return ["setpriv", *ids, *rights], None
    problem = "PostgreSQL refuses to run as root" if uid == 0 else f"user {uid} has no name in /etc/passwd"
    raise Failure(
        f"{problem}, and this system forbids user namespaces",
        "Run it as an ordinary user who has a name, or set DATABASE_URL to another database",
    )


def chown(folder, uid, gid):
    """Give a folder and its content to a user. Only root needs it, after the way of starting has changed."""
    if not folder.exists() or folder.stat().st_uid == uid:
        return
    for parent, _, files in os.walk(folder):
        for name in [".", *files]:
            os.chown(Path(parent) / name, uid, gid, follow_symlinks=False)
