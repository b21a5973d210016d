/* SPDX-License-Identifier: MIT */
#include "certs/fetch/fetchfiles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/athenz.h"
#include "certs/fetch/fetchfail.h"
#include "common/files.h"
#include "common/secret.h"

#define FETCHFILES_MACHINE_ID_MAX 64 /* bytes of the file */
#define FETCHFILES_MACHINE_ID_LEN 32 /* machine-id(5) */

/* Where distributions keep the CAs they trust. */
static const char *const fetchfiles_system_cas[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem",
};

/* What is said of a file, and in which words. */
struct fetchfiles_want {
	const char *what; /* "zts_ca" */
	enum pst code;
	size_t max;
};

static int fetchfiles_read(const char *path, const struct fetchfiles_want *want,
			   struct fetchfiles_text *ret, struct fetchjob_result *ret_result)
{
	int r = files_read(path, want->max, &ret->bytes, &ret->len);

	if (r == -EFBIG)
		return fetchfail_set(ret_result, want->code, "%s %.150s: more than %zu bytes",
				     want->what, path, want->max);
	if (r < 0 && r != -ENOMEM)
		return fetchfail_set(ret_result, want->code, "%s %.150s: %s", want->what, path,
				     strerror(-r));
	return r;
}

/* libcurl would blame the server for a file that holds no CA. */
static int fetchfiles_read_ca(const char *path, const struct fetchfiles_want *want,
			      struct fetchfiles_text *ret, struct fetchjob_result *ret_result)
{
	static const char mark[] = "CERTIFICATE-----";
	int r = fetchfiles_read(path, want, ret, ret_result);

	if (r == 0 && !memmem(ret->bytes, ret->len, mark, strlen(mark)))
		return fetchfail_set(ret_result, want->code,
				     "%s %.150s: holds no certificate in PEM", want->what, path);
	return r;
}

/* @path, or the first of the system's places that exists. */
static int fetchfiles_read_cas(const char *what, const char *path, struct fetchfiles_text *ret,
			       struct fetchjob_result *ret_result)
{
	const struct fetchfiles_want want = { what, PST_IDENTITY_FILES, FETCHFILES_CA_MAX };

	if (*path)
		return fetchfiles_read_ca(path, &want, ret, ret_result);
	for (size_t i = 0; i < ARRAY_SIZE(fetchfiles_system_cas); i++) {
		int r = files_read(fetchfiles_system_cas[i], want.max, &ret->bytes, &ret->len);

		if (r == 0 || r == -ENOMEM)
			return r;
	}
	return fetchfail_set(ret_result, want.code,
			     "%s is not set, and this system has no file of trusted CAs", what);
}

/* One line of printable text; what people's editors put behind it is taken away. */
static int fetchfiles_check_line(struct fetchfiles_text *t)
{
	while (t->len && strchr(" \t\r\n", t->bytes[t->len - 1]))
		t->bytes[--t->len] = '\0';
	for (size_t i = 0; i < t->len; i++)
		if (t->bytes[i] < 0x21 || t->bytes[i] > 0x7e)
			return -EINVAL;
	return t->len ? 0 : -EINVAL;
}

static int fetchfiles_read_token(const struct certconf *conf, struct fetchfiles *ret,
				 struct fetchjob_result *ret_result)
{
	static const struct fetchfiles_want want = { "token_file", PST_TOKEN_FILE,
						     ATHENZ_EVIDENCE_MAX };
	int r = fetchfiles_read(conf->token_file, &want, &ret->token, ret_result);

	if (r == 0 && fetchfiles_check_line(&ret->token) < 0)
		return fetchfail_set(ret_result, want.code,
				     "%s %.150s: empty, or more than one word of printable text",
				     want.what, conf->token_file);
	return r;
}

/* "uninitialized" stands there before the first boot has ended. */
bool fetchfiles_is_machine_id(struct fetchfiles_text *t)
{
	return fetchfiles_check_line(t) == 0 && t->len == FETCHFILES_MACHINE_ID_LEN &&
	       strspn((char *)t->bytes, "0123456789abcdef") == FETCHFILES_MACHINE_ID_LEN;
}

static int fetchfiles_read_machine_id(struct fetchfiles *ret, struct fetchjob_result *ret_result)
{
	static const struct fetchfiles_want want = { "no instance_id is configured, and",
						     PST_NAME_UNKNOWN, FETCHFILES_MACHINE_ID_MAX };
	int r = fetchfiles_read(FETCHFILES_MACHINE_ID, &want, &ret->machine_id, ret_result);

	if (r == 0 && !fetchfiles_is_machine_id(&ret->machine_id))
		return fetchfail_set(ret_result, want.code, "%s %s holds no machine id", want.what,
				     FETCHFILES_MACHINE_ID);
	return r;
}

static int fetchfiles_read_pair(const struct fetchjob_start *job, struct fetchfiles *ret,
				struct fetchjob_result *ret_result)
{
	const struct {
		const char *name;
		size_t max;
		struct fetchfiles_text *to;
	} files[] = {
		{ "key.pem", FETCHJOB_KEY_MAX, &ret->key },
		{ "cert.pem", FETCHJOB_CERT_MAX, &ret->cert },
		{ "ca.cert.pem", FETCHJOB_CA_MAX, &ret->ca },
	};
	char path[CONF_VALUE_MAX + 16];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++) {
		const struct fetchfiles_want want = { "the stored pair", PST_PAIR_UNUSABLE,
						      files[i].max };

		snprintf(path, sizeof(path), "%s/%s", job->pair_dir, files[i].name);
		r = fetchfiles_read(path, &want, files[i].to, ret_result);
	}
	return r;
}

/* What a registration and a refresh need. */
static int fetchfiles_read_trust(const struct certconf *conf, struct fetchfiles *ret,
				 struct fetchjob_result *ret_result)
{
	int r = fetchfiles_read_cas("zts_ca", conf->zts_ca, &ret->zts_ca, ret_result);

	if (r == 0 && conf->attestation == CERTCONF_AWS &&
	    conf->credentials != CERTCONF_NO_CREDENTIALS)
		r = fetchfiles_read_cas("sts_ca", conf->sts_ca, &ret->sts_ca, ret_result);
	if (r == 0 && conf->attestation == CERTCONF_TOKEN)
		r = fetchfiles_read_token(conf, ret, ret_result);
	return r;
}

static int fetchfiles_read_all(const struct fetchjob_start *job, struct fetchfiles *ret,
			       struct fetchjob_result *ret_result)
{
	const struct certconf *conf = &job->conf;
	static const struct fetchfiles_want pin = { "ca_pin", PST_IDENTITY_FILES, FETCHJOB_CA_MAX };
	int r = 0;

	if (conf->attestation == CERTCONF_TOKEN && !conf->instance_id[0] &&
	    job->kind != FETCHJOB_CHECK)
		r = fetchfiles_read_machine_id(ret, ret_result);
	if (r < 0 || job->kind == FETCHJOB_IDENTIFY)
		return r;
	if (conf->ca_pin[0])
		r = fetchfiles_read_ca(conf->ca_pin, &pin, &ret->ca_pin, ret_result);
	if (r == 0 && job->kind != FETCHJOB_CHECK)
		r = fetchfiles_read_trust(conf, ret, ret_result);
	if (r == 0 && job->kind != FETCHJOB_REGISTER)
		r = fetchfiles_read_pair(job, ret, ret_result);
	return r;
}

int fetchfiles_load(const struct fetchjob_start *job, struct fetchfiles *ret,
		    struct fetchjob_result *ret_result)
{
	struct fetchfiles f = { 0 };
	int r = fetchfiles_read_all(job, &f, ret_result);

	if (r < 0)
		fetchfiles_release(&f);
	else
		*ret = f;
	return r;
}

static void fetchfiles_wipe(struct fetchfiles_text *t)
{
	if (t->bytes)
		secret_wipe_bytes(t->bytes, t->len);
}

void fetchfiles_release(struct fetchfiles *f)
{
	struct fetchfiles_text *const all[] = { &f->zts_ca,     &f->sts_ca, &f->ca_pin, &f->token,
						&f->machine_id, &f->key,    &f->cert,   &f->ca };

	fetchfiles_wipe(&f->token);
	fetchfiles_wipe(&f->key);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(all[i]->bytes);
	*f = (struct fetchfiles){ 0 };
}
