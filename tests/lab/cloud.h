/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * lab-cloud: a stand-in for instance metadata and STS, for tests. It is not a cloud; nothing it
 * says is true of any account. What its parts share.
 */
#include <event2/http.h>
#include <stdint.h>

#include "common/attr.h"
#include "tests/lab/cloudconf.h"
#include "tests/lab/cloudkeys.h"

#define CLOUD_SERVER "lab-cloud, a stand-in for tests, not a cloud"
#define CLOUD_BODY_MAX 65536 /* bytes of a request body */

struct event_base;

struct cloud {
	struct event_base *base;
	const char *path;      /* of the configuration; read again before each request */
	struct cloudconf conf; /* the last good one */
	struct cloudkeys keys;
	uint64_t start_wall; /* seconds since 1970: "pending = start" */
};

/* One request on its way through a fault to its answer. */
struct cloud_call {
	struct cloud *cloud;
	struct evhttp_request *req;
	const struct cloudconf_instance *instance; /* NULL at STS */
	void (*handle)(struct cloud_call *call);
	const char *who;  /* for the log */
	const char *path; /* without its query */
	struct event *delay;
};

/* Answers with @status and @body of the content type @type (NULL = text/plain), logs, and ends
 * @call. Takes @call. */
void cloud_answer(struct cloud_call *call, int status, const char *type, const char *body);

/* Leaves the request unanswered for ever. Takes @call. */
void cloud_hang(struct cloud_call *call);

/* A header of the request, "" when absent. Borrowed from the call. */
const char *cloud_header(const struct cloud_call *call, const char *name);

/* Adds a header to the answer. */
void cloud_add_header(struct cloud_call *call, const char *name, const char *value);

/* @wall as "2026-11-21T10:45:16Z" into @ret. */
const char *cloud_time(uint64_t wall, char ret[static 32]);
