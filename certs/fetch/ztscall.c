/* SPDX-License-Identifier: MIT */
#include "certs/fetch/ztscall.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "certs/athenz.h"
#include "certs/csr.h"
#include "certs/fetch/fetchfail.h"
#include "certs/fetch/httpcall.h"
#include "common/clk.h"
#include "common/secret.h"

/* URL, and four segments of which every byte may need three. */
#define ZTSCALL_URL_MAX                                                                            \
	(CONF_VALUE_MAX + 3 * (2 * PRINCIPAL_MAX + PRINCIPAL_PROVIDER_MAX + PRINCIPAL_INSTANCE_MAX))

static void ztscall_text_wipep(char **p)
{
	if (*p)
		secret_wipe_bytes(*p, strlen(*p));
	free(*p);
	*p = NULL;
}

static void ztscall_key_freep(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void ztscall_escaped_freep(char **p)
{
	curl_free(*p);
}

void ztscall_release(struct ztscall_pair *p)
{
	ztscall_text_wipep(&p->key);
	free(p->cert);
	free(p->ca);
	*p = (struct ztscall_pair){ 0 };
}

/* Splits at the last dot; a principal has one. */
static void ztscall_split(const char *principal, struct athenz_request *ret)
{
	const char *dot = strrchr(principal, '.');
	size_t len = dot ? (size_t)(dot - principal) : 0;

	snprintf(ret->domain, sizeof(ret->domain), "%.*s", (int)len, principal);
	snprintf(ret->service, sizeof(ret->service), "%s", dot ? dot + 1 : principal);
}

static int ztscall_add_segment(char *url, size_t cap, const char *segment)
{
	_cleanup_(ztscall_escaped_freep) char *escaped = curl_easy_escape(NULL, segment, 0);
	size_t len = strlen(url);

	if (!escaped)
		return -ENOMEM;
	snprintf(url + len, cap - len, "/%s", escaped);
	return 0;
}

static int ztscall_url(const struct ztscall *c, const struct athenz_request *rq,
		       char ret[static ZTSCALL_URL_MAX])
{
	const char *const segments[] = { rq->provider, rq->domain, rq->service,
					 c->job->self.instance_id };
	int r = 0;

	snprintf(ret, ZTSCALL_URL_MAX, "%s/instance", c->job->conf.zts_url);
	if (c->job->kind == FETCHJOB_REGISTER)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(segments) && r == 0; i++)
		r = ztscall_add_segment(ret, ZTSCALL_URL_MAX, segments[i]);
	return r;
}

/* Whoever answers is judged by the error, the answer by its status. */
static enum pst ztscall_error_code(int error)
{
	switch (error) {
	case HTTPCALL_E_PEER:
		return PST_ZTS_IDENTITY;
	case HTTPCALL_E_CLOCK:
		return PST_CLOCK_WRONG;
	case HTTPCALL_E_REFUSED:
		return PST_CERT_REFUSED;
	default:
		return PST_ZTS_UNREACHABLE;
	}
}

static int ztscall_fail_status(const struct ztscall *c, const struct httpcall_answer *a,
			       const char *url, struct fetchjob_result *ret_result)
{
	struct athenz_error error = { 0 };
	enum pst code;

	athenz_decode_error(a->body, a->body_len, &error);
	code = athenz_classify(a->status, error.message);
	if (code == PST_CERT_REFUSED && c->job->kind == FETCHJOB_REGISTER)
		code = PST_ZTS_REFUSED; /* there was none */
	ret_result->retry_after_s = a->retry_after_s;
	/* Most likely the path: who reads this must see it. */
	if (a->status == 404)
		return fetchfail_set(ret_result, code, "%.100s: status 404: %s", url,
				     error.message);
	return fetchfail_set(ret_result, code ? code : PST_ZTS_UNREACHABLE, "status %u: %s",
			     a->status, error.message);
}

static int ztscall_post(const struct ztscall *c, const char *url, const char *body,
			struct httpcall_answer *ret, struct fetchjob_result *ret_result)
{
	static const char *const headers[] = { "Content-Type: application/json" };
	const struct fetchfiles *f = c->files;
	bool refresh = c->job->kind == FETCHJOB_REFRESH;
	const struct httpcall_tls tls = {
		.ca = f->zts_ca.bytes,
		.ca_len = f->zts_ca.len,
		.cert = refresh ? f->cert.bytes : NULL,
		.cert_len = refresh ? f->cert.len : 0,
		.key = refresh ? f->key.bytes : NULL,
		.key_len = refresh ? f->key.len : 0,
	};
	_cleanup_(httpcall_release) struct httpcall_answer a = { 0 };
	char detail[HTTPCALL_DETAIL_MAX];
	const struct httpcall call = {
		.method = "POST",
		.url = url,
		.connect_to = c->name->connect_to,
		.resolve = c->name->resolve,
		.headers = headers,
		.n_headers = ARRAY_SIZE(headers),
		.body = body,
		.body_len = strlen(body),
		.answer_max = ATHENZ_RESPONSE_MAX,
		.timeout_ms = c->job->conf.timeout_ms,
		.deadline_ns = c->deadline_ns,
		.tls = &tls,
	};
	int r;

	ret_result->http_status = 0; /* of whoever was asked before */
	r = httpcall_run(&call, &a, detail);

	if (r > 0)
		return fetchfail_set(ret_result, ztscall_error_code(r), "%.80s: %.160s",
				     c->job->conf.zts_url, detail);
	if (r < 0)
		return r;
	ret_result->http_status = a.status;
	if (a.status != 200 && a.status != 201)
		return ztscall_fail_status(c, &a, url, ret_result);
	*ret = a;
	a = (struct httpcall_answer){ 0 };
	return 0;
}

static int ztscall_make_csr(const struct ztscall *c, EVP_PKEY *key, char **ret,
			    struct fetchjob_result *ret_result)
{
	const struct fetchjob_self *self = &c->job->self;
	const struct certconf *conf = &c->job->conf;
	const struct csr_spec spec = {
		.principal = self->principal,
		.provider = self->provider,
		.instance_id = self->instance_id,
		.private_ip = conf->private_ip ? c->proof->private_ip : NULL,
		.conf = conf,
	};
	int r = csr_make(key, &spec, ret);

	if (r == 0 || r == -ENOMEM)
		return r;
	return fetchfail_set(ret_result, PST_ZTS_REFUSED, "no request can be made of [csr]: %s",
			     strerror(-r));
}

/* The body of the request; holds the evidence. */
static int ztscall_make_body(const struct ztscall *c, EVP_PKEY *key, struct athenz_request *rq,
			     char **ret, struct fetchjob_result *ret_result)
{
	const struct certconf *conf = &c->job->conf;
	int r = ztscall_make_csr(c, key, &rq->csr, ret_result);

	if (r < 0)
		return r;
	rq->evidence = strdup(c->proof->evidence);
	if (!rq->evidence)
		return -ENOMEM;
	snprintf(rq->name_space, sizeof(rq->name_space), "%s",
		 conf->spiffe ? conf->spiffe_namespace : "");
	snprintf(rq->cloud, sizeof(rq->cloud), "%s", c->proof->cloud);
	rq->expiry_min = (int32_t)conf->expiry_min;
	r = athenz_encode_request(rq, c->job->kind == FETCHJOB_REGISTER, ret);
	if (r == 0 || r == -ENOMEM)
		return r;
	return fetchfail_set(ret_result, PST_ZTS_REFUSED, "the request cannot be written: %s",
			     strerror(-r));
}

/* The answer must be about who asked. */
static int ztscall_check_echo(const struct ztscall *c, const struct athenz_identity *id,
			      struct fetchjob_result *ret_result)
{
	const struct fetchjob_self *self = &c->job->self;

	if (strcasecmp(id->name, self->principal))
		return fetchfail_set(ret_result, PST_ISSUED_REFUSED, "it is for %.90s, not %.90s",
				     id->name, self->principal);
	if (strcasecmp(id->provider, self->provider))
		return fetchfail_set(ret_result, PST_ISSUED_REFUSED,
				     "it is of provider %.80s, not %.80s", id->provider,
				     self->provider);
	if (strcmp(id->instance_id, self->instance_id))
		return fetchfail_set(ret_result, PST_ISSUED_REFUSED,
				     "it is for instance %.80s, not %.80s", id->instance_id,
				     self->instance_id);
	return 0;
}

/* What the new certificate must chain to, and what is kept beside it. */
static int ztscall_choose_ca(const struct ztscall *c, const struct athenz_identity *id, char **ret,
			     struct fetchjob_result *ret_result)
{
	const char *ca = NULL;

	if (c->files->ca_pin.bytes)
		ca = (const char *)c->files->ca_pin.bytes;
	else if (id->signer && *id->signer)
		ca = id->signer;
	else if (c->files->ca.bytes)
		ca = (const char *)c->files->ca.bytes;
	if (!ca)
		return fetchfail_set(ret_result, PST_ISSUED_REFUSED,
				     "the issuer sent no CA, and ca_pin is not set");
	*ret = strdup(ca);
	return *ret ? 0 : -ENOMEM;
}

/* A certificate that was made this moment and is over, or begins much later, tells of a clock. */
static int ztscall_refuse(enum pst code, const struct keypair_facts *facts, const char *detail,
			  struct fetchjob_result *ret_result)
{
	if (code == PST_CLOCK_WRONG)
		return fetchfail_set(ret_result, code, "the new certificate: %s", detail);
	if (code == PST_CERT_EXPIRED && facts->expired)
		return fetchfail_set(ret_result, PST_CLOCK_WRONG,
				     "the new certificate is already over: %s", detail);
	return fetchfail_set(ret_result, PST_ISSUED_REFUSED, "%s: %s", pst_text(code), detail);
}

static int ztscall_check_pair(const struct ztscall *c, const struct ztscall_pair *pair,
			      struct keypair_facts *ret_facts, struct fetchjob_result *ret_result)
{
	const struct fetchjob_self *self = &c->job->self;
	const struct keypair_pem pem = {
		.key = pair->key,
		.cert = pair->cert,
		.ca = pair->ca,
		.key_len = strlen(pair->key),
		.cert_len = strlen(pair->cert),
		.ca_len = strlen(pair->ca),
	};
	const struct keypair_want want = {
		.principal = self->principal,
		.provider = self->provider,
		.instance_id = self->instance_id,
		.now_wall = clk_now_wall(),
		.skew_s = ZTSCALL_SKEW_S,
	};
	char detail[KEYPAIR_DETAIL_MAX] = "";
	struct keypair_facts facts = { 0 };
	enum pst code = PST_NONE;
	int r = keypair_check(&pem, &want, &facts, &code, detail);

	if (r == -EPERM)
		return ztscall_refuse(code, &facts, detail, ret_result);
	if (r == 0)
		*ret_facts = facts;
	return r;
}

static int ztscall_check_sizes(const struct ztscall_pair *p, struct fetchjob_result *ret_result)
{
	if (strlen(p->cert) <= FETCHJOB_CERT_MAX && strlen(p->ca) <= FETCHJOB_CA_MAX)
		return 0;
	return fetchfail_set(ret_result, PST_ISSUED_REFUSED,
			     "certificate or CA is larger than %d or %d bytes", FETCHJOB_CERT_MAX,
			     FETCHJOB_CA_MAX);
}

/* Everything that must be true of an answer before the pair is handed on. */
static int ztscall_accept(const struct ztscall *c, const struct httpcall_answer *a,
			  struct ztscall_pair *pair, struct keypair_facts *ret_facts,
			  struct fetchjob_result *ret_result)
{
	_cleanup_(athenz_identity_release) struct athenz_identity id = { 0 };
	int r = athenz_decode_identity(a->body, a->body_len, &id);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fetchfail_set(ret_result, PST_ISSUED_REFUSED,
				     "the answer is not an identity in JSON");
	r = ztscall_check_echo(c, &id, ret_result);
	if (r == 0)
		r = ztscall_choose_ca(c, &id, &pair->ca, ret_result);
	if (r < 0)
		return r;
	pair->cert = steal_ptr(id.cert);
	r = ztscall_check_sizes(pair, ret_result);
	return r == 0 ? ztscall_check_pair(c, pair, ret_facts, ret_result) : r;
}

static int ztscall_make_key(const struct ztscall *c, EVP_PKEY **ret, char **ret_pem,
			    struct fetchjob_result *ret_result)
{
	int r = keypair_generate(c->job->conf.key_type, ret);

	if (r == 0)
		r = keypair_write_key(*ret, ret_pem);
	if (r == 0 || r == -ENOMEM)
		return r;
	return fetchfail_set(ret_result, PST_FETCH_DIED, "no key could be made");
}

int ztscall_run(const struct ztscall *call, struct ztscall_pair *ret,
		struct keypair_facts *ret_facts, struct fetchjob_result *ret_result)
{
	_cleanup_(ztscall_key_freep) EVP_PKEY *key = NULL;
	_cleanup_(ztscall_release) struct ztscall_pair pair = { 0 };
	_cleanup_(athenz_request_release) struct athenz_request rq = { 0 };
	_cleanup_(ztscall_text_wipep) char *body = NULL;
	_cleanup_(httpcall_release) struct httpcall_answer a = { 0 };
	char url[ZTSCALL_URL_MAX];
	int r = ztscall_make_key(call, &key, &pair.key, ret_result);

	if (r < 0)
		return r;
	snprintf(rq.provider, sizeof(rq.provider), "%s", call->job->self.provider);
	ztscall_split(call->job->self.principal, &rq);
	r = ztscall_make_body(call, key, &rq, &body, ret_result);
	if (r == 0)
		r = ztscall_url(call, &rq, url);
	if (r == 0)
		r = ztscall_post(call, url, body, &a, ret_result);
	if (r == 0)
		r = ztscall_accept(call, &a, &pair, ret_facts, ret_result);
	if (r < 0)
		return r;
	*ret = pair;
	pair = (struct ztscall_pair){ 0 };
	return 0;
}
