#!/bin/sh
# added.sh BASE OUT
#
# Copies to the tree OUT what packages have added to this stage and the tree BASE
# lacks, dpkg's records included. So packages that are installed once, on Debian,
# can be laid over an image that changes often.
set -eu

base=$1
out=$2

# list TREE TYPE...: the names of what is in TREE, of these types of find's.
list() {
	tree=$1
	shift
	(cd "$tree" && find etc usr var/lib -path var/lib/apt -prune -o \( "$@" \) -print | sort)
}

# A directory of BASE's stays one, where a package has a link.
list "$base" -type f -o -type l -o -type d >/tmp/added.base
list / -type f -o -type l >/tmp/added.here
mkdir -p "$out"
{
	comm -13 /tmp/added.base /tmp/added.here
	echo var/lib/dpkg/status
} | tar -C / -cf - -T - | tar -C "$out" -xf -
