#!/bin/bash
# Builds the Debian package in a Debian 12 of its own, unit tests included, has lintian look at it,
# installs it, runs evhookd as the package's user, removes and purges it, and sees that nothing is
# left.  DEB_BUILD_OPTIONS=nocheck leaves the unit tests out.
#
# That Debian is made by debootstrap each time, or is $DEB_ROOT: a directory with what this script
# would install, which is used as it is (and keeps the built package in /build).  There is no systemd
# in it: what the units do is not tried.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

packages=(
	build-essential
	curl
	debhelper
	libcmocka-dev
	libevent-dev
	libhiredis-dev
	libssl-dev
	libyajl-dev
	lintian
	pkg-config
	procps
	python3-yaml
	redis-server
	systemd-standalone-sysusers
	systemd-standalone-tmpfiles
	uthash-dev
)

skip() {
	echo "$1: skipped"
	exit 77
}

fail() {
	echo "deb.sh: $1" >&2
	exit 1
}

[ "$(id -u)" -eq 0 ] || skip 'not root'
[ -n "${DEB_ROOT:-}" ] || command -v debootstrap >/dev/null || skip 'no debootstrap'

root=${DEB_ROOT:-}
made=
server=

# What is mounted goes first: nothing behind a mount may be deleted.
clean_up() {
	local pids=()
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	[ -z "$server" ] || wait "$server" || :
	mapfile -t pids < <(jobs -p)
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || :
	mountpoint -q "$root/proc" && umount "$root/proc"
	[ -z "$made" ] || rm -rf --one-file-system "$made"
}
trap clean_up EXIT

inside() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# Everything that a package may leave behind, by name.
list_files() {
	(cd "$root" && find . -xdev \( -path ./proc -o -path ./tmp -o -path ./build -o -path ./var/cache \
		-o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/log -o -path ./run \) -prune -o -print) |
		sort >"$1"
}

if [ -z "$root" ]; then
	made=$(mktemp -d /var/tmp/evhookd-deb-XXXXXX)
	chmod 755 "$made" # it becomes /, for everybody
	root=$made
	echo "== a Debian 12 in $root"
	debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$root.log" 2>&1 ||
		{ tail -5 "$root.log"; rm -f "$root.log"; skip 'debootstrap does not get its packages'; }
	rm -f "$root.log"
	printf 'deb http://deb.debian.org/debian-security bookworm-security main\n' >>"$root/etc/apt/sources.list"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mount -t proc proc "$root/proc"
	inside apt-get update -qq
	inside apt-get install -y -qq --no-install-recommends "${packages[@]}" autoconf automake >/dev/null
else
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
fi

echo '== building'
rm -rf "$root/build"
mkdir -p "$root/build/evhookd"
{ git ls-files -coz --exclude-standard 2>/dev/null || find . -type f -print0; } |
	tar -c --null --files-from=- | tar -x --no-same-owner -C "$root/build/evhookd"
inside sh -c "cd /build/evhookd && DEB_BUILD_OPTIONS='parallel=2 ${DEB_BUILD_OPTIONS-}' \
	dpkg-buildpackage -us -uc -b" >"$root/build/log" 2>&1 || { tail -40 "$root/build/log"; fail 'not built'; }

echo '== lintian'
inside sh -c 'cd /build && lintian --allow-root --fail-on error,warning --tag-display-limit 0 *.changes' ||
	fail 'lintian is not content'

echo '== installing'
list_files "$root/build/before"
inside sh -c 'dpkg -i /build/evhookd_*.deb' >"$root/build/log" 2>&1 || { cat "$root/build/log"; fail 'not installed'; }
list_files "$root/build/installed"
for file in usr/sbin/evhookd usr/bin/evhookctl lib/systemd/system/evhookd.service \
	lib/systemd/system/evhookd@.service usr/lib/sysusers.d/evhookd.conf usr/lib/tmpfiles.d/evhookd.conf \
	etc/evhookd/evhookd.conf usr/share/man/man8/evhookd.8.gz usr/share/man/man1/evhookctl.1.gz \
	usr/share/bash-completion/completions/evhookctl usr/share/doc/evhookd/delivery.md.gz \
	usr/share/doc/evhookd/examples/prometheus/alerts.yml; do
	[ -f "$root/$file" ] || fail "no $file"
done
[ "$(inside stat -c '%a %U %G' /etc/evhookd /etc/evhookd/evhookd.conf /var/lib/evhookd | paste -sd,)" = \
	'750 root evhookd,640 root evhookd,700 evhookd evhookd' ] || fail 'modes or owners are wrong'
inside evhookd --version | grep -qx "evhookd $(sed -n 's/^AC_INIT(\[evhookd\], \[\(.*\)\])/\1/p' configure.ac)" ||
	fail 'another version'
inside evhookctl --version >/dev/null
inside dpkg --verify evhookd

echo '== running'
free_ports='import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in held))'
read -r port admin_port < <(/usr/bin/python3 -c "$free_ports")
# shellcheck disable=SC2016 # the inner shell's
chroot --userspec=evhookd:evhookd "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	sh -c 'cd /var/lib/evhookd && exec evhookd --config /etc/evhookd/evhookd.conf \
		--listen "127.0.0.1:$1" --admin-listen "127.0.0.1:$2"' sh "$port" "$admin_port" \
	>"$root/build/log" 2>&1 </dev/null &
server=$!
for ((i = 0; i < 600; i++)); do
	kill -0 "$server" 2>/dev/null || { cat "$root/build/log"; fail 'evhookd ended'; }
	! inside curl -sfo /dev/null "http://127.0.0.1:$admin_port/readyz" || break
	sleep 0.1
done
inside curl -sf "http://127.0.0.1:$port/readyz" | grep -q '"ready"' ||
	{ cat "$root/build/log"; fail 'not ready'; }
kill "$server"
wait "$server" || fail "evhookd ended with $?"
server=
[ -d "$root/var/lib/evhookd/evhook-data" ] || fail 'the data is not in /var/lib/evhookd'

echo '== removing'
inside dpkg -r evhookd >"$root/build/log" 2>&1 || { cat "$root/build/log"; fail 'not removed'; }
[ -f "$root/etc/evhookd/evhookd.conf" ] || fail 'removing took the configuration along'
[ -d "$root/var/lib/evhookd/evhook-data" ] || fail 'removing took the data along'
inside dpkg -P evhookd >"$root/build/log" 2>&1 || { cat "$root/build/log"; fail 'not purged'; }
list_files "$root/build/after"
diff -u "$root/build/before" "$root/build/after" || fail 'something was left behind'
echo "== good: $(cd "$root/build" && echo evhookd_*.deb)"
