"""Makes the application's role an owner without a superuser's rights, in a database that was made with them."""

from django_compose_stack.data.restores import kept
from django_compose_stack.data.server import ADMIN, identifier, literal
from django_compose_stack.host.process import Failure

# A bootstrap superuser cannot lose its rights, so it gets another name, which it cannot do to itself.
HELPER = "stack_helper"
BOOTSTRAP = 10  # its oid
FIRST = 16384  # the first oid of what is not Postgres' own
LOCK = "SET lock_timeout = '20s';"

# Of each kind, those that are the superuser's and that ALTER … OWNER takes. Sequences of a column go with its table,
# types of a table or an array with it, and what belongs to an extension stays.
KINDS = f"""
    SELECT 'pg_class'::regclass AS class, oid, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, oid::regclass::text AS name
        FROM pg_class WHERE relowner = {BOOTSTRAP} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = pg_class.oid
                AND d.deptype IN ('a', 'i') AND pg_class.relkind = 'S')
    UNION ALL SELECT 'pg_type'::regclass, t.oid, 'TYPE', t.oid::regtype::text FROM pg_type t
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE typowner = {BOOTSTRAP} AND (typtype IN ('d', 'e', 'r') OR c.relkind = 'c')
    UNION ALL SELECT 'pg_proc'::regclass, oid, 'ROUTINE', oid::regprocedure::text FROM pg_proc
        WHERE proowner = {BOOTSTRAP}
    UNION ALL SELECT 'pg_operator'::regclass, oid, 'OPERATOR', (pg_identify_object(tableoid, oid, 0)).identity
        FROM pg_operator WHERE oprowner = {BOOTSTRAP}
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 'SCHEMA', quote_ident(nspname) FROM pg_namespace
        WHERE nspowner = {BOOTSTRAP}
    UNION ALL SELECT 'pg_collation'::regclass, oid, 'COLLATION', oid::regcollation::text FROM pg_collation
        WHERE collowner = {BOOTSTRAP}
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, 'TEXT SEARCH CONFIGURATION', oid::regconfig::text FROM pg_ts_config
        WHERE cfgowner = {BOOTSTRAP}
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, 'TEXT SEARCH DICTIONARY', oid::regdictionary::text FROM pg_ts_dict
        WHERE dictowner = {BOOTSTRAP}
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, 'STATISTICS', (pg_identify_object(tableoid, oid, 0)).identity
        FROM pg_statistic_ext WHERE stxowner = {BOOTSTRAP}
    UNION ALL SELECT 'pg_largeobject'::regclass, oid, 'LARGE OBJECT', oid::text FROM pg_largeobject_metadata
        WHERE lomowner = {BOOTSTRAP}
"""


def transfer(owner):
    """Return the statements that give a role what is the bootstrap superuser's in a database."""
    return f"""
        SELECT format('ALTER %s %s OWNER TO %I', kind, name, {literal(owner)}) FROM ({KINDS}) AS found
        WHERE (oid >= {FIRST} OR kind = 'LARGE OBJECT') AND NOT EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = found.class AND d.objid = found.oid AND d.deptype = 'e') ORDER BY kind, name \\gexec
        SELECT format('ALTER DATABASE %I OWNER TO %I', current_database(), {literal(owner)}) \\gexec
    """


def roles(owner, rights):
    """Return the statements that rename the bootstrap superuser, and give its name and password to a new role."""
    return f"""
        ALTER ROLE {identifier(owner)} RENAME TO {ADMIN};
        CREATE ROLE {identifier(owner)} LOGIN {rights};
        SELECT format('ALTER ROLE %I PASSWORD %L', {literal(owner)}, rolpassword) FROM pg_authid
            WHERE rolname = '{ADMIN}' AND rolpassword IS NOT NULL \\gexec
        ALTER ROLE {ADMIN} PASSWORD NULL;
    """


def become_owner(server):
    """Leave the superuser's rights to a role that logs in over the socket alone. All of it happens, or nothing."""
    if not hasattr(server, "container"):
        raise Failure("without Docker the role loses a superuser's rights by itself", "make up MODE=native")
    if server.user == ADMIN:
        problem = f"POSTGRES_USER is {ADMIN}, the superuser's own name, which another role cannot have"
        raise Failure(problem, "make backup; another POSTGRES_USER in .env; make reset; make restore FILE=…")
    databases = [server.database, *kept(server)]
    if not server.is_superuser():
        # After an interruption: what remains is done below, and does nothing where nothing remains.
        for database in databases:
            server.sql(f"BEGIN; {LOCK} {transfer(server.user)} COMMIT;", database, server.admin)
        server.sql(f"DROP ROLE IF EXISTS {HELPER}")
        print(f"{server.user} owns {', '.join(databases)}, and is no superuser")
        return
    check(server)
    helper = f"SELECT FROM pg_roles WHERE rolname = '{HELPER}'"
    server.sql(f"SELECT 'CREATE ROLE {HELPER} SUPERUSER LOGIN' WHERE NOT EXISTS ({helper}) \\gexec")
    statements = f"BEGIN; {LOCK} {roles(server.user, server.rights)} {transfer(server.user)} COMMIT;"
    server.sql(statements, server.database, HELPER)
    server.connect()
    become_owner(server)
    ending = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = {BOOTSTRAP}"
    # Sessions that began as a superuser still are.
    server.sql(f"{ending} AND pid <> pg_backend_pid() AND backend_type = 'client backend'")


def check(server):
    rows = server.sql(f"SELECT rolname, oid FROM pg_roles WHERE oid = {BOOTSTRAP} OR rolname = '{ADMIN}'").split()
    if rows != [f"{server.user}|{BOOTSTRAP}"]:
        problem = f"the superusers are {', '.join(row.partition('|')[0] for row in rows)}. Expected {server.user} alone"
        raise Failure(problem, f"if nobody needs it: DROP ROLE {ADMIN}, in make dbshell; then run this again")
