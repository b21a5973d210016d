/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/ztsd/fakeattestor.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/attestor.h"

#define FAKEATTESTOR_TEXT_MAX 4096

struct attestor {
	struct event_base *base;
	attestor_done_fn *held;
	void *held_user;
};

struct fakeattestor_later {
	attestor_done_fn *done;
	void *user;
};

static char fakeattestor_names[2][FAKEATTESTOR_TEXT_MAX];

const char *fakeattestor_dns(void)
{
	return fakeattestor_names[0];
}

const char *fakeattestor_ips(void)
{
	return fakeattestor_names[1];
}

static char fakeattestor_words[FAKEATTESTOR_TEXT_MAX];

const char *fakeattestor_claim(void)
{
	return fakeattestor_words;
}

static void fakeattestor_note(const struct attestor_claim *c)
{
	snprintf(fakeattestor_words, sizeof(fakeattestor_words), "%s %s %s.%s %s account %s",
		 c->registering ? "register" : "refresh", c->provider, c->domain, c->service,
		 c->instance_id, c->account);
}

static void fakeattestor_join(const char *const *names, size_t n, char *ret)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n && at < FAKEATTESTOR_TEXT_MAX; i++)
		at += (size_t)snprintf(ret + at, FAKEATTESTOR_TEXT_MAX - at, "%s ", names[i]);
}

int attestor_open(struct event_base *base, const struct attestor_spec *spec, struct attestor **ret,
		  char ret_why[static ATTESTOR_WHY_MAX])
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->base = base;
	return 0;
}

static void fakeattestor_on_later(evutil_socket_t fd, short what, void *arg)
{
	struct fakeattestor_later *later = arg;

	later->done(later->user, ATTESTOR_OK, "");
	free(later);
}

static void fakeattestor_later(struct attestor *a, attestor_done_fn *done, void *user)
{
	struct fakeattestor_later *later = calloc(1, sizeof(*later));
	struct timeval soon = { .tv_usec = 1000 };

	if (!later)
		exit(2);
	later->done = done;
	later->user = user;
	event_base_once(a->base, -1, EV_TIMEOUT, fakeattestor_on_later, later, &soon);
}

void attestor_check(struct attestor *a, const struct attestor_claim *claim, attestor_done_fn *done,
		    void *user)
{
	fakeattestor_join(claim->dns, claim->n_dns, fakeattestor_names[0]);
	fakeattestor_join(claim->ips, claim->n_ips, fakeattestor_names[1]);
	fakeattestor_note(claim);
	if (!strcmp(claim->evidence, "ok"))
		done(user, ATTESTOR_OK, "");
	else if (!strcmp(claim->evidence, "later"))
		fakeattestor_later(a, done, user);
	else if (!strcmp(claim->evidence, "timeout"))
		done(user, ATTESTOR_TIMEOUT, "nobody answers");
	else if (!strcmp(claim->evidence, "fail"))
		done(user, ATTESTOR_FAILED, "our own trouble");
	else if (!strcmp(claim->evidence, "hold")) {
		a->held = done;
		a->held_user = user;
	} else {
		done(user, ATTESTOR_REFUSED, "no proof");
	}
}

void attestor_close(struct attestor *a)
{
	if (a && a->held)
		a->held(a->held_user, ATTESTOR_FAILED, "ends");
	free(a);
}
