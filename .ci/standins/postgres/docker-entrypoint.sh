#!/usr/bin/env bash
# The start that the postgres image documents: on an empty data directory it makes the cluster, the user and
# the database, and runs /docker-entrypoint-initdb.d while the server listens on its socket only.
# shellcheck disable=SC1090,SC2016 # The scripts are whatever is mounted; eval is to see the $ of its argument.
set -Eeuo pipefail
shopt -s nullglob

fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

# NAME DEFAULT: sets NAME from itself, from the file that NAME_FILE names (a secret), or to the default.
setting() {
    local name=$1 file=${1}_FILE value=${!1:-}
    if [[ -n ${!file:-} ]]; then
        [[ -z $value ]] || fail "$name and $file are both set; unset one of them"
        value=$(<"${!file}")
    fi
    export "$name=${value:-$2}"
    unset "$file"
}

# Since 18 a volume at the former place would silently stay empty and the data die with the container.
refuse_misplaced_data() {
    local version
    [[ $PG_MAJOR -ge 18 && ! -s $PGDATA/PG_VERSION ]] || return 0
    for version in /var/lib/postgresql/{,data/,*/docker/}PG_VERSION; do
        [[ ! -s $version ]] || fail "in 18+ the data of another major version is in the way: ${version%/*}"
    done
    ! grep -q ' /var/lib/postgresql/data ' /proc/self/mountinfo ||
        fail "in 18+ the volume belongs at /var/lib/postgresql, and one is mounted at /var/lib/postgresql/data"
}

initialise() {
    setting POSTGRES_PASSWORD ''
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS ''
    local method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    [[ -n $POSTGRES_PASSWORD || $method == trust ]] ||
        fail "Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD"

    # The arguments may hold quotes, as in `--set="x = y"`, so they go through eval, as in the image.
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD")' "$POSTGRES_INITDB_ARGS"
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

    export PGPASSWORD=$POSTGRES_PASSWORD
    pg_ctl -w -o "-c listen_addresses=''" start
    local psql=(psql --set=ON_ERROR_STOP=1 --no-psqlrc --no-password --username="$POSTGRES_USER")
    if [[ $POSTGRES_DB != postgres ]]; then
        "${psql[@]}" --dbname=postgres --set=db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    psql+=(--dbname="$POSTGRES_DB")
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        echo "$0: running $script"
        case $script in
            *.sh) if [[ -x $script ]]; then "$script"; else . "$script"; fi ;;
            *.sql) "${psql[@]}" --file="$script" ;;
            *.sql.gz) gunzip --stdout "$script" | "${psql[@]}" ;;
            *.sql.xz) xz --decompress --stdout "$script" | "${psql[@]}" ;;
            *.sql.zst) zstd --decompress --stdout "$script" | "${psql[@]}" ;;
            *) echo "$0: ignoring $script" ;;
        esac
    done
    pg_ctl -m fast -w stop
    unset PGPASSWORD
    echo "PostgreSQL init process complete; ready for start up."
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
[[ ${1:-} == postgres ]] || exec "$@"
for argument; do
    case $argument in -\? | --help | --describe-config | -V | --version) exec "$@" ;; esac
done
if [[ $(id -u) == 0 ]]; then
    mkdir -p "$PGDATA"
    chmod 00700 "$PGDATA"
    find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
refuse_misplaced_data
if [[ -s $PGDATA/PG_VERSION ]]; then
    echo "PostgreSQL Database directory appears to contain a database; Skipping initialization"
else
    initialise
fi
exec "$@"
