/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether evidence proves that an instance may have an identity: one attestor for each provider
 * of ztsd's configuration. The answer may come later (a call to STS), so it goes to a callback; all
 * of it happens in the thread of the event base. Source: docs/zts.md, "Attestation".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define ATTESTOR_WHY_MAX 256

struct event_base;
struct attestor;

/* What is claimed, and by whom. Borrowed for the call only. */
struct attestor_claim {
	bool registering;                                      /* else a refresh */
	const char *provider, *domain, *service, *instance_id; /* lower case but for the id */
	const char *account;    /* of the domain, from the registry; "" = none */
	const char *const *dns; /* the DNS names of the request */
	size_t n_dns;
	const char *const *ips; /* its IP names in text form */
	size_t n_ips;
	const char *evidence; /* attestationData; "" = none */
	uint64_t now_wall;
};

enum attestor_verdict {
	ATTESTOR_OK,
	ATTESTOR_REFUSED, /* 403 "unable to verify attestation data: <why>" */
	ATTESTOR_TIMEOUT, /* 504: who had to be asked did not answer */
	ATTESTOR_FAILED,  /* 500: our own trouble */
};

/* @why: one printable line, for the answer and the log. */
typedef void attestor_done_fn(void *user, enum attestor_verdict verdict, const char *why);

/* Settings of one provider, section [provider NAME] of ztsd.conf. Texts are borrowed for ever, and
 * none is NULL. */
struct attestor_spec {
	const char *provider;
	enum { ATTESTOR_AWS, ATTESTOR_TOKEN } kind;
	const char *const *suffixes; /* DNS suffixes of this provider, of either kind */
	size_t n_suffixes;           /* 0 only for TOKEN: no DNS name then passes */
	/* AWS */
	const char *const *aws_certs; /* PEM files: who signs instance documents (DSA or RSA) */
	size_t n_aws_certs;
	uint32_t boot_window_s;  /* pendingTime may lie that far back at registration; 0 = any */
	bool check_private_ip;   /* IP names must be the document's privateIp */
	bool need_credentials;   /* a document alone is not enough */
	const char *sts_url;     /* "https://sts.us-east-1.api.aws"; "" = credentials refused */
	const char *sts_address; /* "[addr]:port" where that name leads; "" = look it up */
	const char *sts_ca;      /* PEM; "" = the system's */
	uint32_t sts_timeout_ms;
	const char *jwt_issuer; /* of web-identity tokens; "" = tokens refused */
	const char *jwt_keys;   /* JWKS file of that issuer */
	const char *jwt_audience;
	const char *const *jwt_orgs; /* org_id allow-list, must not be empty for tokens */
	size_t n_jwt_orgs;
	/* TOKEN */
	const char *token_key; /* file with the secret, 32...64 bytes */
};

/* Loads what @spec names. Keeps @base and @spec. Gives *ret.
 * Errors: 0; -EINVAL, -errno with *ret_why (static or owned by the attestor module) = what is
 * wrong with which file. */
int attestor_open(struct event_base *base, const struct attestor_spec *spec, struct attestor **ret,
		  char ret_why[static ATTESTOR_WHY_MAX]) _warn_unused_;

/* Checks @claim and calls @done exactly once, now or later (but not after attestor_close()). */
void attestor_check(struct attestor *a, const struct attestor_claim *claim, attestor_done_fn *done,
		    void *user);

/* Ends it; checks that wait are answered with ATTESTOR_FAILED first. NULL is allowed. */
void attestor_close(struct attestor *a);
