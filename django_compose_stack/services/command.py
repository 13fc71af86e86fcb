"""python3 .stack add --service NAME, and remove: all blocks of a service, or none where one has no place."""

import difflib
import re
import sys

from django_compose_stack.host.mode import is_inside, mode
from django_compose_stack.host.process import Failure, output, run
from django_compose_stack.host.project import ROOT, program
from django_compose_stack.services import blocks, definition, packages
from django_compose_stack.services.blocks import ABSENT, EDITED, THERE, Unfit, around, has, insert, remove, state


def read(name):
    """Return the text of a file of the project; None where there is none."""
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def choose(name):
    """Return the services by name, and the chosen one. Raises Failure with the list where there is no such name."""
    services = definition.own()
    if name in services:
        return services, services[name]
    close = difflib.get_close_matches(name.lower(), services, 1)
    listed = "\n".join(f"  {each.name:10}{each.title}" for each in services.values())
    guess = f"Did you mean {close[0]}? " if close else ""
    raise Failure(
        f"there is no service {name!r}. {guess}There are:\n{listed}", f"make add SERVICE={(close or ['…'])[0]}"
    )


def files_of(service):
    """Return {path: content} of the files of the project in which the service has blocks; None for what is not there.

    What belongs to production comes with it, and what somebody has deleted stays so.
    """
    return {block.file: read(block.file) for block in service.blocks}


def add(name=""):
    """Add a service to the project. Raises Failure, with nothing changed, where a block has no place."""
    services, service = choose(name)
    refuse_second(services, service)
    before = files_of(service)
    after, wrong, is_there = dict(before), [], has(service, before.get)
    for block in service.blocks:
        is_wanted = after[block.file] is not None if block.place != "new" else (ROOT / block.file).parent.is_dir()
        if not is_wanted:
            continue
        found = state(after[block.file], block)
        if found.state == EDITED and not is_there:
            wrong.append(f"{block.file}{lines(found)} must be:\n{indented(block.anchor or block.text)}")
        if found.state != ABSENT:
            continue
        try:
            after[block.file] = insert(after[block.file], block, *around(services, name))
        except Unfit:
            wrong.append(
                f"{block.file} has no line {block.anchor.strip()!r}, beside which this belongs:\n{indented(block.text)}"
            )
    if wrong:
        problem = f"{name} was not added, because the project differs from what the stack wrote:\n" + "\n".join(wrong)
        raise Failure(problem, "Restore those lines for a moment, or write the service yourself")
    changed = {path: content for path, content in after.items() if content != before[path]}
    project = read("pyproject.toml")
    wanted = packages.add(project, service)
    if not changed and wanted == project:
        print(f"{name} is there already.")
        return
    is_swap = "instead" in service.fields
    if is_swap:
        end_all()
    packages.lock(project, wanted, lambda: replace(service, changed), is_first=not is_swap)
    names = ", ".join(sorted({*changed, *packages.changed(project, wanted)}))
    print(f"Added {name}: {names}. Next: {following(service)}")
    for line in filter(None, (service.fields.get("next"), service.fields.get("native"))):
        print(line)
    name_volumes(service.words("leaves"))


def refuse_second(services, service):
    """Raise Failure where another service stands in the place that this one takes."""
    place = service.fields.get("instead")
    for other in services.values() if place else ():
        if other != service and other.fields.get("instead") == place and has(other, read):
            problem = f"the project has {other.name}, which is in the place that {service.name} takes"
            raise Failure(problem, f"make remove SERVICE={other.name}; then: make add SERVICE={service.name}")


def drop(name=""):
    """Remove a service from the project. Raises Failure, with nothing changed, where somebody edited a block."""
    _, service = choose(name)
    before = files_of(service)
    project = read("pyproject.toml")
    wanted = packages.remove(project, service)
    # The packages of one in the place of another tell nothing: others for that place may have the same.
    if not has(service, before.get) and (service.mark or wanted == project):
        raise Failure(f"{name} is not there", f"To add it: make add SERVICE={name}")
    after, wrong = dict(before), []
    # The last first: a block may stand in lines that another has replaced.
    for block in reversed(service.blocks):
        found = state(after[block.file], block)
        if found.state == THERE:
            after[block.file] = None if block.place == "new" else remove(after[block.file], block)
        elif found.state == EDITED:
            # What stood there before can only come back where the lines are those that replaced it.
            must = f" must be:\n{indented(block.text)}" if block.place == "replace" else ""
            wrong.append(f"{block.file}{lines(found)}{must}")
    if wrong:
        raise Failure(
            f"nothing was removed, because somebody has edited what belongs to {name}:\n"
            + "\n".join(f"  {each}" for each in reversed(wrong)),
            f"{'Restore' if service.mark else 'Delete or move'} those lines yourself, then: make remove SERVICE={name}",
        )
    changed = {path: content for path, content in after.items() if content != before[path]}
    if "instead" in service.fields:
        end_all()
    back = service.words("without")
    packages.lock(project, wanted, lambda: replace(service, changed), is_first=False, back=back)
    names = ", ".join(sorted({*changed, *packages.changed(project, wanted)}))
    print(f"Removed {name}: {names}. Next: {following(service)}")
    name_volumes(service.words("volumes"))


def replace(service, contents):
    """Write files once nothing runs any more that the old ones describe, and the new ones do not."""
    if "instead" in service.fields:
        # Again: to lock the packages may have started a container.
        end_all()
    elif own := containers(service):
        stop(own)
    write(contents)


def name_volumes(names):
    for volume in volumes(names):
        print(f"The data of before stays in the volume {volume}. To delete it: docker volume rm {volume}")


def following(service):
    """Return the command that makes a change of the service count: where it runs in production alone, a deploy."""
    return "make up" if any(block.file == "compose.yaml" for block in service.blocks) else "make deploy"


def lines(found):
    if not found.first:
        return ""
    return f", line {found.first}," if found.first == found.last else f", lines {found.first} to {found.last},"


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines()).rstrip("\n")


def write(contents):
    """Write files, and delete those whose content is None."""
    for name, content in contents.items():
        path = ROOT / name
        if content is None:
            path.unlink()
        else:
            # Overwritten, not replaced: a bind mount of a single file would keep the old one.
            path.write_text(content, encoding="utf-8")


def has_containers():
    return not is_inside() and mode() == "docker"


def containers(service):
    """Return the names of the service's own containers in compose.yaml."""
    texts = "".join(block.text for block in service.blocks if block.file == "compose.yaml" and block.place == "before")
    return re.findall(r"^  ([\w-]+):$", texts, re.M)


def stop(own):
    """Stop and remove containers while compose.yaml still knows them."""
    if has_containers():
        run("docker", "compose", "rm", "--force", "--stop", *own, stdout=sys.stderr)


def end_all():
    """Stop everything of the project; its data stays.

    A server that runs would install the new packages, and read the new settings, beside the old database.
    """
    if has_containers():
        run("docker", "compose", "--profile", "*", "down", stdout=sys.stderr)
    elif not is_inside():
        run(*program("native", "stop"))


def volumes(names):
    """Return the full names of the volumes of these names that the project has."""
    if not has_containers():
        return []
    found = []
    project = output("docker", "compose", "config", "--format={{.name}}") or ROOT.name
    for name in names:
        labels = [f"com.docker.compose.volume={name}", f"com.docker.compose.project={project}"]
        found += output("docker", "volume", "ls", "--quiet", *(f"--filter=label={label}" for label in labels)).split()
    return found


def added():
    """Return the services that the project has, by name."""
    return {name: service for name, service in definition.own().items() if has(service, read)}


def complete(names):
    """Write what the project's services need into files that have just been brought."""
    before = {name: read(name) for name in names}
    after = blocks.complete(definition.own(), added(), before)
    write({name: content for name, content in after.items() if content != before[name]})


def test_variables():
    """Return NAME=value for the tests, which have no such services beside them."""
    return [word for service in added().values() for word in service.words("test")]
