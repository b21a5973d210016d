/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a request is about: the path of an HTTP request, decoded and checked. Pure.
 * Source: docs/zts.md, "Requests"; RFC 3986, section 2.1 for percent-encoding.
 */
#include <stddef.h>

#include "certs/principal.h"
#include "common/attr.h"

#define ZTSROUTE_TARGET_MAX 4096 /* bytes of a request target */
#define ZTSROUTE_BUNDLE_MAX 64   /* bytes with NUL of the name of a CA bundle */

enum ztsroute_kind {
	ZTSROUTE_REGISTER, /* /zts/v1/instance */
	ZTSROUTE_INSTANCE, /* /zts/v1/instance/PROVIDER/DOMAIN/SERVICE/ID */
	ZTSROUTE_CACERTS,  /* /zts/v1/cacerts/NAME */
	ZTSROUTE_STATUS,   /* /zts/v1/status */
	ZTSROUTE_OTHER,    /* nothing of ours */
	ZTSROUTE_N,
};

struct ztsroute {
	enum ztsroute_kind kind;
	char provider[PRINCIPAL_PROVIDER_MAX]; /* lower-cased, as are the next two */
	char domain[PRINCIPAL_MAX];
	char service[PRINCIPAL_MAX];
	char instance_id[PRINCIPAL_INSTANCE_MAX];
	char bundle[ZTSROUTE_BUNDLE_MAX];
};

/* Reads a request target; a query is ignored. Errors: 0; -EINVAL with the kind alone in *ret when a
 * part is malformed, does not fit or holds what no name may hold. */
int ztsroute_parse(const char *target, struct ztsroute *ret) _warn_unused_;

/* "register", "instance", ... for counters. Static. */
const char *ztsroute_name(enum ztsroute_kind kind);
