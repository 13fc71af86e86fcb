#!/usr/bin/env bash
# The start that the mariadb image documents: on an empty data folder it makes the system tables with the time zones,
# the users and the database, and runs /docker-entrypoint-initdb.d while the server listens on its socket only.
# shellcheck disable=SC1090 # The scripts are whatever is mounted.
set -Eeuo pipefail
shopt -s nullglob

DATA=/var/lib/mysql

fail() {
    printf '[ERROR] [Entrypoint]: %s\n' "$*" >&2
    exit 1
}

# NAME DEFAULT: sets NAME from MARIADB_NAME or MYSQL_NAME, from the file that either with _FILE names, or to the default.
setting() {
    local prefix variable file found=
    for prefix in MYSQL MARIADB; do
        variable=${prefix}_$1 file=${prefix}_$1_FILE
        if [[ -n ${!file:-} ]]; then
            [[ -z ${!variable:-} ]] || fail "Both $variable and $file are set (but are exclusive)"
            found=$(<"${!file}")
        fi
        found=${!variable:-$found}
    done
    printf -v "$1" '%s' "${found:-$2}"
}

# The text as SQL puts it between single quotes.
quoted() {
    local text=${1//\\/\\\\}
    printf '%s' "${text//\'/\\\'}"
}

sql() {
    MYSQL_PWD=$ROOT_PASSWORD mariadb --protocol=socket --user=root "$@"
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        echo "$0: running $script"
        case $script in
            *.sh) if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
            *.sql) sql ${DATABASE:+"--database=$DATABASE"} <"$script" ;;
            *.sql.gz) gunzip --stdout "$script" | sql ${DATABASE:+"--database=$DATABASE"} ;;
            *) echo "$0: ignoring $script" ;;
        esac
    done
}

initialise() {
    local name ROOT_HOST DATABASE USER PASSWORD ROOT_PASSWORD ALLOW_EMPTY_ROOT_PASSWORD ALLOW_EMPTY_PASSWORD
    for name in DATABASE USER PASSWORD ROOT_PASSWORD ALLOW_EMPTY_ROOT_PASSWORD ALLOW_EMPTY_PASSWORD; do
        setting "$name" ''
    done
    setting ROOT_HOST %
    [[ -n $ROOT_PASSWORD$ALLOW_EMPTY_ROOT_PASSWORD$ALLOW_EMPTY_PASSWORD ]] ||
        fail "Database is uninitialized and password option is not specified"

    mariadb-install-db --datadir="$DATA" --auth-root-authentication-method=normal --skip-test-db "${@:2}" >/dev/null
    "$@" --skip-networking &
    local server=$! password=$ROOT_PASSWORD
    ROOT_PASSWORD=
    until sql --execute 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" || fail "Unable to start server."
        sleep 0.1
    done
    mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo | sql mysql
    {
        echo "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost'); FLUSH PRIVILEGES;"
        if [[ $ROOT_HOST != localhost ]]; then
            echo "CREATE USER root@'$ROOT_HOST' IDENTIFIED BY '$(quoted "$password")';"
            echo "GRANT ALL ON *.* TO root@'$ROOT_HOST' WITH GRANT OPTION;"
        fi
        [[ -z $DATABASE ]] || echo "CREATE DATABASE IF NOT EXISTS \`$DATABASE\`;"
        if [[ -n $USER && -n $PASSWORD ]]; then
            echo "CREATE USER '$USER'@'%' IDENTIFIED BY '$(quoted "$PASSWORD")';"
            [[ -z $DATABASE ]] || echo "GRANT ALL ON \`${DATABASE//_/\\_}\`.* TO '$USER'@'%';"
        fi
        echo "SET PASSWORD FOR root@localhost = PASSWORD('$(quoted "$password")');"
    } | sql
    ROOT_PASSWORD=$password
    run_scripts
    kill "$server"
    wait "$server"
    echo "MariaDB init process done. Ready for start up."
}

[[ ${1:-} != -* ]] || set -- mariadbd "$@"
[[ ${1:-} == mariadbd ]] || exec "$@"
for argument; do
    case $argument in -\? | --help | --print-defaults | -V | --version) exec "$@" ;; esac
done
if [[ $(id -u) == 0 ]]; then
    find "$DATA" /run/mysqld ! -user mysql -exec chown mysql: '{}' +
    exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi
[[ -d $DATA/mysql ]] || initialise "$@"
exec "$@"
