/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Answers of a ZTS for webstub: signs what is asked for, or something else. Not an issuer: it
 * checks nothing but that the request can be read.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tests/unit/certs/fetch/standca.h"

/* Zero fields: as it should be. */
struct stubzts {
	const struct standca *ca; /* that signs */
	const char *signer;       /* PEM that is sent as the CA; NULL: of @ca; "": none */
	const char *cn, *san;     /* of the certificate, in place of those of the request */
	const char *name, *provider, *instance_id; /* that are echoed */
	const char *eku;
	long from_s, to_s;
	bool other_key;      /* certifies a key of its own */
	size_t cert_len;     /* of the certificate, filled with line ends; 0 = as it is */
	int status;          /* answers this, with @headers and @body, and signs nothing */
	const char *headers; /* NULL = none */
	const char *body;    /* NULL = an error in JSON */
	bool hangs;
};

/* A webstub_answer_fn; @user: struct stubzts. */
bool stubzts_answer(const char *request, FILE *out, void *user);
