#!/bin/sh
# What systemd thinks of the unit's confinement: an exposure of at most 2.0.
set -eu

unit=${srcdir:-.}/doc/systemd/evhookd.service
if ! systemd-analyze security --offline=yes --help >/dev/null 2>&1; then
	echo 'no systemd-analyze that looks at files: skipped'
	exit 77
fi
work=$(mktemp)
trap 'rm -f "$work"' EXIT
# the threshold is in tenths
if ! systemd-analyze security --offline=yes --threshold=20 --no-pager "$unit" >"$work" 2>&1; then
	cat "$work"
	exit 1
fi
tail -n 1 "$work"
