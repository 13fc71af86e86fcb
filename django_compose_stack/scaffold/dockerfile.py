"""The lines of the Dockerfile that depend on the project: system packages, and its own tool's installation."""

import shlex

from django_compose_stack.scaffold.manifest import read
from django_compose_stack.scaffold.packages import system_packages
from django_compose_stack.scaffold.render import indent

UV = {
    "UV_COMPILE_BYTECODE": "1",
    "UV_LINK_MODE": "copy",
    # `uv run` in the container would take away what is not in the lock: the stack.
    "UV_NO_SYNC": "1",
    "UV_PROJECT_ENVIRONMENT": "/opt/venv",
    "UV_PYTHON_DOWNLOADS": "never",
}
CACHES = {"uv": "uv", "pyproject": "uv", "poetry": "pypoetry", "pipenv": "pipenv", "pip": "pip"}


def system(project, names, uses_gis) -> str:
    """Return the step that installs Debian packages, each line with its reason; empty where none is needed."""
    texts = [read(project.root / name) for name in project.packages.files]
    uses_git = any("git+" in text or "{ git = " in text for text in texts)
    needed = system_packages(project.packages.packages, uses_git, uses_gis, lacks_translations(names))
    if not needed:
        return ""
    reasons = {}
    for package, why in sorted(needed.items()):
        reasons.setdefault(", ".join(sorted(why)), []).append(package)
    comments = [f"# {', '.join(packages)}: {why}." for why, packages in reasons.items()]
    listed = " \\\n".join(f"        {package}" for package in sorted(needed))
    lines = ["RUN apt-get update && \\", "    apt-get install --yes --no-install-recommends \\", f"{listed} && \\"]
    return "\n".join(["# For:", *(f"#   {line[2:]}" for line in comments), *lines, "    rm -rf /var/lib/apt/lists/*"])


def lacks_translations(names) -> bool:
    """Say whether there are translations that have to be compiled."""
    sources = {name[:-3] for name in names if name.endswith(".po") and "/LC_MESSAGES/" in name}
    return bool(sources - {name[:-3] for name in names if name.endswith(".mo")})


def install(project, driver) -> str:
    """Return the steps that install the project's packages with its own tool, then the database driver, if any."""
    packages = project.packages
    tool = {"pip": "", "pyproject": "uv"}.get(packages.tool, packages.tool)
    steps = []
    if tool == "uv":
        steps.append("ENV " + " \\\n    ".join(f"{name}={value}" for name, value in UV.items()))
    if tool:
        wanted = f"{tool}=={packages.version}" if packages.version else tool
        steps.append(
            f"# {tool} stays out of the project's environment, from which it removes what it does not know.\n"
            f"RUN python -m venv /opt/{tool} && \\\n"
            f"    /opt/{tool}/bin/pip install --disable-pip-version-check {wanted} && \\\n"
            f"    ln -s /opt/{tool}/bin/{tool} /usr/local/bin/"
        )
    cache = f"--mount=type=cache,target=/root/.cache/{CACHES[packages.tool]}"
    mounts = [f"--mount=type=bind,source={name},target={name}" for name in packages.files]
    folder = packages.folder.relative_to(project.root).as_posix()
    words = [f"cd {shlex.quote(folder)}"] if folder != "." else []
    words += [
        shlex.join(with_options(command)) if hasattr(shlex, "join") else " ".join(with_options(command))
        for command in packages.commands
    ]
    steps.append(
        f"RUN {cache} \\\n" + indent([f"{mount} \\" for mount in mounts], 4) + "\n    " + " && \\\n    ".join(words)
    )
    if driver:
        steps.append(
            "# The database driver, which those files leave to production.\n"
            "RUN --mount=type=cache,target=/root/.cache/pip \\\n"
            f"    pip install --disable-pip-version-check {shlex.quote(driver)}"
        )
    return "\n".join(steps)


def with_options(command):
    return [*command[:2], "--disable-pip-version-check", *command[2:]] if command[0] == "pip" else command
