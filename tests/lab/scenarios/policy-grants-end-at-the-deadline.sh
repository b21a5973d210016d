# SPDX-License-Identifier: MIT
about="A session over a grant stops when the grant ends, whatever became of netpolicyd meanwhile"
needs="nft veth"
deadline=200

# shellcheck source=tests/lab/grants.sh
. "$LAB_TREE/tests/lab/grants.sh"

grants_up
host_keep host
grants_refused "before a grant"

grants_open 2
grants_ends_at "two seconds" $((opened_from + 2000)) $((opened + 2000))
grants_refused "after it"

grants_open 5
until_ok 60 "half of it is over" bash -c "(( \$(sed 's/[. ].*//' /proc/uptime) * 1000 >= $opened + 1000 ))"
renewed_from=$(grants_now)
host_policy host grant renew "$grant" --for 6s
renewed=$(grants_now)
grants_ends_at "renewed" $((renewed_from + 6000)) $((renewed + 6000))

grants_open 60
until_ok 60 "the session talks" grants_is_talking
ended_from=$(grants_now)
host_policy host grant end "$grant"
grants_ends_at "ended by hand" "$ended_from" "$(grants_now)"

# netpolicyd dies: what it wrote down and what the kernel knows hold. shift is what its clock is wrong by
# afterwards, as if somebody had set it meanwhile.
died()
{
	grants_open 10
	until_ok 60 "$1: the session talks" grants_is_talking
	spawn_kill host netpolicyd KILL
	expect "$1: the session goes on without netpolicyd" grants_is_talking
	if [ "$2" != 0 ]; then
		export LAB_CLOCK_SHIFT=$2 LD_PRELOAD=$LAB_BUILD/tests/lab/liblab-fakeclock.so
	fi
	host_keep host
	unset LAB_CLOCK_SHIFT LD_PRELOAD
	expect "$1: it knows the grant" grep -q '^live: 1$' <<<"$(host_policy host grant list)"
	expect "$1: the session goes on" grants_is_talking
	grants_ends_at "$1" $((opened_from + 10000)) $((opened + 10000))
	grants_refused "$1, after it"
}
died "killed and started again" 0
died "killed, and the clock is an hour ahead" 3600
died "killed, and the clock is an hour behind" -3600

# With nobody to end it the kernel does.
grants_open 2
spawn_kill host netpolicyd KILL
grants_ends_at "nobody is there to end it" $((opened_from + 2000)) $((opened + 2000))

# A stranger cannot lengthen one, or let somebody in.
host_keep host
refute "a grant longer than the page allows" host_policy host grant add shell "$grants_admin" --for 2h
refute "a grant to somebody else" host_policy host grant add shell 2001:db8:bad::2 --for 1s
