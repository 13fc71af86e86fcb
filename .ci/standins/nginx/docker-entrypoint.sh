#!/bin/sh
# The start that the nginx image documents: the hooks of /docker-entrypoint.d, by name, then the command.
# shellcheck disable=SC1090 # The hooks are whatever is mounted.
set -eu

if [ "${1:-}" = nginx ]; then
    for hook in /docker-entrypoint.d/*; do
        [ -x "$hook" ] || continue
        case $hook in
            *.envsh) . "$hook" ;;
            *.sh) "$hook" ;;
        esac
    done
fi
exec "$@"
