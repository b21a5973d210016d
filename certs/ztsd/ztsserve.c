/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztsserve.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "certs/refusal.h"
#include "certs/ztsd/ratelimit.h"
#include "certs/ztsd/ztsroute.h"
#include "common/clk.h"
#include "common/httpsd.h"
#include "common/log.h"

#define ZTSSERVE_HEADERS_MAX 2
#define ZTSSERVE_LOCATION_MAX 1024

struct ztsserve {
	struct ztsserve_spec spec;
	struct httpsd *httpsd;
	struct ratelimit *limit;
	char *status, *bundle, *too_large; /* bodies that are always the same */
};

/* One request under way. */
struct ztsserve_call {
	struct ztsserve *s;
	struct httpsd_call *http;
	struct ztsroute route;
	struct peerid id;
	bool has_id;
	char peer[IP6_ENDPOINT_TEXT];
};

/* A refusal that is no matter of issuance. */
struct ztsserve_no {
	unsigned int status;
	enum pst code;
	const char *message;
	const char *allow;
	uint32_t retry_after_s;
};

static const struct httpsd_header ztsserve_hsts = { "Strict-Transport-Security",
						    "max-age=31536000; includeSubDomains" };
static const struct httpsd_header ztsserve_realm = { "WWW-Authenticate",
						     "AthenzX509Certificate realm=\"athenz\"" };

static void ztsserve_answer(struct ztsserve_call *c, struct httpsd_reply *reply,
			    const struct httpsd_header *more)
{
	struct httpsd_header headers[ZTSSERVE_HEADERS_MAX] = { ztsserve_hsts };

	reply->headers = headers;
	reply->n_headers = 1;
	if (more)
		headers[reply->n_headers++] = *more;
	ztsstats_answer(c->s->spec.stats, c->route.kind, reply->status);
	httpsd_answer(c->http, reply);
	free(c);
}

static void ztsserve_answer_error(struct ztsserve_call *c, const struct ztsserve_no *no)
{
	struct httpsd_reply reply = { .status = no->status,
				      .allow = no->allow,
				      .retry_after_s = no->retry_after_s };
	struct athenz_error error = { .code = no->status };
	char *body = NULL;

	snprintf(error.message, sizeof(error.message), "%s", no->message);
	if (athenz_encode_error(&error, &body) == 0)
		reply.body = body;
	ztsserve_answer(c, &reply, no->status == 401 ? &ztsserve_realm : NULL);
	free(body);
}

/* Logs, counts, answers. Takes @c. */
static void ztsserve_refuse(struct ztsserve_call *c, const struct ztsserve_no *no)
{
	log_pst(LOG_LEVEL_WARNING, no->code, "%s%s%s: %s: %u %s", c->peer, c->has_id ? " " : "",
		c->id.principal, ztsroute_name(c->route.kind), no->status, no->message);
	ztsstats_count(c->s->spec.stats, no->code);
	ztsserve_answer_error(c, no);
}

static void ztsserve_log(const struct ztsserve_call *c, const struct issuance_result *r)
{
	if (r->cert)
		log_info("%s: %s %s, provider %s, instance %s, serial %s", c->peer,
			 r->status == 201 ? "registered" : "refreshed", r->principal, r->provider,
			 r->instance_id, r->serial);
	else if (!*r->principal)
		log_pst(LOG_LEVEL_WARNING, r->code, "%s: %u %s", c->peer, r->status, r->message);
	else
		log_pst(LOG_LEVEL_WARNING, r->code, "%s: %s, provider %s, instance %s%s%s: %u %s",
			c->peer, r->principal, r->provider, r->instance_id,
			c->has_id ? ", presented serial " : "", c->has_id ? c->id.serial : "",
			r->status, r->message);
}

/* The path alone, not encoded, as Athenz has it; every part is of harmless characters. */
static void ztsserve_format_location(const struct issuance_result *r, char *ret, size_t cap)
{
	const char *dot = strrchr(r->principal, '.');

	snprintf(ret, cap, "/zts/v1/instance/%s/%.*s/%s/%s", r->provider,
		 dot ? (int)(dot - r->principal) : 0, r->principal, dot ? dot + 1 : "",
		 r->instance_id);
}

static int ztsserve_encode(const struct ztsserve *s, const struct issuance_result *r, char **ret)
{
	struct athenz_identity identity = { .cert = NULL };

	snprintf(identity.provider, sizeof(identity.provider), "%s", r->provider);
	snprintf(identity.name, sizeof(identity.name), "%s", r->principal);
	snprintf(identity.instance_id, sizeof(identity.instance_id), "%s", r->instance_id);
	identity.cert = (char *)r->cert; /* only read */
	identity.signer = (char *)signer_bundle(s->spec.env->signer);
	return athenz_encode_identity(&identity, ret);
}

static void ztsserve_on_done(void *user, const struct issuance_result *r)
{
	struct ztsserve_call *c = user;
	char where[ZTSSERVE_LOCATION_MAX];
	struct httpsd_header location = { "Location", where };
	struct httpsd_reply reply = { .status = r->status };
	struct ztsserve_no no = { .status = r->status, .code = r->code, .message = r->message };
	char *body = NULL;

	ztsserve_log(c, r);
	if (!r->cert) {
		ztsstats_count(c->s->spec.stats, r->code);
		ztsserve_answer_error(c, &no);
		return;
	}
	if (ztsserve_encode(c->s, r, &body) < 0) {
		no = (struct ztsserve_no){ 500, PST_SIGNER_FAILED, "unable to generate identity" };
		ztsserve_refuse(c, &no);
		return;
	}
	c->s->spec.stats->issued[r->status == 200]++;
	ztsserve_format_location(r, where, sizeof(where));
	reply.body = body;
	ztsserve_answer(c, &reply, r->status == 201 ? &location : NULL);
	free(body);
}

/* Who asks, by the one identity check. Anonymous is good; bad is not. */
static bool ztsserve_identify(struct ztsserve_call *c, struct ztsserve_no *ret)
{
	struct peerid_rule rule = { .deny = c->s->spec.env->deny };
	SSL *ssl = httpsd_ssl(c->http);
	const X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
	enum pst code = PST_NONE;
	int r;

	if (!cert)
		return true;
	r = peerid_read(cert, &rule, &c->id, &code);
	if (r == -EPERM && code == PST_PEER_DENIED) {
		*ret = (struct ztsserve_no){ 403, code, "Certificate revoked" };
		rule.deny = NULL; /* who it is, for the log */
		c->has_id = peerid_read(cert, &rule, &c->id, &code) == 0;
		return false;
	}
	if (r == -EPERM)
		*ret = (struct ztsserve_no){ 401, code, "Invalid credentials" };
	else if (r < 0)
		*ret = (struct ztsserve_no){ 503, PST_SIGNER_FAILED, "out of memory" };
	else if (c->id.restricted)
		*ret = (struct ztsserve_no){ 401, PST_REQUEST_INVALID,
					     "certificate is mTLS restricted" };
	c->has_id = r == 0;
	return r == 0 && !c->id.restricted;
}

static bool ztsserve_is_in_time(struct ztsserve_call *c, struct ztsserve_no *ret)
{
	uint32_t wait_s = ratelimit_take(c->s->limit, &httpsd_peer(c->http)->addr, clk_now_ns());

	if (!wait_s)
		return true;
	*ret = (struct ztsserve_no){ .status = 429,
				     .code = PST_RATE_LIMITED,
				     .message = "Too many requests from this address",
				     .retry_after_s = wait_s };
	return false;
}

static void ztsserve_issue(struct ztsserve_call *c)
{
	bool registers = c->route.kind == ZTSROUTE_REGISTER;
	struct issuance_asker asker = {
		.route = registers ? NULL : &c->route,
		.id = c->has_id ? &c->id : NULL,
		.source = httpsd_peer(c->http)->addr,
	};

	asker.body = httpsd_body(c->http, &asker.body_len);
	issuance_start(c->s->spec.env, &asker, ztsserve_on_done, c);
}

/* A registration, a refresh, or the deletion that nobody may ask for. */
static void ztsserve_take_instance(struct ztsserve_call *c, bool deletes)
{
	struct ztsserve_no no = { .status = 0 };

	if (!ztsserve_is_in_time(c, &no) || !ztsserve_identify(c, &no)) {
		ztsserve_refuse(c, &no);
		return;
	}
	if (c->route.kind == ZTSROUTE_INSTANCE && !c->has_id)
		no = (struct ztsserve_no){ 401, PST_CERT_MISSING, "Invalid credentials" };
	else if (deletes)
		no = (struct ztsserve_no){ 403, PST_REQUEST_INVALID,
					   "not authorized to delete instances" };
	if (no.status)
		ztsserve_refuse(c, &no);
	else
		ztsserve_issue(c);
}

static void ztsserve_take_bundle(struct ztsserve_call *c)
{
	struct httpsd_reply reply = { .status = 200, .body = c->s->bundle };
	static const struct ztsserve_no no = { 404, PST_REQUEST_INVALID, "No such bundle" };

	if (strcmp(c->route.bundle, c->s->spec.conf->ca_bundle) != 0)
		ztsserve_refuse(c, &no);
	else
		ztsserve_answer(c, &reply, NULL);
}

static void ztsserve_take_status(struct ztsserve_call *c)
{
	struct httpsd_reply reply = { .status = 200, .body = c->s->status };

	ztsserve_answer(c, &reply, NULL);
}

/* The methods of a route; NULL when it has none. */
static const char *ztsserve_allow(enum ztsroute_kind kind)
{
	static const char *const allow[ZTSROUTE_N] = {
		[ZTSROUTE_REGISTER] = "POST",
		[ZTSROUTE_INSTANCE] = "POST, DELETE",
		[ZTSROUTE_CACERTS] = "GET",
		[ZTSROUTE_STATUS] = "GET",
	};

	return allow[kind];
}

static bool ztsserve_allows(const char *allow, const char *method)
{
	const char *at = *method ? strstr(allow, method) : NULL;
	size_t n = strlen(method);

	return at && (at[n] == '\0' || at[n] == ',');
}

static void ztsserve_dispatch(struct ztsserve_call *c)
{
	switch (c->route.kind) {
	case ZTSROUTE_REGISTER:
		ztsserve_take_instance(c, false);
		return;
	case ZTSROUTE_INSTANCE:
		ztsserve_take_instance(c, !strcmp(httpsd_method(c->http), "DELETE"));
		return;
	case ZTSROUTE_CACERTS:
		ztsserve_take_bundle(c);
		return;
	case ZTSROUTE_STATUS:
	case ZTSROUTE_OTHER:
	case ZTSROUTE_N:
		break;
	}
	ztsserve_take_status(c);
}

/* What cannot be routed. True when @ret says why. */
static bool ztsserve_is_astray(struct ztsserve_call *c, struct ztsserve_no *ret)
{
	int r = ztsroute_parse(httpsd_target(c->http), &c->route);
	const char *allow = ztsserve_allow(c->route.kind);

	if (c->route.kind == ZTSROUTE_OTHER)
		*ret = (struct ztsserve_no){ 404, PST_REQUEST_INVALID, "Not Found" };
	else if (!ztsserve_allows(allow, httpsd_method(c->http)))
		*ret = (struct ztsserve_no){ 405, PST_REQUEST_INVALID, "Method Not Allowed",
					     allow };
	else if (r < 0 && c->route.kind == ZTSROUTE_CACERTS)
		*ret = (struct ztsserve_no){ 404, PST_REQUEST_INVALID, "No such bundle" };
	else if (r < 0)
		*ret = (struct ztsserve_no){ 400, PST_REQUEST_INVALID,
					     "Invalid InstanceRefreshInformation error: String "
					     "pattern mismatch in the path" };
	return ret->status != 0;
}

static void ztsserve_on_request(struct httpsd_call *http, void *ctx)
{
	struct ztsserve *s = ctx;
	struct ztsserve_call *c = calloc(1, sizeof(*c));
	struct httpsd_reply busy = { .status = 503 };
	struct ztsserve_no no = { .status = 0 };

	if (!c) {
		httpsd_answer(http, &busy);
		return;
	}
	c->s = s;
	c->http = http;
	ip6_format_endpoint(httpsd_peer(http), c->peer);
	if (ztsserve_is_astray(c, &no))
		ztsserve_refuse(c, &no);
	else
		ztsserve_dispatch(c);
}

static void ztsserve_on_refused(const struct httpsd_refused *refused, void *ctx)
{
	struct ztsserve *s = ctx;
	char peer[IP6_ENDPOINT_TEXT];
	enum pst code = refusal_code(refused);

	log_pst(LOG_LEVEL_WARNING, code, "%s: %s", ip6_format_endpoint(&refused->peer, peer),
		pst_text(code));
	ztsstats_count(s->spec.stats, code);
}

static int ztsserve_encode_status(unsigned int code, const char *message, char **ret)
{
	struct athenz_error text = { .code = code };

	snprintf(text.message, sizeof(text.message), "%s", message);
	return athenz_encode_error(&text, ret);
}

static int ztsserve_make_bodies(struct ztsserve *s)
{
	json_t *bundle = json_pack("{ss,ss}", "name", s->spec.conf->ca_bundle, "certs",
				   signer_bundle(s->spec.env->signer));
	int r = bundle ? ztsserve_encode_status(200, "OK", &s->status) : -EINVAL;

	if (r == 0)
		r = ztsserve_encode_status(413, "Payload Too Large", &s->too_large);
	if (r == 0)
		s->bundle = json_dumps(bundle, JSON_COMPACT);
	json_decref(bundle);
	return r == 0 && !s->bundle ? -ENOMEM : r;
}

static int ztsserve_listen(struct ztsserve *s, struct event_base *base)
{
	const struct ztsdconf *conf = s->spec.conf;
	struct httpsd_spec spec = {
		.listen_fd = s->spec.listen_fd,
		.tls = s->spec.tls,
		.body_max = ATHENZ_REQUEST_MAX,
		.too_large = s->too_large,
		.conns_max = conf->conns_max,
		.conns_per_source = conf->conns_per_source,
		.request_ms = conf->request_timeout_ms,
	};
	struct httpsd_hooks hooks = {
		.request = ztsserve_on_request,
		.refused = ztsserve_on_refused,
		.ctx = s,
	};

	return httpsd_open(base, &spec, &hooks, &s->httpsd);
}

int ztsserve_open(struct event_base *base, const struct ztsserve_spec *spec, struct ztsserve **ret)
{
	struct ztsserve *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->spec = *spec;
	r = ratelimit_new(spec->conf->requests_per_minute, spec->conf->request_burst, spec->seed,
			  &s->limit);
	if (r == 0)
		r = ztsserve_make_bodies(s);
	if (r == 0)
		r = ztsserve_listen(s, base);
	if (r < 0) {
		ztsserve_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void ztsserve_drain(struct ztsserve *s)
{
	httpsd_drain(s->httpsd);
}

unsigned int ztsserve_n_conns(const struct ztsserve *s)
{
	return httpsd_n_conns(s->httpsd);
}

void ztsserve_close(struct ztsserve *s)
{
	if (!s)
		return;
	httpsd_close(s->httpsd);
	ratelimit_free(s->limit);
	free(s->status);
	free(s->bundle);
	free(s->too_large);
	free(s);
}
