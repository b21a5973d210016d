#!/bin/sh
# SPDX-License-Identifier: MIT
# Proves that the TAP driver can fail: runs the fixture program and looks at its exit status and
# output without the driver's help. usage: tap-must-fail.sh FIXTURE
set -u
fixture=$1
failures=0
tried=0

# expect STATUS 'line pattern' ARGUMENTS…: the pattern (grep -E, whole line) must be printed.
expect() {
	want=$1 pattern=$2
	shift 2
	tried=$((tried + 1))
	output=$("$fixture" "$@" 2>&1)
	status=$?
	if [ "$status" -ne "$want" ] || ! printf '%s\n' "$output" | grep -qxE -- "$pattern"; then
		printf 'FAILED: fixture %s: status %d (want %d), no line "%s" in:\n%s\n' \
			"$*" "$status" "$want" "$pattern" "$output"
		failures=$((failures + 1))
	fi
}

expect 0 '1\.\.2' passing
expect 0 'ok 2 - passing: two' passing
expect 1 '1\.\.3' failing
expect 1 'ok 1 - failing: good' failing
expect 1 'not ok 2 - failing: bad' failing
expect 1 '# .*tests/unit/support/fixture\.c:[0-9]+: .*1 \+ 1.*3.*' failing
expect 1 'ok 3 - failing: last' failing
expect 1 'not ok 1 - fatal: bad' fatal
expect 1 '# the test made no assertion' hollow
expect 1 'not ok 1 - hollow: nothing' hollow
expect 1 'Bail out! a test ended the program' exiting
expect 134 '1\.\.2' aborting
expect 0 'ok 1 - skipping: skips # SKIP not on this machine' skipping
expect 1 'not ok 1 - skipfail: both' skipfail
expect 1 '# .*torture\.c:[0-9]+: allocation 0 failed, result 0' torture
expect 1 '# .*torture\.c:[0-9]+: nothing failed, result -5' torture
expect 1 '1\.\.0' empty
expect 1 '# no test ran' empty
expect 1 '# no test ran' passing -k nowhere
expect 1 "tap: suite 'twice': .*" twice
expect 0 '1\.\.1' failing -k good
expect 0 'ok 1 - failing: last' failing -k ': last'
expect 0 'passing: one' passing -l
expect 1 '' empty -l
expect 0 '# seed 42' passing -s 42
expect 0 '# [0-9]+ assertions, [0-9.]+ ms' passing -v
expect 2 'usage: .*' passing -x
expect 2 'usage: .*' passing -s many
expect 2 'usage: .*' passing stray

first=$("$fixture" drawing -s 7 | grep drawn)
again=$("$fixture" drawing -s 7 | grep drawn)
other=$("$fixture" drawing -s 8 | grep drawn)
alone=$("$fixture" drawing -s 7 -k ': b' | grep drawn)
tried=$((tried + 1))
if [ "$first" != "$again" ] || [ "$first" = "$other" ] || [ "${first##*
}" != "$alone" ]; then
	printf 'FAILED: seeds: "%s" "%s" "%s" "%s"\n' "$first" "$again" "$other" "$alone"
	failures=$((failures + 1))
fi

printf '%d expectations, %d failed\n' "$tried" "$failures"
[ "$failures" -eq 0 ]
