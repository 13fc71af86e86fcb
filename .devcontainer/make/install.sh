#!/bin/sh
# Runs as root while the development container is built. The image has no make: nothing but this needs it there.
set -eu
apt-get update
apt-get install --yes --no-install-recommends make
rm -rf /var/lib/apt/lists/*
