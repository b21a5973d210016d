# SPDX-License-Identifier: MIT
about="A grant neither ends early nor lasts longer when somebody sets the clock of the kernel"
needs="nft veth guest"
deadline=120

# shellcheck source=tests/lab/grants.sh
. "$LAB_TREE/tests/lab/grants.sh"

# The guest's other scenarios want the clock back.
off=0
set_clock()
{
	date -s "@$(($(date +%s) + $1 - off))" >/dev/null
	off=$1
}
trap 'set_clock 0' EXIT

# emulated, and every process costs
grants_late_ms=400
grants_up
host_keep host
for shift in 3600 -3600; do
	grants_open 8
	until_ok 60 "the session talks" grants_is_talking
	set_clock "$shift"
	grants_ends_at "the clock was set by $shift s" $((opened_from + 8000)) $((opened + 8000))
	set_clock 0
	grants_refused "after it"
done
