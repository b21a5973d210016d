/* SPDX-License-Identifier: MIT */
#include "tests/unit/tunneld/gateway/gwfixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *gwfixture_conf_text(void)
{
	return "[gateway]\n"
	       "name = cfg1\n"
	       "zone = prod\n"
	       "endpoints = [2001:db8:c::1]:51820\n"
	       "address = fd12:3456:789a::1\n"
	       "routes = 2001:db8:c::1/128\n"
	       "hosts_prefix = fd12:3456:789a:1::/64\n"
	       "providers = " GWFIXTURE_PROVIDER "\n"
	       "renew_after_s = 50\n"
	       "expires_after_s = 100\n"
	       "grants_max = 8\n"
	       "[identity]\n"
	       "cert = /nowhere/cert.pem\n"
	       "key = /nowhere/key.pem\n"
	       "ca = /nowhere/ca.pem\n"
	       "[tenants]\n"
	       "allow = " GWFIXTURE_TENANT "\n";
}

struct gwconf *gwfixture_conf(void)
{
	struct gwconf *conf = NULL;
	struct conf_error error = { .text = "" };

	if (gwconf_load_text("fixture", gwfixture_conf_text(), &conf, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(2);
	}
	return conf;
}

struct gwframe_grant gwfixture_grant(uint8_t n)
{
	struct gwframe_grant g = {
		.principal = GWFIXTURE_TENANT,
		.provider = GWFIXTURE_PROVIDER,
		.serial = "01ab",
		.cert_expires_wall = GWFIXTURE_NOW + 1000,
		.epoch = GWFIXTURE_NOW,
	};

	snprintf(g.instance_id, sizeof(g.instance_id), "i-%03u", n);
	memset(g.host_key.bytes, 0x20 + n, sizeof(g.host_key.bytes));
	memset(g.psk.bytes, 0x80 + n, sizeof(g.psk.bytes));
	(void)inet_pton(AF_INET6, "fd12:3456:789a:1::", &g.host_addr);
	g.host_addr.s6_addr[15] = n;
	return g;
}
