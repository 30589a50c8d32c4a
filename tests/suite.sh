# shellcheck shell=sh
# Packages of a Debian suite that this machine does not follow, for tests. Nothing is installed, and nothing outside of
# one folder is written. Where to fetch from comes from the machine's own apt configuration: the archive that serves
# bookworm main here is asked, by apt itself, with apt's keys and proxies.
#
#	suite_open DIR SUITE...		has apt read their lists into DIR/apt
#	suite_apt get|cache WORD...	apt-get or apt-cache, with these suites alone
#	suite_unpack ROOT		unpacks what suite_apt get has put into DIR/apt/archives, and forgets lists and packages
#
# What fails says why in DIR/apt/log or, where a reader needs no log, in suite_why.

# shellcheck disable=SC2034 # suite_why is for who sources this
suite_open() {
	suite_dir=$1/apt
	shift

	{ command -v apt-get && command -v dpkg-deb; } >/dev/null || {
		suite_why="this is no Debian"
		return 1
	}
	# shellcheck disable=SC2016 # apt expands it
	suite_uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' \
		'Component: main' 'Origin: Debian' 2>/dev/null | head -n 1)
	[ -n "$suite_uri" ] || {
		suite_why="apt has no lists of bookworm main: run apt-get update"
		return 1
	}
	suite_key=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -r "$suite_key" ] || suite_key=
	mkdir -p "$suite_dir/lists/partial" "$suite_dir/archives/partial"
	for suite_name; do
		echo "deb ${suite_key:+[signed-by=$suite_key] }$suite_uri $suite_name main"
	done >"$suite_dir/sources.list"
	suite_apt get -q -o APT::Update::Error-Mode=any update >>"$suite_dir/log" 2>&1 || {
		suite_why="no $* here, see $suite_dir/log"
		return 1
	}
}

suite_apt() {
	suite_tool=$1
	shift

	"apt-$suite_tool" -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
		-o Dir::Etc::sourcelist="$suite_dir/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$suite_dir/lists" -o Dir::Cache::archives="$suite_dir/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Acquire::Languages=none \
		-o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@"
}

suite_unpack() {
	mkdir -p "$1"
	for suite_package in "$suite_dir"/archives/*.deb; do
		dpkg-deb -x "$suite_package" "$1" || return
	done
	rm -rf "$suite_dir/lists" "$suite_dir/archives"
}
