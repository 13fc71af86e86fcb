"""A Swarm of three engines, each in a network of its own, and one of them lost under load."""

import http.client
import os
import time
from pathlib import Path

import pytest

from django_compose_stack.tests.prod.load import Load
from django_compose_stack.tests.prod.nodes import Nodes, obstacle
from django_compose_stack.tests.prod.production import Production
from django_compose_stack.tests.stack.checkout import wait_for

REPLICAS = 4


@pytest.fixture
def nodes(tmp_path):
    if problem := obstacle():
        pytest.skip(problem)
    with Nodes(tmp_path, 3) as nodes:
        yield nodes


class Visitors(Load):
    """A load that comes from outside of the Swarm, half of it to each of the first two nodes."""

    def __init__(self, production, nodes):
        super().__init__(production)
        self.nodes = nodes

    def connection(self, number):
        # This thread moves into another network; the others of this process stay where they are.
        with Path(f"/run/netns/{self.nodes.namespace(0)}").open() as namespace:
            os.setns(namespace.fileno(), os.CLONE_NEWNET)
        return http.client.HTTPConnection(self.nodes.address(1 + number % 2), self.port, timeout=30)


def running(production):
    """Return the node of each replica of web that runs and should."""
    words = ["--filter=desired-state=running", "--format={{.Node}} {{.CurrentState}}"]
    listed = production.run("docker", "service", "ps", *words, f"{production.name}_web").stdout.splitlines()
    return [line.split()[0] for line in listed if line.split()[1] == "Running"]


def test_lost_node_takes_nothing_with_it(nodes, tmp_path):
    """What it was just answering may fail; all else waits at most, and its replicas start on the other two."""
    production = Production(tmp_path)
    production.bring_files()
    image = f"{production.name}:one"
    try:
        production.run("docker", "build", "--quiet", "--target=prod", f"--tag={image}", ".")
        nodes.load(image, "postgres:18", "nginx:1.30")
        nodes.join()
        production.variables |= {"DOCKER_HOST": nodes.host(1), "WEB_REPLICAS": str(REPLICAS)}
        production.make("rollback", "VERSION=one")
        assert set(running(production)) == {"node1", "node2", "node3"}

        with Visitors(production, nodes) as load:
            time.sleep(5)
            nodes.cut(3)
            wait_for(lambda: "node3" not in running(production), "the Swarm to see it", timeout=90)
            wait_for(lambda: len(running(production)) == REPLICAS, "its replicas on other nodes", timeout=90)
            seen = len(load.acknowledged)
            wait_for(lambda: len(load.acknowledged) > seen + 50, "notes to be accepted")

        print(f"\n{sum(load.answers.values())} requests, slowest {load.slowest:.2f} s: {load.answers}")
        # One a visitor: what the lost node had taken and not answered, which its visitor waits for in vain.
        assert sum(load.failed.values()) <= len(load.threads)
        assert set(load.acknowledged) - set(production.sql("SELECT text FROM pages_note").split()) == set()
    finally:
        production.remove()
