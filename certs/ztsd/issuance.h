/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The way of one registration or refresh, from its body to the certificate: read, looked up in the
 * registry, its request checked, attested, recorded durably, signed. In this order, so that nothing
 * is signed that is not on record. Answers with the statuses and words of Athenz.
 * Source: docs/zts.md, "Registration" and "Refresh".
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/athenz.h"
#include "certs/denylist.h"
#include "certs/peerid.h"
#include "certs/ztsd/attestor.h"
#include "certs/ztsd/committer.h"
#include "certs/ztsd/signer.h"
#include "certs/ztsd/ztsdconf.h"
#include "certs/ztsd/ztsdb.h"
#include "certs/ztsd/ztsroute.h"
#include "common/attr.h"
#include "common/pst.h"

/* What all of them use. Borrowed. */
struct issuance_env {
	const struct ztsdconf *conf;
	struct attestor *const *attestors; /* as conf->providers */
	struct ztsdb *db;                  /* read only here */
	struct committer *committer;
	struct signer *signer;
	const struct denylist *deny; /* NULL = nobody is denied */
	bool is_closed;              /* the deny-list cannot be used: nobody gets anything */
};

/* Who asks, and what for. Borrowed for the call of issuance_start() only. */
struct issuance_asker {
	const struct ztsroute *route; /* a refresh: the names of the path; NULL = a registration */
	const struct peerid *id;      /* of the certificate presented; NULL = none */
	struct in6_addr source;
	const char *body;
	size_t body_len;
};

/* How it ended. Texts are borrowed for the call. */
struct issuance_result {
	unsigned int status;
	enum pst code;       /* PST_NONE when it was issued */
	const char *message; /* of a refusal, for the client */
	/* What is known by then; "" before. */
	const char *provider, *principal, *instance_id, *serial;
	const char *cert; /* PEM; NULL when refused */
};

typedef void issuance_done_fn(void *user, const struct issuance_result *result);

/* Does all of it and calls @done exactly once, now or later. @env must live until then; before it
 * goes, the attestors and the committer are closed, which ends what waits for them. */
void issuance_start(const struct issuance_env *env, const struct issuance_asker *asker,
		    issuance_done_fn *done, void *user);
