#!/bin/sh
# SPDX-License-Identifier: MIT
# Proves that the corpus replay and, with a third argument, the fuzzer can fail.
# usage: must-fail.sh REPLAY-OF-SELFTEST [RUN BUILD-FOLDER]
set -u
replay=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

# expect STATUS 'pattern' COMMAND…
expect() {
	want=$1 pattern=$2
	shift 2
	output=$("$@" 2>&1)
	status=$?
	if [ "$status" -ne "$want" ] || ! printf '%s\n' "$output" | grep -qE -- "$pattern"; then
		printf 'FAILED: %s: status %d (want %d), no "%s" in:\n%s\n' \
			"$*" "$status" "$want" "$pattern" "$output"
		failures=$((failures + 1))
	fi
}

mkdir "$dir/empty" "$dir/good" "$dir/good/deeper" "$dir/bad" "$dir/large"
echo fine >"$dir/good/seed"
: >"$dir/good/deeper/nothing"
echo bug >"$dir/bad/seed"
truncate -s 2M "$dir/large/seed"

expect 1 '' "$replay"
expect 1 'No such file' "$replay" "$dir/missing"
expect 1 'No data' "$replay" "$dir/empty"
expect 1 'No data' "$replay" "$dir/good" "$dir/empty"
expect 1 'too large' "$replay" "$dir/large"
expect 134 'bad/seed \(4 bytes\)' "$replay" "$dir/bad"
expect 0 'good: 2 inputs' "$replay" "$dir/good"
expect 0 'seed: 1 inputs' "$replay" "$dir/good/seed"

if [ $# -eq 3 ]; then
	expect 1 'selftest.*CRASH' env FUZZ_BUILD="$3" FUZZ_CRASHES="$dir/crashes" "$2" 20 selftest
	expect 0 'crash-' ls "$dir/crashes/selftest"
	expect 2 'no target' env FUZZ_BUILD="$3" "$2" 1 nowhere
fi
[ "$failures" -eq 0 ]
