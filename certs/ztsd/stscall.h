/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Asks AWS STS whom credentials belong to (GetCallerIdentity), many questions at a time, by libcurl
 * inside an event base. TLS is verified against one set of CAs; nothing of the environment (proxy,
 * netrc, directories of CAs) has a say; every answer is bounded in size and time. Connections are
 * kept for the next question: credentials travel in the request, not with the connection. All in
 * the thread of the event base; the program ignores SIGPIPE.
 * Source: AWS STS API reference, GetCallerIdentity; libcurl's manual, curl_multi_socket_action(3).
 */
#include <stdint.h>

#include "certs/sigv4.h"
#include "common/attr.h"

#define STSCALL_FLIGHTS_MAX 256 /* questions that wait for their answer at the same time */
#define STSCALL_KEPT_MAX 32     /* connections that are kept open */
#define STSCALL_ARN_MAX 2048    /* bytes with NUL; AWS */
#define STSCALL_WHY_MAX 256

struct event_base;
struct stscall;

enum stscall_end {
	STSCALL_OK,
	STSCALL_REFUSED, /* STS does not accept the credentials */
	STSCALL_SILENT,  /* no answer in time, or none that is of use: later perhaps */
	STSCALL_FAILED,  /* our own trouble, or it is not STS that answers */
};

/* @text: the ARN when @end is STSCALL_OK, else one printable line. */
typedef void stscall_done_fn(void *user, enum stscall_end end, const char *text);

/* Where STS is. Texts are borrowed for ever. */
struct stscall_spec {
	const char *url;     /* "https://HOST[:PORT]" with a host name in lower case */
	const char *address; /* "[addr]:port" where it leads; "" = look it up */
	const char *ca;      /* PEM file; "" = the system's */
	const char *region;  /* of the signature */
	uint32_t timeout_ms; /* of one question, all in all */
};

/* Reads the CAs. Keeps @base and @spec. Gives *ret. Errors: 0; -EINVAL, -ENOENT... with @ret_why;
 * -ENOMEM. */
int stscall_open(struct event_base *base, const struct stscall_spec *spec, struct stscall **ret,
		 char ret_why[static STSCALL_WHY_MAX]) _warn_unused_;

/* Asks and calls @done exactly once, perhaps before this returns. Borrows @keys for the call;
 * libcurl keeps a copy of the session token until the answer, never one of the secret key. */
void stscall_ask(struct stscall *s, const struct sigv4_keys *keys, uint64_t now_wall,
		 stscall_done_fn *done, void *user);

/* Ends it; who waits is answered with STSCALL_FAILED first. Not from a callback. NULL is
 * allowed. */
void stscall_close(struct stscall *s);
