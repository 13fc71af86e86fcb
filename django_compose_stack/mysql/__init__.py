"""Django's MySQL backend, for MySQL and MariaDB, with PyMySQL as its driver; commands wait for a starting server.

mysqlclient, which Django recommends, is C: it has no wheels for Linux, and so needs a compiler in every image. Where a
project has it, it is used.
"""

import importlib.util

if importlib.util.find_spec("MySQLdb") is None and importlib.util.find_spec("pymysql") is not None:
    import pymysql

    # The name by which Django imports its driver. PyMySQL has the same functions, and the version that Django asks for.
    pymysql.install_as_MySQLdb()
