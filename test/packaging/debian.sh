# shellcheck shell=bash
# A Debian of its own in a directory, for the scripts beside this one that source it: made by
# debootstrap from the mirrors that this machine's own apt uses.

skip() {
	echo "$1: skipped"
	exit 77
}

fail() {
	echo "$(basename "$0"): $1" >&2
	exit 1
}

# The mirrors in use here: of the releases, and of security updates.
debian_mirror() {
	# shellcheck disable=SC2016 # apt-get's own
	apt-get indextargets --format '$(REPO_URI)' | grep -E "/debian$1/?\$" | head -1
}

# debian_make RELEASE ROOT PACKAGE...: also mounts what programs look for.
debian_make() {
	local release=$1 root=$2 mirror security
	shift 2
	command -v debootstrap >/dev/null || skip 'no debootstrap'
	mirror=$(debian_mirror '') security=$(debian_mirror -security)
	[ -n "$mirror" ] || skip "apt has no mirror of Debian"
	chmod 755 "$root" # it becomes /, for everybody
	debootstrap --variant=minbase --include=ca-certificates "$release" "$root" "$mirror" >"$root.log" 2>&1 ||
		{ tail -5 "$root.log"; rm -f "$root.log"; skip 'debootstrap does not get its packages'; }
	rm -f "$root.log"
	[ -z "$security" ] ||
		echo "deb $security $release-security main" >>"$root/etc/apt/sources.list"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	debian_mount "$root"
	debian_run "$root" apt-get update -qq
	[ $# -eq 0 ] || debian_run "$root" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

debian_mount() {
	mountpoint -q "$1/proc" || mount -t proc proc "$1/proc"
	mountpoint -q "$1/dev/shm" || { mkdir -p "$1/dev/shm" && mount -t tmpfs tmpfs "$1/dev/shm"; }
	mountpoint -q "$1/dev/pts" ||
		{ mkdir -p "$1/dev/pts" && mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"; }
}

# debian_run ROOT COMMAND...
debian_run() {
	local root=$1
	shift
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# debian_remove ROOT: what is mounted goes first, as nothing behind a mount may be deleted.
debian_remove() {
	local at
	for at in proc dev/shm dev/pts; do
		! mountpoint -q "$1/$at" || umount "$1/$at"
	done
	rm -rf --one-file-system "$1"
}

# debian_copy ROOT PLACE: this tree, as git would give it to somebody, into the Debian.
debian_copy() {
	mkdir -p "$1$2"
	{ git ls-files -coz --exclude-standard 2>/dev/null || find . -type f -print0; } |
		tar -c --null --files-from=- | tar -x --no-same-owner -C "$1$2"
}
