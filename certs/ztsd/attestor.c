/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/attestor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/athenz.h"
#include "certs/athenzdns.h"
#include "certs/awsarn.h"
#include "certs/principal.h"
#include "certs/ztsd/awsdoc.h"
#include "certs/ztsd/jwt.h"
#include "certs/ztsd/regtoken.h"
#include "certs/ztsd/stscall.h"

#define BOOT_AHEAD_S 300 /* the host's clock may be ahead of ours by that much */
/* Athenz says this much and no more; what follows in ours is never a text of the evidence. */
#define BAD_CREDENTIALS "Unable to verify instance identity credentials"

struct attestor {
	const struct attestor_spec *spec;
	char region[64]; /* the last label of the provider */
	char sts_region[64];
	struct awsdoc_trust *trust; /* AWS */
	struct stscall *sts;        /* AWS; NULL = credentials are refused */
	struct stscall_spec sts_spec;
	struct jwt_keys *jwt;    /* AWS; NULL = web-identity tokens are refused */
	struct regtoken_key key; /* TOKEN */
};

/* A claim that waits for STS. */
struct wait {
	attestor_done_fn *done;
	void *user;
	char prefix[AWSARN_MAX]; /* how the ARN must begin */
};

/* What a step of the checks returns beside -errno. */
enum { ATTESTOR_E_REFUSED = 1 };

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return ATTESTOR_E_REFUSED;
}

/* ---- names in the request ---- */

static int make_principal(const struct attestor_claim *claim, struct principal *ret)
{
	char name[2 * PRINCIPAL_MAX];
	int len = snprintf(name, sizeof(name), "%s.%s", claim->domain, claim->service);

	return len < 0 || (size_t)len >= sizeof(name) ? -EINVAL :
							principal_parse(name, (size_t)len, ret);
}

/* Whether @name carries the instance id: 1, not 0, or is of that kind but wrong: -EBADMSG. */
static int names_instance(const struct attestor *a, const struct attestor_claim *claim,
			  const char *name)
{
	size_t len, id_len = strlen(claim->instance_id);

	if (principal_parse_dns(name, strlen(name), &len) == PRINCIPAL_E_OTHER)
		return 0;
	for (size_t i = 0; i < a->spec->n_suffixes; i++)
		if (athenzdns_is_instance(name, a->spec->suffixes[i], &len))
			return len == id_len && !strncmp(name, claim->instance_id, len) ? 1 :
											  -EBADMSG;
	return -EBADMSG;
}

static bool names_service(const struct attestor *a, const struct principal *p, const char *name)
{
	for (size_t i = 0; i < a->spec->n_suffixes; i++)
		if (athenzdns_serves(name, p, a->spec->suffixes[i]))
			return true;
	return false;
}

/* All names must be the service's; one must be there when the provider has a suffix. */
static int check_dns(const struct attestor *a, const struct attestor_claim *claim,
		     const char **ret_why)
{
	size_t n_ids = 0, n_hosts = 0;
	struct principal p;

	if (make_principal(claim, &p) != 0)
		return refuse(ret_why, "Domain and service are no good principal");
	for (size_t i = 0; i < claim->n_dns; i++) {
		int r = names_instance(a, claim, claim->dns[i]);

		if (r < 0)
			return refuse(ret_why, "A DNS name carries another instance id");
		if (r == 0 && !names_service(a, &p, claim->dns[i]))
			return refuse(ret_why, "Unable to verify registered certificate hostname");
		n_ids += r == 1;
		n_hosts += r == 0;
	}
	if (n_ids > 1)
		return refuse(ret_why, "More than one DNS name carries an instance id");
	if (n_hosts == 0 && a->spec->n_suffixes)
		return refuse(ret_why, "Request contains no SAN DNS entries for the service");
	return 0;
}

static bool is_same_ip(const char *a, const char *b)
{
	struct in6_addr six[2];
	struct in_addr four[2];

	if (inet_pton(AF_INET, a, &four[0]) == 1 && inet_pton(AF_INET, b, &four[1]) == 1)
		return four[0].s_addr == four[1].s_addr;
	return inet_pton(AF_INET6, a, &six[0]) == 1 && inet_pton(AF_INET6, b, &six[1]) == 1 &&
	       !memcmp(&six[0], &six[1], sizeof(six[0]));
}

/* ---- AWS ---- */

static bool is_role(const struct attestor_claim *claim, const char *role)
{
	char full[2 * PRINCIPAL_MAX];

	snprintf(full, sizeof(full), "%s.%s", claim->domain, claim->service);
	return !strcmp(role, full) || !strcmp(role, claim->service);
}

static int check_boot(const struct attestor *a, const struct attestor_claim *claim,
		      const struct athenz_document *doc, const char **ret_why)
{
	if (!claim->registering || !a->spec->boot_window_s)
		return 0;
	if (doc->pending_wall > claim->now_wall + BOOT_AHEAD_S)
		return refuse(ret_why, "Instance boot time is in the future");
	if (doc->pending_wall + a->spec->boot_window_s < claim->now_wall)
		return refuse(ret_why, "Instance boot time is not recent enough");
	return 0;
}

static int check_ips(const struct attestor *a, const struct attestor_claim *claim,
		     const struct athenz_document *doc, const char **ret_why)
{
	for (size_t i = 0; a->spec->check_private_ip && i < claim->n_ips; i++)
		if (!is_same_ip(claim->ips[i], doc->private_ip))
			return refuse(ret_why, "Unable to validate SAN IP address");
	return 0;
}

static int check_document_facts(const struct attestor *a, const struct attestor_claim *claim,
				const struct athenz_document *doc, const char **ret_why)
{
	int r;

	if (strcmp(doc->region, a->region) != 0)
		return refuse(ret_why, "The document's region is not that of the provider");
	if (strcmp(doc->account, claim->account) != 0)
		return refuse(ret_why, "The document's account is not that of the domain");
	if (strcmp(doc->instance_id, claim->instance_id) != 0)
		return refuse(ret_why, "The document's instance id is not that of the request");
	r = check_boot(a, claim, doc, ret_why);
	return r ? r : check_ips(a, claim, doc, ret_why);
}

/* Without a document nothing would prove the instance id, so there is none without. */
static int check_document(const struct attestor *a, const struct attestor_claim *claim,
			  const struct athenz_evidence *e, const char **ret_why)
{
	struct athenz_document doc;
	const char *why = "";
	int r;

	if (!e->document[0])
		return refuse(ret_why, "Instance identity document is missing");
	r = awsdoc_verify(a->trust, e->document, strlen(e->document), e->signature, &why);
	if (r == 0)
		r = athenz_decode_document(e->document, strlen(e->document), &doc);
	if (r == -EBADMSG)
		return refuse(ret_why, "Unable to validate AWS document");
	if (r < 0)
		return r;
	return check_document_facts(a, claim, &doc, ret_why);
}

static bool is_listed(const char *const *list, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], what))
			return true;
	return false;
}

static int check_jwt(struct attestor *a, const struct attestor_claim *claim,
		     const struct athenz_evidence *e, char why[static ATTESTOR_WHY_MAX])
{
	const struct jwt_rule rule = { .issuer = a->spec->jwt_issuer,
				       .audience = a->spec->jwt_audience,
				       .region = a->region,
				       .now_wall = claim->now_wall };
	struct jwt_claims claims;
	const char *reason = "web-identity tokens are not taken here";
	char trouble[JWT_WHY_MAX];
	int r = ATTESTOR_E_REFUSED;

	if (a->jwt) {
		/* When the file is broken the keys that were read before go on. */
		if (jwt_keys_refresh(a->jwt, trouble) == -ENOMEM)
			return -ENOMEM;
		r = jwt_verify(a->jwt, e->identity_token, &rule, &claims, &reason);
	}
	if (r == 0 && strcmp(claims.account, claim->account) != 0)
		r = refuse(&reason, "the token is of another account");
	if (r == 0 && !is_listed(a->spec->jwt_orgs, a->spec->n_jwt_orgs, claims.org_id))
		r = refuse(&reason, "the token is of another organisation");
	if (r == 0 && strcmp(claims.role, e->role) != 0)
		r = refuse(&reason, "the token is of another role");
	if (r == 0 || r == -ENOMEM)
		return r;
	snprintf(why, ATTESTOR_WHY_MAX, BAD_CREDENTIALS ": %s", reason);
	return ATTESTOR_E_REFUSED;
}

static void on_sts(void *user, enum stscall_end end, const char *text)
{
	static const enum attestor_verdict verdicts[] = {
		[STSCALL_OK] = ATTESTOR_REFUSED, /* of somebody else, when we get there */
		[STSCALL_REFUSED] = ATTESTOR_REFUSED,
		[STSCALL_SILENT] = ATTESTOR_TIMEOUT,
		[STSCALL_FAILED] = ATTESTOR_FAILED,
	};
	struct wait *w = user;
	char why[ATTESTOR_WHY_MAX];

	if (end == STSCALL_OK && !strncmp(text, w->prefix, strlen(w->prefix))) {
		w->done(w->user, ATTESTOR_OK, "");
	} else {
		snprintf(why, sizeof(why), BAD_CREDENTIALS ": %s",
			 end == STSCALL_OK ? "they are of another role" : text);
		w->done(w->user, verdicts[end], why);
	}
	free(w);
}

static void ask_sts(struct attestor *a, const struct attestor_claim *claim,
		    const struct athenz_evidence *e, struct wait *w)
{
	const struct sigv4_keys keys = { e->access, e->secret, e->token };

	if (awsarn_session(a->region, claim->account, e->role, w->prefix) < 0) {
		w->done(w->user, ATTESTOR_REFUSED,
			"Account and role are too long for a name of AWS");
		free(w);
		return;
	}
	stscall_ask(a->sts, &keys, claim->now_wall, on_sts, w);
}

/* What can be said at once. */
static int check_aws(struct attestor *a, const struct attestor_claim *claim,
		     const struct athenz_evidence *e, char why[static ATTESTOR_WHY_MAX])
{
	const char *reason = "";
	int r = 0;

	if (!claim->account[0])
		r = refuse(&reason, "The domain has no AWS account");
	if (r == 0 && !is_role(claim, e->role))
		r = refuse(&reason, "Role is neither domain.service nor service");
	if (r == 0)
		r = check_dns(a, claim, &reason);
	if (r == 0)
		r = check_document(a, claim, e, &reason);
	if (r == ATTESTOR_E_REFUSED)
		snprintf(why, ATTESTOR_WHY_MAX, "%s", reason);
	return r;
}

static void verdict(attestor_done_fn *done, void *user, int r, const char *why)
{
	if (r == 0)
		done(user, ATTESTOR_OK, "");
	else if (r > 0)
		done(user, ATTESTOR_REFUSED, why);
	else
		done(user, ATTESTOR_FAILED, strerror(-r));
}

static void check_credentials(struct attestor *a, const struct attestor_claim *claim,
			      const struct athenz_evidence *e, struct wait *w)
{
	char why[ATTESTOR_WHY_MAX];
	int r = ATTESTOR_E_REFUSED;

	if (e->identity_token) {
		r = check_jwt(a, claim, e, why);
	} else if (e->access && a->sts) {
		ask_sts(a, claim, e, w);
		return;
	} else if (e->access) {
		snprintf(why, sizeof(why), BAD_CREDENTIALS ": they are not taken here");
	} else {
		snprintf(why, sizeof(why), "Instance identity credentials are missing");
		r = a->spec->need_credentials ? ATTESTOR_E_REFUSED : 0;
	}
	verdict(w->done, w->user, r, why);
	free(w);
}

static void attest_aws(struct attestor *a, const struct attestor_claim *claim,
		       attestor_done_fn *done, void *user)
{
	_cleanup_(athenz_evidence_release) struct athenz_evidence e = { .role = "" };
	char why[ATTESTOR_WHY_MAX] = "Attestation data cannot be read";
	struct wait *w = NULL;
	int r = athenz_decode_evidence(claim->evidence, strlen(claim->evidence), &e);

	if (r == -EBADMSG)
		r = ATTESTOR_E_REFUSED;
	if (r == 0)
		r = check_aws(a, claim, &e, why);
	if (r == 0) {
		w = calloc(1, sizeof(*w));
		r = w ? 0 : -ENOMEM;
	}
	if (r != 0) {
		verdict(done, user, r, why);
		return;
	}
	w->done = done;
	w->user = user;
	check_credentials(a, claim, &e, w);
}

/* ---- registration tokens ---- */

static int check_token(const struct attestor *a, const struct attestor_claim *claim,
		       const char **ret_why)
{
	struct regtoken t;
	int r = regtoken_read(claim->evidence, strlen(claim->evidence), &a->key, &t);

	if (r == -EIO)
		return r;
	if (r < 0)
		return refuse(ret_why, "Not a registration token of this provider");
	if (strcmp(t.provider, claim->provider) != 0)
		return refuse(ret_why, "The registration token is of another provider");
	if (strcmp(t.domain, claim->domain) != 0 || strcmp(t.service, claim->service) != 0)
		return refuse(ret_why, "The registration token is of another service");
	if (strcmp(t.instance_id, claim->instance_id) != 0)
		return refuse(ret_why, "The registration token is of another instance");
	if (claim->registering && t.expires_wall < claim->now_wall)
		return refuse(ret_why, "The registration token's time is over");
	if (claim->n_ips)
		return refuse(ret_why, "A registration token proves no IP address");
	return check_dns(a, claim, ret_why);
}

static void attest_token(struct attestor *a, const struct attestor_claim *claim,
			 attestor_done_fn *done, void *user)
{
	const char *why = "";
	int r = check_token(a, claim, &why);

	verdict(done, user, r, why);
}

/* ---- both ---- */

void attestor_check(struct attestor *a, const struct attestor_claim *claim, attestor_done_fn *done,
		    void *user)
{
	if (strcmp(claim->provider, a->spec->provider) != 0)
		done(user, ATTESTOR_REFUSED, "The provider is another one");
	else if (!claim->evidence[0])
		done(user, ATTESTOR_REFUSED, "Attestation data is missing");
	else if (a->spec->kind == ATTESTOR_AWS)
		attest_aws(a, claim, done, user);
	else
		attest_token(a, claim, done, user);
}

static int fail(char *ret_why, const char *what, int error)
{
	snprintf(ret_why, ATTESTOR_WHY_MAX, "%s", what);
	return error;
}

/* The region in the endpoint's name counts, where there is one: the signature is for that. */
static void find_sts_region(const char *url, const char *fallback, char *ret, size_t cap)
{
	static const char begin[] = "https://sts.";
	static const char *const domains[] = {
		".api.aws",          ".amazonaws.com", ".api.amazonwebservices.com.cn",
		".amazonaws.com.cn", ".amazonaws.eu",  ".api.amazonwebservices.eu",
	};
	const char *at = url + strlen(begin), *dot;

	snprintf(ret, cap, "%s", fallback);
	if (strncmp(url, begin, strlen(begin)) != 0)
		return;
	if (!strcmp(at, "amazonaws.com"))
		at = "us-east-1."; /* the global endpoint */
	dot = strchr(at, '.');
	if (dot && (!dot[1] || is_listed(domains, ARRAY_SIZE(domains), dot)))
		snprintf(ret, cap, "%.*s", (int)(dot - at), at);
}

static int open_sts(struct event_base *base, struct attestor *a, char *ret_why)
{
	const struct attestor_spec *spec = a->spec;

	if (!spec->sts_url[0])
		return 0;
	find_sts_region(spec->sts_url, a->region, a->sts_region, sizeof(a->sts_region));
	a->sts_spec = (struct stscall_spec){
		.url = spec->sts_url,
		.address = spec->sts_address,
		.ca = spec->sts_ca,
		.region = a->sts_region,
		.timeout_ms = spec->sts_timeout_ms,
	};
	return stscall_open(base, &a->sts_spec, &a->sts, ret_why);
}

static int open_jwt(struct attestor *a, char *ret_why)
{
	const struct attestor_spec *spec = a->spec;

	if (!spec->jwt_issuer[0])
		return 0;
	if (!spec->jwt_audience[0])
		return fail(ret_why, "web-identity tokens need an audience", -EINVAL);
	if (!spec->n_jwt_orgs)
		return fail(ret_why, "web-identity tokens need a list of organisations", -EINVAL);
	return jwt_keys_load(spec->jwt_keys, &a->jwt, ret_why);
}

static int open_aws(struct event_base *base, struct attestor *a, char *ret_why)
{
	const char *dot = strrchr(a->spec->provider, '.');
	int r;

	if (!dot || !dot[1] || strlen(dot + 1) >= sizeof(a->region))
		return fail(ret_why, "the provider's name must end with \".<region>\"", -EINVAL);
	snprintf(a->region, sizeof(a->region), "%s", dot + 1);
	if (!a->spec->n_suffixes)
		return fail(ret_why, "a provider of kind aws needs a DNS suffix", -EINVAL);
	if (a->spec->need_credentials && !a->spec->sts_url[0] && !a->spec->jwt_issuer[0])
		return fail(ret_why, "credentials are demanded, but no way to check them is set",
			    -EINVAL);
	r = awsdoc_open(a->spec->aws_certs, a->spec->n_aws_certs, &a->trust, ret_why);
	if (r == 0)
		r = open_sts(base, a, ret_why);
	if (r == 0)
		r = open_jwt(a, ret_why);
	return r;
}

static void attestor_closep(struct attestor **p)
{
	attestor_close(*p);
}

int attestor_open(struct event_base *base, const struct attestor_spec *spec, struct attestor **ret,
		  char ret_why[static ATTESTOR_WHY_MAX])
{
	_cleanup_(attestor_closep) struct attestor *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return fail(ret_why, strerror(ENOMEM), -ENOMEM);
	ret_why[0] = '\0';
	a->spec = spec;
	r = spec->kind == ATTESTOR_AWS ? open_aws(base, a, ret_why) :
					 regtoken_load_key(spec->token_key, &a->key, ret_why);
	if (r < 0)
		return ret_why[0] ? r : fail(ret_why, strerror(-r), r);
	*ret = steal_ptr(a);
	return 0;
}

void attestor_close(struct attestor *a)
{
	if (!a)
		return;
	stscall_close(a->sts);
	jwt_keys_free(a->jwt);
	awsdoc_close(a->trust);
	regtoken_wipe(&a->key);
	free(a);
}
