/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Everything an issuance needs, real but for the attestor: a CA in the directory of the test, the
 * store with a registry, a committer. One at a time.
 *
 * The registry: domain dom.a (account 123456789012) with service svc for prov.tok and prov.aws, and
 * service web for prov.aws alone; domain dom.short with svc for prov.tok and a cap of 30 s. The
 * providers prov.tok and prov.aws have the suffix aws.example.
 */
#include <event2/event.h>
#include <openssl/types.h>
#include <stdbool.h>

#include "certs/ztsd/issuance.h"

struct ztsfixture {
	char dir[256]; /* with ca.cert.pem, ca.key.pem, server.cert.pem, server.key.pem, ztsd.db */
	struct event_base *base;
	struct ztsdconf *conf;
	struct signer *signer;
	struct attestor *attestors[ZTSDCONF_PROVIDERS_MAX];
	struct ztsdb *db;
	struct committer *committer;
	struct issuance_env env;
	EVP_PKEY *key; /* of instances */
};

/* Opens it; @settings are lines of [ztsd], @provider those of [provider prov.tok]. Ends the program
 * on failure. */
void ztsfixture_open(struct ztsfixture *f, const char *settings, const char *provider);

/* Closes attestors and committer first: what waits is answered. */
void ztsfixture_close_waits(struct ztsfixture *f);
/* Closes the rest, too. */
void ztsfixture_close(struct ztsfixture *f);

/* A request for dom.a.svc's instance @id of @provider, with the DNS name of the service. free() it.
 */
char *ztsfixture_csr(const struct ztsfixture *f, const char *provider, const char *id);

struct ztsfixture_body {
	bool refreshing;
	const char *provider, *domain, *service; /* NULL: prov.tok, dom.a, svc */
	const char *evidence;                    /* NULL: ok */
	const char *csr;                         /* NULL: that of instance i-01 */
	int32_t expiry_min;
};

/* The JSON of a request. free() it. */
char *ztsfixture_make_body(const struct ztsfixture *f, const struct ztsfixture_body *b);

struct ztsfixture_cert {
	const char *cn, *ou, *uri;                /* NULL = left out */
	uint64_t not_before_wall, not_after_wall; /* 0: some time around now */
};

/* A certificate of the CA for the instances' key that ztsd did not issue. PEM, free() it. */
char *ztsfixture_make_cert(const struct ztsfixture *f, const struct ztsfixture_cert *c);

/* Reads PEM. Ends the program when it is none. X509_free() it. */
X509 *ztsfixture_parse(const char *pem);
