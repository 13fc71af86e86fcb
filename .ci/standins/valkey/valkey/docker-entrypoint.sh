#!/bin/sh
# The start that the image documents: options alone are those of the server, which root leaves to its own user, and
# which answers every address without a password.
set -eu
case ${1:-} in -*) set -- valkey-server "$@" ;; esac
if [ "$1" = valkey-server ]; then
    set -- "$@" --protected-mode no
    if [ "$(id -u)" = 0 ]; then
        chown -R valkey .
        set -- setpriv --reuid=valkey --regid=valkey --clear-groups "$@"
    fi
fi
exec "$@"
