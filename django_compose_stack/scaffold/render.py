"""Fills templates."""

import re

from django_compose_stack.scaffold.starter import template


def render(template_name, **values) -> str:
    """Return a template with each {{name}} replaced. A line that is a name alone goes away where the value is empty."""

    def line(match):
        value = values[match[1]].strip("\n")
        return f"{value}\n" if value else ""

    text = re.sub(r"^\{\{(\w+)\}\}\n", line, template(template_name), flags=re.M)
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], text)


def indent(lines, spaces) -> str:
    return "\n".join(f"{' ' * spaces}{line}" for line in lines)
