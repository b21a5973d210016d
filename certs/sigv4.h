/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * AWS signature version 4 for requests without a query: what certd-fetch and ztsd send to STS, and
 * what the lab's STS checks. Texts that do not belong into a header are refused here, so that
 * credentials from a stranger cannot add lines to a request.
 * Source: AWS, "Create a signed AWS API request".
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define SIGV4_HEADERS_MAX 8          /* headers the caller may add to the signed ones */
#define SIGV4_ACCESS_MAX 128         /* bytes of an access key id; AWS */
#define SIGV4_SECRET_MAX 256         /* bytes of a secret key; AWS gives 40 */
#define SIGV4_TOKEN_MAX 8192         /* bytes of a session token */
#define SIGV4_DATE_MAX 17            /* bytes with NUL of "20150830T123600Z" */
#define SIGV4_SCOPE_MAX 32           /* bytes of a region or a service */
#define SIGV4_AUTHORIZATION_MAX 1024 /* bytes with NUL */

struct sigv4_header {
	const char *name;  /* lower case, [a-z0-9-] */
	const char *value; /* printable ASCII, no space at its ends, no two in a row */
};

/* What is sent. All borrowed. */
struct sigv4_request {
	const char *method; /* "POST" */
	const char *host;   /* as in the header Host: lower case, with ":port" when one is sent */
	const char *path;   /* of [A-Za-z0-9/._~-] from a "/" on, no "//", "/." or "/.." */
	/* Other headers to be signed, in any order: "content-type". Not host, x-amz-date and
	 * x-amz-security-token, which are always signed. */
	const struct sigv4_header *headers;
	size_t n_headers;
	const void *body; /* NULL = none */
	size_t body_len;
	const char *region, *service; /* "us-east-1", "sts": [a-z0-9-] */
};

/* Who signs. All borrowed. */
struct sigv4_keys {
	const char *access; /* [A-Za-z0-9_] */
	const char *secret; /* printable ASCII */
	const char *token;  /* sent as X-Amz-Security-Token; NULL or "" = none */
};

/* What the caller adds to the request: the values of two headers. Holds no secret. */
struct sigv4_signed {
	char date[SIGV4_DATE_MAX];                   /* X-Amz-Date */
	char authorization[SIGV4_AUTHORIZATION_MAX]; /* Authorization */
};

/* Signs @rq as sent at @now_wall (seconds since 1970). Reads no clock; the first call in a process
 * may open the time zone's file (gmtime_r). Errors: 0; -EINVAL for texts outside of what the
 * structs say, and for a time after the year 9999; -EIO when OpenSSL fails. */
int sigv4_sign(const struct sigv4_request *rq, const struct sigv4_keys *keys, uint64_t now_wall,
	       struct sigv4_signed *ret) _warn_unused_;
