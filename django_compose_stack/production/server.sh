#!/bin/sh
# Makes a Debian machine a Swarm of one for production; `make server` sends it there. $1 is the stack's name. Each step
# looks first and says what it changes, so that a second run changes nothing.
set -eu
stack=$1
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive
count=0

changed() {
    count=$((count + 1))
    echo "changed: $*"
}

fail() {
    echo "server: $1. Fix: $2." >&2
    exit 1
}

# FILE MODE: makes standard input the content of a file; fails if it was that already.
put() {
    cat >/tmp/put.$$
    if cmp -s /tmp/put.$$ "$1"; then rm /tmp/put.$$ && return 1; fi
    install -D -m "$2" /tmp/put.$$ "$1" && rm /tmp/put.$$ && changed "wrote $1"
}

missing() {
    for name; do dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || echo "$name"; done
}

get() { # PACKAGE...
    names=$(missing "$@")
    [ -n "$names" ] || return 0
    apt-get update -qq
    # Several names.
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $names >/tmp/apt.log 2>&1 ||
        fail "apt-get install failed: $(tail -n 3 /tmp/apt.log)" "see /tmp/apt.log there"
    # shellcheck disable=SC2086
    changed "installed" $names
}

[ "$(id -u)" = 0 ] || fail "this needs root" "HOST=root@…"
command -v apt-get >/dev/null || fail "this machine is no Debian" "docs/production.md has the steps by hand"

# --- Packages. An engine that is there stays.
get ca-certificates cron iptables ufw unattended-upgrades
command -v dockerd >/dev/null || get docker.io docker-cli
version=$(dockerd --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
[ "$version" -ge 25 ] || fail "Docker Engine $version is too old" "Debian 13 or newer, or Docker's own packages"

# --- The engine: logs end somewhere, and set-uid programs of containers get no rights.
engine() { # ACTION
    if [ -d /run/systemd/system ]; then systemctl "$1" docker; else service docker "$1" </dev/null >/dev/null; fi
}
if [ -e /etc/docker/daemon.json ] && ! grep -q '"max-size"' /etc/docker/daemon.json; then
    echo "server: /etc/docker/daemon.json is somebody's own and stays. Add log-opts to it: max-size, max-file" >&2
elif [ ! -e /etc/docker/daemon.json ]; then
    put /etc/docker/daemon.json 644 <<'JSON' && engine restart
{
  "log-driver": "json-file",
  "log-opts": {"max-size": "10m", "max-file": "3"},
  "no-new-privileges": true
}
JSON
fi
docker info >/dev/null 2>&1 || engine start
turn=0
until docker info >/dev/null 2>&1; do
    turn=$((turn + 1)) && [ $turn -lt 60 ] || fail "the engine does not start" "see its log there: journalctl -u docker"
    sleep 1
done

# --- The Swarm of one.
if [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" != active ]; then
    address=$(ip -4 route get 192.0.2.1 | sed -n 's/.* src \([0-9.]*\).*/\1/p')
    docker swarm init --advertise-addr "${address:-127.0.0.1}" >/dev/null && changed "began a Swarm of one"
fi

# --- The firewall. It comes last of what could lock somebody out: this connection's own port is open.
port=$(echo "${SSH_CONNECTION:-}" | cut -d' ' -f4)
rules=$(ufw show added)
for rule in "${port:-22}/tcp" 80/tcp 443/tcp; do
    echo "$rules" | grep -q "allow $rule$" || { ufw allow "$rule" >/dev/null && changed "opened $rule"; }
done
ufw status | grep -q '^Status: active' || { ufw --force enable >/dev/null && changed "closed all other ports"; }

# --- Security updates every night.
put /etc/apt/apt.conf.d/20auto-upgrades 644 <<'APT' || true
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
APT

# --- A backup every night, of the form of `make backup`, which `make restore` takes.
put /usr/local/sbin/site-backup 755 <<'BACKUP' || true
#!/bin/sh
# site-backup STACK: writes /var/backups/STACK/TIME.dump, of MariaDB and MySQL TIME.sql.gz, with its checksum; keeps 14.
set -eu
umask 077
container=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=$1_db" | head -n 1)
[ -n "$container" ] || { echo "site-backup: no database of $1 runs here" >&2; exit 1; }
mkdir -p "/var/backups/$1" && cd "/var/backups/$1"
suffix=.dump
docker exec "$container" sh -c 'command -v pg_dump' >/dev/null || suffix=.sql.gz
name=$(date +%Y-%m-%d-%H%M%S)$suffix
trap 'rm -f "$name.part"' EXIT
if [ $suffix = .dump ]; then
    docker exec "$container" sh -c 'user=postgres; psql -qU $user -c "" postgres 2>/dev/null || user=$POSTGRES_USER
        exec pg_dump --format=custom --username "$user" "$POSTGRES_DB"' >"$name.part"
    docker exec --interactive "$container" pg_restore --list <"$name.part" >/dev/null
else
    docker exec "$container" sh -c 'command -v mariadb-dump >/dev/null && dump=mariadb-dump ||
            dump="mysqldump --set-gtid-purged=OFF"
        exec $dump --user=root --single-transaction --quick --routines --events --triggers --hex-blob --no-tablespaces \
            --default-character-set=utf8mb4 "$MYSQL_DATABASE"' | gzip >"$name.part"
    # The status of the first command in a pipe is lost, and a dump that was cut short has no such end.
    gunzip <"$name.part" | tail -n 1 | grep -q '^-- Dump completed' || { echo "site-backup: the dump failed" >&2; exit 1; }
fi
digest=$(sha256sum <"$name.part")
echo "${digest%% *}  $name" >"$name.sha256" && mv "$name.part" "$name"
ls -1r ./????-??-??-??????$suffix | tail -n +15 | while read -r old; do rm -f "$old" "$old.sha256"; done
BACKUP
put "/etc/cron.d/site-backup-$stack" 644 <<CRON || true
# Cron mails root what goes wrong, where mail is set up.
17 3 * * * root /usr/local/sbin/site-backup $stack
CRON

[ $count -gt 0 ] || echo "nothing to change"
if sshd -T 2>/dev/null | grep -qi '^passwordauthentication yes'; then
    echo "note: sshd takes passwords, which others will guess. Better: PasswordAuthentication no in /etc/ssh/sshd_config"
fi
