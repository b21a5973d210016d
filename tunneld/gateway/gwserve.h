/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The exchange as a worker serves it: judges request and certificate, derives address and
 * pre-shared key, asks the keeper, answers. Holds no power: all it can do is ask. Source:
 * docs/protocol.md, section 2.
 */
#include <openssl/types.h>

#include "common/attr.h"
#include "tunneld/gateway/gwconf.h"

#define GWSERVE_PATH "/tunnel/v1/exchange"
#define GWSERVE_RETRY_S 5 /* Retry-After when the keeper cannot even be asked */

struct denylist;
struct event_base;
struct gwserve;

struct gwserve_spec {
	const struct gwconf *conf;   /* kept */
	const struct denylist *deny; /* kept; NULL = nobody is denied */
	SSL_CTX *tls;                /* kept */
	int listen_fd;               /* kept */
	int chan_fd;                 /* kept; to the keeper */
};

/* Waits on the channel for the keeper's facts, then listens. The loop ends (event_base_loopexit())
 * when the keeper is gone or a drain is complete. Keeps @base. Gives *ret. Errors: 0; -errno. */
int gwserve_open(struct event_base *base, const struct gwserve_spec *spec,
		 struct gwserve **ret) _warn_unused_;

/* Ends everything; NULL is allowed. */
void gwserve_close(struct gwserve *s);
