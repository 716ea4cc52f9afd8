#!/bin/sh
# What systemd thinks of the units: no mistakes, and an exposure of at most 2.0.
set -eu

if ! systemd-analyze security --offline=yes --help >/dev/null 2>&1; then
	echo 'no systemd-analyze that looks at files: skipped'
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for unit in evhookd.service evhookd@.service; do
	from=${top_builddir:-.}/$unit
	# the threshold is in tenths
	if ! systemd-analyze security --offline=yes --threshold=20 --no-pager "$from" >"$work/out" 2>&1; then
		cat "$work/out"
		exit 1
	fi
	tail -n 1 "$work/out"
	if ! grep -qx 'PartOf=evhookd.target' "$from" || ! grep -q '^Wants=.* evhookd.target$' "$from"; then
		echo "$unit does not belong to evhookd.target"
		exit 1
	fi
	cp "${srcdir:-.}/doc/systemd/evhookd.target" "$work"
	# An instance of the template; the program need not be installed
	as=$work/$(echo "$unit" | sed 's/@/@9464/')
	sed 's,^ExecStart=.*,ExecStart=/bin/true,;/^Documentation=/d' "$from" >"$as"
	# what it says of other units of this machine is not about ours
	systemd-analyze verify --man=no "$as" 2>&1 | grep "^$work" >"$work/out" || :
	if [ -s "$work/out" ] || grep -q '^#[1n]#\|@[a-z]*@' "$from"; then
		cat "$work/out"
		echo "$unit has mistakes"
		exit 1
	fi
done
