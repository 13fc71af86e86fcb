"""Reads what is needed of pyproject.toml, Pipfile and lock files, also where Python has no tomllib (before 3.11)."""

import re

try:
    import tomllib
except ImportError:
    tomllib = None

KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[\w.-]+)\s*=\s*(.*)""", re.S)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'')


def load(text):
    """Return the tables of a TOML text as nested dictionaries; what cannot be read is left out."""
    if tomllib is None:
        return load_subset(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return load_subset(text)


def load_subset(text):
    """Return tables, strings, lists of strings and inline tables of a TOML text; other values as their text."""
    root = {}
    table = root
    lines = iter(text.splitlines())
    for line in lines:
        line = line.strip()
        header = re.fullmatch(r"\[\[?([^\]]+)\]\]?\s*(#.*)?", line)
        if header:
            table = enter(root, parts(header[1]), line.startswith("[["))
            continue
        match = KEY.match(line)
        if line.startswith("#") or not match:
            continue
        key, value = match[1].strip("\"'"), match[2]
        while is_open(value):
            following = next(lines, None)
            if following is None:
                break
            value += "\n" + following
        table[key] = read(value)
    return root


def parts(name):
    return [part.strip("\"' ") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', name)]


def enter(root, names, is_list):
    table = root
    for name in names[:-1]:
        table = table.setdefault(name, {})
        table = table[-1] if isinstance(table, list) else table
    if is_list:
        table.setdefault(names[-1], []).append({})
        return table[names[-1]][-1]
    return table.setdefault(names[-1], {})


def without_strings(value):
    return re.sub(r"#.*", "", STRING.sub("", value))


def is_open(value):
    """Say whether a list or a text of several lines has not ended yet."""
    for quotes in ('"""', "'''"):
        if value.startswith(quotes):
            return value.count(quotes) < 2
    bare = without_strings(value)
    return value[:1] in "[{" and bare.count("[") + bare.count("{") > bare.count("]") + bare.count("}")


def read(value):
    value = value.strip()
    if value.startswith(('"""', "'''")):
        return value.strip("\"'\n")
    if value.startswith("["):
        rest, found = value[1:], []
        for item in re.finditer(r"\{[^{}]*\}|" + STRING.pattern + r"|#.*", rest):
            if not item[0].startswith("#"):
                found.append(read(item[0]))
        return found
    if value.startswith("{"):
        pairs = re.finditer(r'([\w.-]+)\s*=\s*(\[[^\]]*\]|"[^"]*"|\'[^\']*\'|[^,}]+)', value[1:])
        return {pair[1]: read(pair[2]) for pair in pairs}
    string = STRING.match(value)
    if string:
        return string[1] if string[1] is not None else string[2]
    return {"true": True, "false": False}.get(value.split("#")[0].strip(), value.split("#")[0].strip())
