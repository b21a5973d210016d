#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What scenarios about grants share: a host with netpolicyd, an administrator's machine, sessions that
# somebody granted, and when they stopped. Sourced by scenarios. Times are milliseconds since boot.

# shellcheck source=tests/lab/postern.sh disable=SC2034
[ -n "${postern_zone:-}" ] || . "$LAB_TREE/tests/lab/postern.sh"

grants_host=2001:db8:1:1::2
grants_admin=2001:db8:77::2
grants_late_ms=100 # after its end a session may go on for that long

grants_page()
{
	cat <<-E
	policy granted 1
	host tier compute
	link up eth0
	net admins 2001:db8:77::/64
	grant shell tcp 22 from admins max 1h
	E
}

# The host and the machine of whoever may come in, with a router between them.
grants_up()
{
	postern_dir
	router inet
	ns host admin
	link inet:host host:eth0 2001:db8:1:1::1/64 "$grants_host/64"
	link inet:admin admin:eth0 2001:db8:77::1/64 "$grants_admin/64"
	route host default via 2001:db8:1:1::1
	route admin default via 2001:db8:77::1
	build_net
	mkdir -p "$postern_at/host"
	grants_page >"$postern_at/host/policy.conf"
	host_policy host apply
	spawn host shell "$LAB_TREE/tests/lab/session.py" serve 22
	wait_log 60 host shell ready
}

grants_now()
{
	local up
	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

# grants_open SECONDS: a grant, its number in $grant, and a session over it; $opened is when it was granted,
# at the latest.
grants_open()
{
	rm -f "$LAB_OUT/admin-session.log"
	spawn admin session "$LAB_TREE/tests/lab/session.py" hold "$grants_host" 22
	wait_log 60 admin session trying
	opened_from=$(grants_now)
	grant=$(host_policy host grant add shell "$grants_admin" --for "$1s" --why "lab")
	opened=$(grants_now)
	wait_log 60 admin session connected
}

# The last moment at which something came over the session.
grants_last()
{
	grep -E '^[0-9]+$' "$LAB_OUT/admin-session.log" | tail -n 1
}

grants_is_talking()
{
	[ $(($(grants_now) - $(grants_last))) -lt 300 ]
}

# grants_ends_at WHAT FROM TO: the session stops, not before FROM and not 100 ms after TO.
grants_ends_at()
{
	local last
	until_ok 30 "$1: the session is over" grep -q '^over$' "$LAB_OUT/admin-session.log"
	last=$(grants_last)
	# uptime has ten milliseconds in it, and so may be that much less
	expect_ge "$1: it went on until the end" $(($2 - 50)) "$last"
	expect_ge "$1: $grants_late_ms ms later at most" "$last" $(($3 + 10 + grants_late_ms))
	say "$1: $((last - $3)) ms after its end at the latest"
}

grants_refused()
{
	refute "$1: somebody comes in" on admin timeout 1 bash -c "exec 3<>/dev/tcp/$grants_host/22"
}
