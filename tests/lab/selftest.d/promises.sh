# SPDX-License-Identifier: MIT
about="Of several promises each has a result of its own, and one that is not kept hides no other"
needs=""

holds()
{
	expect "something" true
}

breaks()
{
	false
	expect "bash let the command before pass" true
}

expects_nothing()
{
	:
}

skips()
{
	skip "for one's sake"
}

promise some-pass "This one holds" holds
promise some-break "This one does not" breaks
promise some-expect-nothing "This one is empty" expects_nothing
promise some-skip "This one is skipped" skips
promise some-pass-later "This one holds, too" holds
