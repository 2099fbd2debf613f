#!/bin/sh
# closure.sh BASE OUT PATH...
#
# Copies each PATH and every shared library it needs to the tree OUT, leaving out
# what the tree BASE holds already. Runs in a build stage where the packages are
# installed. For each package that a file comes from, its dpkg metadata goes to
# OUT/var/lib/dpkg/status.d (where image scanners look for packages that apt does
# not manage) and its copyright file to its usual place.
set -eu

base=$1
out=$2
shift 2

fail() {
	echo "closure.sh: $*" >&2
	exit 1
}

# needed FILE: the shared libraries that the loader finds for FILE, one a line.
needed() {
	case $(head -c 4 "$1") in
	*ELF) ;;
	*) return 0 ;;
	esac
	ldd "$1" >/tmp/closure.ldd || fail "cannot read the libraries of $1"
	if grep 'not found' /tmp/closure.ldd >&2; then
		fail "$1 needs a library that is not installed"
	fi
	sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*$/\1/p' /tmp/closure.ldd
}

# real PATH: PATH by its real directory (/lib is a link to /usr/lib), the last part as it is.
real() {
	echo "$(realpath "$(dirname "$1")")/$(basename "$1")"
}

for path; do
	[ -e "$path" ] || fail "$path does not exist"
	find "$path" \( -type f -o -type l \) | while read -r file; do
		real "$file"
		needed "$file"
	done
done >/tmp/closure.found

sort -u /tmp/closure.found | while read -r file; do
	file=$(real "$file")
	echo "$file"
	# A library's name is a link to the file; both are needed.
	if [ -L "$file" ]; then
		realpath "$file"
	fi
done | sort -u | while read -r file; do
	[ -e "$base$file" ] || echo "$file"
done >/tmp/closure.files

mkdir -p "$out/var/lib/dpkg/status.d"
while read -r file; do
	mkdir -p "$out$(dirname "$file")"
	cp -a "$file" "$out$file"
done </tmp/closure.files

# Packages may call a file in /usr/lib by its old name in /lib. Not every file has a
# package, which dpkg-query calls an error.
sed 'p; s,^/usr,,' /tmp/closure.files | xargs dpkg-query -S 2>/dev/null >/tmp/closure.owners || true
sed 's/:* \/.*//; s/, /\n/g' /tmp/closure.owners | sort -u >/tmp/closure.packages

while read -r package; do
	name=${package%%:*}
	dpkg-query -s "$package" >"$out/var/lib/dpkg/status.d/$name"
	mkdir -p "$out/usr/share/doc/$name"
	cp -aL "/usr/share/doc/$name/copyright" "$out/usr/share/doc/$name/copyright"
done </tmp/closure.packages

echo "closure.sh: $(wc -l </tmp/closure.files) files, $(du -sk "$out" | cut -f1) KiB, of: $(tr '\n' ' ' </tmp/closure.packages)"
