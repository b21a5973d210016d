/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Answers of an instance metadata service (version 2, its rules enforced) and of an STS, for
 * webstub. Not a cloud: fixed texts, and the faults that a test asks for.
 */
#include <stdbool.h>
#include <stdio.h>

#define STUBAWS_INSTANCE "i-0123456789abcdef0"
#define STUBAWS_DOCUMENT                                                                           \
	"{\n  \"accountId\" : \"123456789012\",\n  \"instanceId\" : \"" STUBAWS_INSTANCE           \
	"\",\n  \"region\" : \"us-east-1\",\n  \"pendingTime\" : \"2026-11-21T10:00:00Z\",\n"      \
	"  \"privateIp\" : \"10.0.0.5\"\n}"
#define STUBAWS_SIGNATURE "MIAGCSqGSIb3DQEHAqCA\nMIACAQExCzAJBgUrDgMC\n"
#define STUBAWS_PROFILE "acme.prod.tenant-host-service"
#define STUBAWS_JWT "eyJhbGciOiJFUzM4NCJ9.eyJhdWQiOiJ4In0.c2ln"

/* An instance metadata service; zero is a good one. */
struct stubaws {
	const char *document;    /* NULL: STUBAWS_DOCUMENT */
	const char *signature;   /* NULL: STUBAWS_SIGNATURE */
	const char *rsa2048;     /* the other signature; NULL: none */
	const char *profile;     /* name of the instance profile; NULL: STUBAWS_PROFILE; "": none */
	const char *domain;      /* the tag athenz-domain; NULL: none */
	const char *role;        /* answer of security-credentials/; NULL: STUBAWS_PROFILE */
	const char *credentials; /* NULL: good ones */
	const char *token;       /* NULL: one that is new each time */
	int token_uses;          /* of one token before 401; 0 = any number */
	int put_status;          /* 0 = 200 */
	int get_status;          /* of every GET with a good token; 0 = 200 */
	const char *get_headers; /* more headers of a GET; NULL = none */
	size_t blanks;           /* behind the body of a GET */
	bool put_hangs, get_hangs;
};

/* An STS; zero is a good one. */
struct stubsts {
	int status;       /* 0 = 200 */
	const char *body; /* NULL: what fits the request */
	bool hangs;
};

/* A webstub_answer_fn; @user: struct stubaws. */
bool stubaws_answer(const char *request, FILE *out, void *user);
/* A webstub_answer_fn; @user: struct stubsts. */
bool stubaws_answer_sts(const char *request, FILE *out, void *user);
