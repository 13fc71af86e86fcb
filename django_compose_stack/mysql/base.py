import re
from functools import partial

from django.db.backends.mysql import base

from django_compose_stack import waiting

# Numbers of errors that end by themselves when the server has started: no connection, and a server that stops.
STARTING = re.compile(r"\D(2002|2003|2006|2013|1053)\b")
NO_NAME = re.compile("Name or service not known|name resolution|nodename nor servname|Unknown .*host")


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params):
        attempt = partial(super().get_new_connection, conn_params)
        error = base.Database.OperationalError
        return waiting.connect(attempt, conn_params.get("host", ""), error, STARTING.search, NO_NAME.search)
