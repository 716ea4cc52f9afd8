#!/bin/bash
# Builds the Debian package in a Debian of its own (deb.sh [RELEASE], bookworm unless given), unit
# tests included, has lintian look at it, installs it, runs evhookd as the package's user, removes and
# purges it, and sees that nothing is left.  DEB_BUILD_OPTIONS=nocheck leaves the unit tests out.
#
# That Debian is made each time (debian.sh), or is $DEB_ROOT: a directory with what this script
# would install, which is used as it is (and keeps the built package in /build).  There is no systemd
# in it: what the units do is not tried.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. test/packaging/debian.sh

packages=(
	build-essential
	curl
	debhelper
	libc-ares-dev
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

[ "$(id -u)" -eq 0 ] || skip 'not root'

release=${1:-bookworm}
root=${DEB_ROOT:-}
made=
server=

clean_up() {
	local pids=()
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	[ -z "$server" ] || wait "$server" || :
	mapfile -t pids < <(jobs -p)
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || :
	[ -z "$made" ] || debian_remove "$made"
}
trap clean_up EXIT

inside() {
	debian_run "$root" "$@"
}

# Everything that a package may leave behind, by name.
list_files() {
	(cd "$root" && find . -xdev \( -path ./proc -o -path ./tmp -o -path ./build -o -path ./var/cache \
		-o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/log -o -path ./run \) -prune -o -print) |
		sort >"$1"
}

if [ -z "$root" ]; then
	made=$(mktemp -d /var/tmp/evhookd-deb-XXXXXX)
	root=$made
	echo "== Debian $release in $root"
	debian_make "$release" "$root" "${packages[@]}" autoconf automake
else
	debian_mount "$root"
fi

echo '== building'
rm -rf "$root/build"
debian_copy "$root" /build/evhookd
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
	lib/systemd/system/evhookd@.service lib/systemd/system/evhookd.target usr/lib/sysusers.d/evhookd.conf usr/lib/tmpfiles.d/evhookd.conf \
	etc/evhookd/evhookd.conf usr/share/man/man8/evhookd.8.gz usr/share/man/man1/evhookctl.1.gz \
	usr/share/bash-completion/completions/evhookctl usr/share/zsh/vendor-completions/_evhookctl \
	usr/share/fish/vendor_completions.d/evhookctl.fish usr/share/doc/evhookd/delivery.md.gz \
	usr/share/doc/evhookd/examples/prometheus/alerts.yml; do
	[ -f "$root/$file" ] || fail "no $file"
done
[ "$(inside stat -c '%a %U %G' /etc/evhookd /etc/evhookd/evhookd.conf /var/lib/evhookd | paste -sd,)" = \
	'750 root evhookd,640 root evhookd,700 evhookd evhookd' ] || fail 'modes or owners are wrong'
inside evhookd --version | grep -qx "evhookd $(sed -n 's/^AC_INIT(\[evhookd\], \[\(.*\)\])/\1/p' configure.ac)" ||
	fail 'another version'
inside evhookctl --version >/dev/null
inside dpkg --verify evhookd
# upgrading and removing reach every evhookd@PORT by the target that they are part of
for script in postinst prerm; do
	grep -q 'deb-systemd-invoke .*evhookd\.target' "$root/var/lib/dpkg/info/evhookd.$script" ||
		{ cat "$root/var/lib/dpkg/info/evhookd.$script"; fail "$script does not know evhookd.target"; }
done

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
wants=/etc/systemd/system/multi-user.target.wants
inside mkdir -p "$wants"
inside ln -s /lib/systemd/system/evhookd@.service "$wants/evhookd@9464.service"
inside dpkg -P evhookd >"$root/build/log" 2>&1 || { cat "$root/build/log"; fail 'not purged'; }
inside rmdir -p --ignore-fail-on-non-empty "$wants"
list_files "$root/build/after"
diff -u "$root/build/before" "$root/build/after" || fail 'something was left behind'
echo "== good: $(cd "$root/build" && echo evhookd_*.deb)"
