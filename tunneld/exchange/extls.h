/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The TLS half of one exchange: what is demanded of the server, and what is taken out of the
 * finished handshake. The server is recognised by the principal in its certificate, not by a host
 * name. Hooks into the SSL_CTX that libcurl makes.
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/pst.h"
#include "common/secret.h"
#include "tunneld/proto/exjob.h"

struct denylist;

struct extls {
	const char *principal;       /* kept */
	const struct denylist *deny; /* kept; NULL = nobody is denied */
	bool require_post_quantum;
	bool finished; /* handshake done and exported below */
	uint64_t finished_ns;
	struct secret exported;
	char group[EXJOB_GROUP_MAX];
	enum pst code; /* why the handshake failed, PST_NONE when it did not say */
	char detail[EXJOB_DETAIL_MAX];
};

/* Prepares @t. Keeps @principal and @deny. */
void extls_init(struct extls *t, const char *principal, const struct denylist *deny,
		bool require_post_quantum);

/* Sets everything on @ctx: TLS 1.3, groups, no resumption, peer check. Keeps @t until @ctx is gone.
 * Errors: 0; -EOPNOTSUPP when a post-quantum group is required but not there; -EIO. */
int extls_attach(struct extls *t, SSL_CTX *ctx) _warn_unused_;

/* Wipes what was exported. For _cleanup_(extls_wipe). */
void extls_wipe(struct extls *t);
