"""What `init` asks git: whether its work can be undone, and what is ignored."""

import subprocess

from django_compose_stack.host.process import Failure


def git(root, *words, **options):
    return subprocess.run(["git", *words], cwd=str(root), capture_output=True, text=True, **options)


def require_clean(root):
    """Raise Failure where `git checkout . && git clean -fd` could not undo changes, or would undo more than those."""
    try:
        status = git(root, "status", "--porcelain", "--", ".")
    except FileNotFoundError:
        raise Failure("git is not installed, so the change could not be undone", "Install git") from None
    if status.returncode:
        raise Failure(
            f"{root} is not in a git repository, so the change could not be undone",
            f"cd {root} && git init && git add . && git commit -m 'Begin'",
        )
    if status.stdout:
        changed = status.stdout.splitlines()
        more = f"\n  and {len(changed) - 5} more" if len(changed) > 5 else ""
        listed = "\n".join(f"  {line}" for line in changed[:5])
        raise Failure(
            f"{root} has changes that are not committed:\n{listed}{more}",
            "git stash --include-untracked, or commit them",
        )
    if not git(root, "ls-files", "--", ".").stdout:
        raise Failure(f"{root} has no file in git", "git add . && git commit")


def tracked(root):
    return [name for name in git(root, "ls-files", "-z", "--", ".").stdout.split("\0") if name]


def ignored(root, names):
    """Return those of the paths that git ignores; they need not exist."""
    found = git(root, "check-ignore", "--no-index", "--stdin", input="\n".join(names) + "\n")
    return set(found.stdout.splitlines())
