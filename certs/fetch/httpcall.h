/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One bounded HTTP or HTTPS call by libcurl: no redirects, no proxy (the environment is not asked),
 * no other protocol than the one of the URL, no session or connection kept, nothing looked up.
 * TLS 1.2 or newer, the server verified by chain and host name against the given CAs only.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define HTTPCALL_DETAIL_MAX 256
#define HTTPCALL_HEADERS_MAX 12    /* that a caller may add */
#define HTTPCALL_HEAD_MAX 16384    /* bytes of all headers of an answer */
#define HTTPCALL_RETRY_MAX_S 21600 /* a longer Retry-After counts as this, as in libcurl 8 */

/* Why there is no answer. */
enum {
	HTTPCALL_E_CONNECT = 1, /* nobody listens there, or no route */
	HTTPCALL_E_TIMEOUT,
	HTTPCALL_E_PEER,    /* the server could not prove to be who the URL names */
	HTTPCALL_E_CLOCK,   /* it could, but its certificate is not yet valid, or over */
	HTTPCALL_E_REFUSED, /* it does not accept our certificate, or wants one */
	HTTPCALL_E_LARGE,   /* the answer is larger than it may be */
	HTTPCALL_E_BROKEN,  /* anything else: TLS trouble, a cut or malformed answer */
};

/* PEM in memory. NULL cert: no client certificate. */
struct httpcall_tls {
	const void *ca, *cert, *key;
	size_t ca_len, cert_len, key_len;
};

/* All borrowed for the call. */
struct httpcall {
	const char *method; /* "GET", "PUT", "POST" */
	const char *url;    /* "http://" or "https://"; a literal address, or see the next two */
	const char
		*connect_to; /* CURLOPT_CONNECT_TO entry: where the name leads; NULL or "" = none */
	const char *resolve; /* CURLOPT_RESOLVE entry with the name's addresses; as connect_to */
	const char *const *headers; /* "Name: value", at most HTTPCALL_HEADERS_MAX */
	size_t n_headers;
	const char *body; /* NULL = none */
	size_t body_len;
	size_t answer_max;              /* bytes of the answer's body */
	uint32_t connect_ms;            /* of connecting, TLS included; 0 = as timeout_ms */
	uint32_t timeout_ms;            /* of this call */
	uint64_t deadline_ns;           /* of everything this call is a part of; CLOCK_BOOTTIME */
	const struct httpcall_tls *tls; /* for https */
};

struct httpcall_answer {
	unsigned int status;
	uint32_t retry_after_s; /* 0 = not given */
	char *body;             /* with a NUL behind it; owned, wiped */
	size_t body_len;
};

/* Loads what libcurl and OpenSSL need while files can still be opened.
 * Errors: 0; -errno; -EIO. */
int httpcall_warm_up(void) _warn_unused_;

/* Does the call. Gives *ret for an answer of any status.
 * Errors: 0; HTTPCALL_E_... with @ret_detail, for people, not yet sanitised; -ENOMEM. */
int httpcall_run(const struct httpcall *call, struct httpcall_answer *ret,
		 char ret_detail[static HTTPCALL_DETAIL_MAX]) _warn_unused_;

/* Wipes and frees. For _cleanup_(httpcall_release). */
void httpcall_release(struct httpcall_answer *a);
