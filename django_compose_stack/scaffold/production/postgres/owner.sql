-- Run once, for a new volume. The image makes POSTGRES_USER a superuser; this makes it the owner of the database alone,
-- so that no SQL of the application can run programs in the container. postgres, the superuser, has no password and so
-- logs in over the container's own socket alone. Volumes of before: make db-owner MODE=production
\getenv owner POSTGRES_USER
\getenv password POSTGRES_PASSWORD
-- It counts what each kind of query takes, for `make status`.
ALTER SYSTEM SET shared_preload_libraries = pg_stat_statements;
SELECT :'owner' = 'postgres' AS same \gset
\if :same
  \quit
\endif
CREATE ROLE helper SUPERUSER LOGIN;
\connect - helper
ALTER ROLE :"owner" RENAME TO postgres;
ALTER ROLE postgres PASSWORD NULL;
CREATE ROLE :"owner" LOGIN PASSWORD :'password';
SELECT format('ALTER DATABASE %I OWNER TO %I', current_database(), :'owner') \gexec
\connect - postgres
DROP ROLE helper;
