/* SPDX-License-Identifier: MIT */
#include "netpolicy/compile/compiler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/errand.h"
#include "netpolicy/apply/batch.h"

struct compiler {
	struct errand child;
	uint8_t n_devices; /* those it has made */
	char devices[COMPILEWIRE_DEVICES_MAX][IFNAMSIZ];
};

/* A text that names an interface must not find those of another. */
static bool compiler_fits(const struct compiler *c, const struct compilewire_request *q)
{
	bool same = c->n_devices == q->n_devices;

	for (size_t i = 0; i < q->n_devices && same; i++)
		same = !strcmp(c->devices[i], q->devices[i]);
	return same;
}

/* Makes a child ready for @q. */
static int compiler_ready(struct compiler *c, const struct compilewire_request *q)
{
	if (!compiler_fits(c, q))
		errand_end(&c->child);
	c->n_devices = q->n_devices;
	memcpy(c->devices, q->devices, sizeof(c->devices));
	return errand_start(&c->child, COMPILER_PROGRAM);
}

static int compiler_talk(struct compiler *c, const struct compilewire_request *q,
			 struct compilewire_reply *ret)
{
	_cleanup_(parcel_release) struct parcel request = { 0 };
	_cleanup_(parcel_release) struct parcel reply = { 0 };
	uint64_t ms = (1 + q->text_len / COMPILER_DEADLINE_BYTES) * COMPILER_DEADLINE_MS;
	int r = compilewire_put_request(q, &request);

	if (r == 0)
		r = errand_ask(&c->child, &request, ms, COMPILEWIRE_REPLY_MAX, &reply);
	return r < 0 ? r : compilewire_get_reply(reply.bytes, reply.len, ret);
}

static int compiler_check(struct compilewire_reply *ret)
{
	char error[BATCH_ERROR_MAX] = "";
	int r = batch_check_trial(ret->batch, ret->batch_len, error);

	if (r < 0)
		snprintf(ret->error, sizeof(ret->error), "the recorded batch: %s", error);
	return r;
}

int compiler_next(struct compiler *c, const struct compilewire_request *q,
		  struct compilewire_reply *ret)
{
	int r = compiler_ready(c, q);

	*ret = (struct compilewire_reply){ 0 };
	if (r == 0)
		r = compiler_talk(c, q, ret);
	if (r == 0)
		r = ret->result;
	if (r == 0)
		r = compiler_check(ret);
	if (r < 0)
		errand_explain(&c->child, r, ret->error, sizeof(ret->error));
	return r;
}

int compiler_run(const struct compilewire_request *q, struct compilewire_reply *ret)
{
	struct compiler c = { 0 };
	int r = compiler_next(&c, q, ret);

	errand_end(&c.child);
	return r;
}

int compiler_open(struct compiler **ret)
{
	struct compiler *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

void compiler_close(struct compiler *c)
{
	if (!c)
		return;
	errand_end(&c->child);
	free(c);
}

void compiler_closep(struct compiler **c)
{
	compiler_close(*c);
	*c = NULL;
}

const char *compiler_mode_text(uint8_t mode)
{
	return mode == COMPILEWIRE_USERNS ? "without privilege, in a user and network namespace" :
	       mode == COMPILEWIRE_NETNS  ? "in a network namespace made by root "
					    "(user namespaces are switched off)" :
					    "unknown";
}
