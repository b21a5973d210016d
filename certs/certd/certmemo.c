/* SPDX-License-Identifier: MIT */
#include "certs/certd/certmemo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/log.h"

static void certmemo_path(const struct certmemo *m, char ret[static FILES_PATH_MAX])
{
	snprintf(ret, FILES_PATH_MAX, "%s/%s", m->dir, CERTSTATE_NAME);
}

static uint64_t certmemo_fingerprint(const struct certconf *c)
{
	uint64_t h = schedule_hash((uint64_t)c->attestation, c->domain);

	h = schedule_hash(h, c->service);
	h = schedule_hash(h, c->provider);
	h = schedule_hash(h, c->provider_prefix);
	h = schedule_hash(h, c->instance_id);
	for (size_t i = 0; i < c->n_imds; i++)
		h = schedule_hash(h, c->imds[i]);
	return h;
}

int certmemo_open(struct certmemo *m, const char *dir, const struct certconf *conf)
{
	char path[FILES_PATH_MAX];
	int r;

	*m = (struct certmemo){ .dir = dir, .conf = certmemo_fingerprint(conf) };
	r = bootid_read(m->boot_id);
	if (r < 0) {
		log_error("cannot find out which boot this is: %s", strerror(-r));
		return r;
	}
	certmemo_path(m, path);
	r = certstate_read(path, &m->state);
	if (r < 0 && r != -ENOENT)
		log_warning("%s: %s; identifying afresh", path,
			    r == -EBADMSG ? "damaged, or of another version" : strerror(-r));
	return 0;
}

bool certmemo_knows_self(const struct certmemo *m)
{
	return m->state.self.principal[0] && !strcmp(m->state.boot_id, m->boot_id) &&
	       m->state.conf == m->conf;
}

void certmemo_identify(struct certmemo *m, const struct fetchjob_self *self)
{
	m->state.self = *self;
	m->state.conf = m->conf;
	memcpy(m->state.boot_id, m->boot_id, sizeof(m->state.boot_id));
}

void certmemo_save(struct certmemo *m)
{
	char path[FILES_PATH_MAX];
	int r;

	certmemo_path(m, path);
	r = certstate_write(path, &m->state);
	if (r < 0 && !m->cannot_save)
		log_warning("cannot write %s: %s; going on without it", path, strerror(-r));
	m->cannot_save = r < 0;
}
