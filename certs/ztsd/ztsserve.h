/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The HTTP side of the issuer: who asks, which route, how often; then the way of a registration or
 * refresh (certs/ztsd/issuance.h), and the answer as Athenz words it. Logs one line for each
 * certificate and each refusal, and counts both. One thread.
 * Source: docs/zts.md.
 */
#include <openssl/types.h>

#include "certs/ztsd/issuance.h"
#include "certs/ztsd/ztsstats.h"
#include "common/attr.h"

struct event_base;
struct ztsserve;

struct ztsserve_spec {
	const struct ztsdconf *conf;
	SSL_CTX *tls;
	int listen_fd;
	struct issuance_env *env; /* its deny-list may change between requests */
	struct ztsstats *stats;
	uint64_t seed; /* any number that strangers do not know */
};

/* Starts serving. Keeps @base and what @spec points at; copies @spec. Gives *ret.
 * Errors: 0; -ENOMEM; -errno of listen(2). */
int ztsserve_open(struct event_base *base, const struct ztsserve_spec *spec,
		  struct ztsserve **ret) _warn_unused_;

/* Stops accepting; what is open goes on. */
void ztsserve_drain(struct ztsserve *s);

/* Open connections. */
unsigned int ztsserve_n_conns(const struct ztsserve *s);

/* Ends it with what is open. Attestors and committer have been closed before: no request waits. The
 * loop must turn once more before @base is freed. NULL is allowed. */
void ztsserve_close(struct ztsserve *s);
