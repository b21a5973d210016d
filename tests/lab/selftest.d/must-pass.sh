# SPDX-License-Identifier: MIT
about="Passes"
needs="veth"
deadline=60
mkdir "/run/${LAB_PREFIX}left"
ns a b
link a:x b:y 2001:db8::1/64 2001:db8::2/64
build_net
expect "the other end answers" on a ping -c 1 -W 5 2001:db8::2
capture b y seen
expect "again" on a ping -c 1 -W 5 2001:db8::2
expect_eq "echo requests" 1 "$(count_packets seen 'icmp6 and ip6[40] == 128')"
spawn a listener nc -6 -l 2001:db8::1 7
until_ok 10 "the listener is there" on a ss -Htln 'sport = 7'
expect "it runs" spawn_alive a listener
spawn_kill a listener KILL
refute "it runs on" spawn_alive a listener
