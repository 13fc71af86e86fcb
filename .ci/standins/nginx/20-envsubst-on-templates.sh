#!/bin/sh
# Fills each template into the configuration. Only variables that are set, and whose name matches
# NGINX_ENVSUBST_FILTER, are replaced: nginx's own, like $host, must stay.
set -eu

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

[ -d "$templates" ] || exit 0
if [ ! -w "$output" ]; then
    echo "$0: $output is not writable; no template was filled in" >&2
    exit 0
fi
names=$(awk 'BEGIN { for (name in ENVIRON) if (name ~ ENVIRON["NGINX_ENVSUBST_FILTER"]) printf "${%s} ", name }')
find "$templates" -follow -type f -name "*$suffix" | while read -r template; do
    target=$output/${template#"$templates/"}
    mkdir -p "$(dirname "$target")"
    envsubst "$names" <"$template" >"${target%"$suffix"}"
done
