# SPDX-License-Identifier: MIT
about="What the product promises, tried in one zone with real identities, policies and tunnels"
needs="wireguard nft veth rules"
deadline=480

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

postern_identities=certd
claims_zone host1 host2

# In this order: the capture of the uplink is judged before something is broken on purpose, and what breaks
# most comes last. Each leaves the zone whole.
promise tunnel-to-three-servers "Each configuration server is reached through its own kernel tunnel" claim_tunnels_up
promise ping-and-tcp-through-each-tunnel "ICMPv6 and TCP go through each tunnel" claim_ping_and_tcp
promise public-address-is-captured "Traffic to a configuration server's public address goes through the tunnel" claim_public_address_captured
promise uplink-carries-only-the-tunnel "On the uplink only UDP 51820 and TCP 4443 go to configuration servers" claim_uplink_only_tunnel
promise outside-reaches-nothing "A hostile network finds no port of the host, TCP or UDP, IPv4 or IPv6" claim_outside_reaches_nothing
promise ipv4-out-is-dead "No IPv4 packet leaves the host" claim_ipv4_is_dead
promise hosts-are-apart "One host cannot reach another, outside or inside the tunnel" claim_hosts_are_apart
promise wrong-tenant-is-refused "A host of another tenant is refused, here and there with its code" claim_wrong_tenant_refused
promise expired-certificate-is-refused "So is an expired certificate" claim_expired_certificate_refused
promise foreign-certificate-is-refused "So is a certificate of another CA" claim_wrong_ca_refused
promise two-names-are-refused "So is a certificate with two common names" claim_two_names_refused
promise kill-9-loses-no-packet "gatewayd and tunneld killed with -9 lose no packet" claim_kill_loses_nothing
promise stale-key-is-not-used "An exchange that was made for a key the interface no longer has is thrown away and made again at once" claim_stale_key_is_not_used
promise deleted-interface-leaks-nothing "With the interface deleted nothing leaks, and tunneld comes back" claim_deleted_interface_leaks_nothing
promise policy-is-proved-in-the-zone "The claims of the page hold over all packets, and the kernel agrees packet by packet" claim_policy_proved
promise foreign-flush-is-repaired "'nft flush ruleset' by a stranger is noticed by netpolicy check and postern status, named and repaired by netpolicyd" claim_foreign_flush_repaired
