/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What ties a tunnel to an identity and to one TLS session: the derived host address and the
 * derived pre-shared key. Source: docs/protocol.md, sections 2.1 and 2.2; RFC 8446, section 7.5.
 */
#include <netinet/in.h>
#include <openssl/types.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/ip6.h"
#include "common/secret.h"
#include "tunneld/core/wgkey.h"

struct bind_psk_input {
	struct wgkey host_key;
	struct wgkey gateway_key;
	struct in6_addr host_addr;
	uint64_t epoch;
};

/* Derives the tunnel address of one instance: @hosts_prefix (a /64) with an interface id hashed
 * from @zone, @provider and @instance_id. The same on every configuration server.
 * Errors: 0; -EINVAL when the prefix is not a /64; -EIO when OpenSSL fails. */
int bind_address(const struct ip6_prefix *hosts_prefix, const char *zone, const char *provider,
		 const char *instance_id, struct in6_addr *ret) _warn_unused_;

/* Takes the exporter secret out of a finished TLS 1.3 handshake. Borrows @ssl.
 * Errors: 0; -EPROTO for another TLS version; -EIO. */
int bind_export(SSL *ssl, struct secret *ret) _warn_unused_;

/* Derives the PSK from the exporter secret and the values it is bound to. Errors: 0; -EIO. */
int bind_psk(const struct secret *exported, const struct bind_psk_input *in,
	     struct secret *ret) _warn_unused_;
