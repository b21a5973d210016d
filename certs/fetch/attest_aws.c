/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/fetch/attest.h"
#include "certs/fetch/fetchfail.h"
#include "certs/fetch/imds.h"
#include "certs/fetch/sts.h"
#include "common/secret.h"

#define ATTEST_AWS_DOCUMENT "/latest/dynamic/instance-identity/document"
#define ATTEST_AWS_SIGNATURE "/latest/dynamic/instance-identity/" /* and which one */
#define ATTEST_AWS_PROFILE "/latest/meta-data/iam/info"
#define ATTEST_AWS_DOMAIN "/latest/meta-data/tags/instance/athenz-domain"
#define ATTEST_AWS_CREDENTIALS "/latest/meta-data/iam/security-credentials/"
#define ATTEST_AWS_PROFILE_MAX 4096 /* bytes of an answer; a kilobyte at most is usual */
#define ATTEST_AWS_CREDENTIALS_MAX 16384
#define ATTEST_AWS_SIGNATURE_MAX 16384
#define ATTEST_AWS_ARN_MAX 1024
#define ATTEST_AWS_SUFFIX "-service" /* of an instance profile, as SIA has it */

/* A text from IMDS; holds secrets at times. */
struct attest_aws_text {
	char *bytes;
	size_t len;
};

static void attest_aws_text_release(struct attest_aws_text *t)
{
	if (t->bytes)
		secret_wipe_bytes(t->bytes, t->len);
	free(t->bytes);
	*t = (struct attest_aws_text){ 0 };
}

static int attest_aws_bad(int error, const char *path, struct fetchjob_result *ret_result)
{
	if (error == -ENOMEM)
		return error;
	return fetchfail_set(ret_result, PST_IMDS_ANSWER, "%s: not understood", path);
}

static int attest_aws_document(struct imds *i, struct attest_aws_text *ret_text,
			       struct athenz_document *ret, struct fetchjob_result *ret_result)
{
	int r = imds_get(i, ATTEST_AWS_DOCUMENT, ATHENZ_DOCUMENT_MAX, &ret_text->bytes,
			 &ret_text->len, ret_result);

	if (r < 0)
		return r;
	r = athenz_decode_document(ret_text->bytes, ret_text->len, ret);
	return r < 0 ? attest_aws_bad(r, ATTEST_AWS_DOCUMENT, ret_result) : 0;
}

/* Of "name-service@more" the name of the service is what stands before the suffix. */
static bool attest_aws_parse_name(const char *name, char *ret, size_t cap)
{
	size_t len = strcspn(name, "@");
	size_t suffix = strlen(ATTEST_AWS_SUFFIX);

	if (len <= suffix || memcmp(name + len - suffix, ATTEST_AWS_SUFFIX, suffix) != 0)
		return false;
	len -= suffix;
	if (len >= cap)
		return false;
	memcpy(ret, name, len);
	ret[len] = '\0';
	return true;
}

/* IAM's set of characters, for the name becomes a part of a path. */
static bool attest_aws_is_role(const char *name, size_t len)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789+=,.@_-";

	return len > 0 && len < STS_ROLE_MAX && strspn(name, allowed) == len;
}

/* The name of the instance profile's role. */
static int attest_aws_role(struct imds *i, char ret[static STS_ROLE_MAX],
			   struct fetchjob_result *ret_result)
{
	_cleanup_(attest_aws_text_release) struct attest_aws_text t = { 0 };
	int r = imds_get(i, ATTEST_AWS_CREDENTIALS, STS_ROLE_MAX, &t.bytes, &t.len, ret_result);

	if (r < 0)
		return r;
	if (t.len && t.bytes[t.len - 1] == '\n')
		t.bytes[--t.len] = '\0';
	if (!attest_aws_is_role(t.bytes, t.len))
		return attest_aws_bad(-EBADMSG, ATTEST_AWS_CREDENTIALS, ret_result);
	snprintf(ret, STS_ROLE_MAX, "%s", t.bytes);
	return 0;
}

static bool attest_aws_is_absent(int r, const struct fetchjob_result *result)
{
	return r == -EPERM && result->code == PST_IMDS_REFUSED && result->http_status == 404;
}

/* A profile that names a service only: its domain is in a tag of the instance. */
static int attest_aws_add_domain(struct imds *i, const char *profile, struct fetchjob_self *self,
				 struct fetchjob_result *ret_result)
{
	_cleanup_(attest_aws_text_release) struct attest_aws_text t = { 0 };
	char service[PRINCIPAL_MAX];
	int n, r = imds_get(i, ATTEST_AWS_DOMAIN, PRINCIPAL_MAX, &t.bytes, &t.len, ret_result);

	if (attest_aws_is_absent(r, ret_result))
		return fetchfail_set(ret_result, PST_NAME_UNKNOWN,
				     "the instance profile %.120s names no domain, and the "
				     "metadata of the instance has no tag athenz-domain",
				     profile);
	if (r < 0)
		return r;
	memcpy(service, self->principal, sizeof(service));
	n = snprintf(self->principal, sizeof(self->principal), "%s.%s", t.bytes, service);
	if (n < 0 || (size_t)n >= sizeof(self->principal))
		return fetchfail_set(ret_result, PST_NAME_UNKNOWN,
				     "the tag athenz-domain and the service together are too long");
	return 0;
}

static int attest_aws_arn(struct imds *i, char ret[static ATTEST_AWS_ARN_MAX],
			  struct fetchjob_result *ret_result)
{
	_cleanup_(attest_aws_text_release) struct attest_aws_text t = { 0 };
	int r = imds_get(i, ATTEST_AWS_PROFILE, ATTEST_AWS_PROFILE_MAX, &t.bytes, &t.len,
			 ret_result);

	if (attest_aws_is_absent(r, ret_result))
		return fetchfail_set(
			ret_result, PST_NAME_UNKNOWN,
			"no domain and service are configured, and the instance has no "
			"instance profile");
	if (r < 0)
		return r;
	r = athenz_decode_profile(t.bytes, t.len, ret, ATTEST_AWS_ARN_MAX);
	return r < 0 ? attest_aws_bad(r, ATTEST_AWS_PROFILE, ret_result) : 0;
}

/* A whole name, with its domain. */
static bool attest_aws_take_name(const char *name, struct fetchjob_self *ret)
{
	return attest_aws_parse_name(name, ret->principal, sizeof(ret->principal)) &&
	       strchr(ret->principal, '.');
}

/* The name of the service is in that of the instance profile, which is what follows the last slash
 * of its ARN; or, where tools have named profiles as they like, in that of its role. */
static int attest_aws_profile(struct imds *i, struct fetchjob_self *ret,
			      struct fetchjob_result *ret_result)
{
	char arn[ATTEST_AWS_ARN_MAX], role[STS_ROLE_MAX];
	int r = attest_aws_arn(i, arn, ret_result);
	const char *slash = r == 0 ? strrchr(arn, '/') : NULL;

	if (slash && attest_aws_take_name(slash + 1, ret))
		return 0;
	if (r == 0)
		r = attest_aws_role(i, role, ret_result);
	if (r < 0 || attest_aws_take_name(role, ret))
		return r;
	if (slash && attest_aws_parse_name(slash + 1, ret->principal, sizeof(ret->principal)))
		return attest_aws_add_domain(i, arn, ret, ret_result);
	return fetchfail_set(ret_result, PST_NAME_UNKNOWN,
			     "neither the instance profile %.100s nor its role %s is named "
			     "<domain>.<service>" ATTEST_AWS_SUFFIX,
			     arn, role);
}

static int attest_aws_principal(const struct attest *a, struct imds *i, struct fetchjob_self *ret,
				struct fetchjob_result *ret_result)
{
	const struct certconf *conf = a->conf;
	int n;

	if (!conf->domain[0] || !conf->service[0])
		return attest_aws_profile(i, ret, ret_result);
	n = snprintf(ret->principal, sizeof(ret->principal), "%s.%s", conf->domain, conf->service);
	if (n < 0 || (size_t)n >= sizeof(ret->principal))
		return fetchfail_set(ret_result, PST_NAME_UNKNOWN,
				     "domain and service together are too long");
	return 0;
}

static int attest_aws_provider(const struct certconf *conf, const char *region,
			       struct fetchjob_self *ret, struct fetchjob_result *ret_result)
{
	int n = conf->provider[0] ?
			snprintf(ret->provider, sizeof(ret->provider), "%s", conf->provider) :
			snprintf(ret->provider, sizeof(ret->provider), "%s.%s",
				 conf->provider_prefix, region);

	if (n < 0 || (size_t)n >= sizeof(ret->provider))
		return fetchfail_set(ret_result, PST_NAME_UNKNOWN,
				     "provider_prefix and region together are too long");
	return 0;
}

static int attest_aws_identify(const struct attest *a, struct fetchjob_self *ret,
			       struct fetchjob_result *ret_result)
{
	_cleanup_(attest_aws_text_release) struct attest_aws_text text = { 0 };
	_cleanup_(imds_release) struct imds imds = { 0 };
	struct fetchjob_self self = { 0 };
	struct athenz_document doc;
	int r = imds_open(a->conf, a->deadline_ns, &imds, ret_result);

	if (r == 0)
		r = attest_aws_document(&imds, &text, &doc, ret_result);
	if (r == 0)
		r = attest_aws_provider(a->conf, doc.region, &self, ret_result);
	if (r == 0)
		r = attest_aws_principal(a, &imds, &self, ret_result);
	if (r < 0)
		return r;
	snprintf(self.instance_id, sizeof(self.instance_id), "%s", doc.instance_id);
	snprintf(self.region, sizeof(self.region), "%s", doc.region);
	snprintf(self.account, sizeof(self.account), "%s", doc.account);
	r = attest_check_self(&self, ret_result);
	if (r == 0)
		*ret = self;
	return r;
}

/* The credentials of the instance profile, and the name of its role. */
static int attest_aws_credentials(struct imds *i, struct athenz_evidence *ret,
				  char ret_role[static STS_ROLE_MAX],
				  struct fetchjob_result *ret_result)
{
	_cleanup_(attest_aws_text_release) struct attest_aws_text text = { 0 };
	char path[sizeof(ATTEST_AWS_CREDENTIALS) + STS_ROLE_MAX];
	int r = attest_aws_role(i, ret_role, ret_result);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), ATTEST_AWS_CREDENTIALS "%s", ret_role);
	r = imds_get(i, path, ATTEST_AWS_CREDENTIALS_MAX, &text.bytes, &text.len, ret_result);
	if (r < 0)
		return r;
	r = athenz_decode_credentials(text.bytes, text.len, ret);
	return r < 0 ? attest_aws_bad(r, path, ret_result) : 0;
}

/* A token names the role that asks for it, which must be the service's: an instance whose profile
 * is that role asks at once, others take it on first. */
static int attest_aws_token(const struct sts *sts, const struct athenz_evidence *profile,
			    const char *profile_role, struct athenz_evidence *ret,
			    struct fetchjob_result *ret_result)
{
	_cleanup_(athenz_evidence_release) struct athenz_evidence role = { 0 };
	char name[STS_ROLE_MAX];
	int r;

	if (sts_role(sts->conf, sts->self->principal, name) == 0 && !strcmp(name, profile_role))
		return sts_web_identity(sts, profile, &ret->identity_token, ret_result);
	r = sts_assume_role(sts, profile, &role, ret_result);
	return r == 0 ? sts_web_identity(sts, &role, &ret->identity_token, ret_result) : r;
}

/* What STS gives for the credentials of the instance profile. */
static int attest_aws_ask_sts(const struct attest *a, const struct fetchjob_self *self,
			      struct imds *i, struct athenz_evidence *ret,
			      struct fetchjob_result *ret_result)
{
	_cleanup_(athenz_evidence_release) struct athenz_evidence profile = { 0 };
	const struct sts sts = {
		.conf = a->conf,
		.self = self,
		.name = a->sts,
		.ca = a->files->sts_ca.bytes,
		.ca_len = a->files->sts_ca.len,
		.deadline_ns = a->deadline_ns,
	};
	char role[STS_ROLE_MAX];
	int r;

	if (a->conf->credentials == CERTCONF_NO_CREDENTIALS)
		return 0;
	r = attest_aws_credentials(i, &profile, role, ret_result);
	if (r < 0)
		return r;
	if (a->conf->credentials == CERTCONF_WEB_IDENTITY)
		return attest_aws_token(&sts, &profile, role, ret, ret_result);
	return sts_assume_role(&sts, &profile, ret, ret_result);
}

static int attest_aws_signature(struct imds *i, struct athenz_evidence *e,
				struct fetchjob_result *ret_result)
{
	char path[sizeof(ATTEST_AWS_SIGNATURE) + sizeof(i->conf->document_signature)];
	size_t len;
	int r;

	snprintf(path, sizeof(path), ATTEST_AWS_SIGNATURE "%s", i->conf->document_signature);
	r = imds_get(i, path, ATTEST_AWS_SIGNATURE_MAX, &e->signature, &len, ret_result);
	if (r == 0 && (len == 0 || strlen(e->signature) != len))
		return attest_aws_bad(-EBADMSG, path, ret_result);
	return r;
}

/* The disk may have moved since certd asked who we are. */
static int attest_aws_check_document(const struct athenz_document *doc,
				     const struct fetchjob_self *self,
				     struct fetchjob_result *ret_result)
{
	if (!strcmp(doc->instance_id, self->instance_id))
		return 0;
	return fetchfail_set(ret_result, PST_INSTANCE_CHANGED,
			     "the identity document is of instance %s, not %s", doc->instance_id,
			     self->instance_id);
}

static int attest_aws_encode(const struct certconf *conf, const struct fetchjob_self *self,
			     struct athenz_evidence *e, char **ret,
			     struct fetchjob_result *ret_result)
{
	const char *dot = strrchr(self->principal, '.');
	int r;

	snprintf(e->role, sizeof(e->role), "%s",
		 conf->role_omits_domain && dot ? dot + 1 : self->principal);
	r = athenz_encode_evidence(e, ret);
	if (r == -ENOMEM || r == 0)
		return r;
	return fetchfail_set(ret_result, PST_IMDS_ANSWER,
			     "document and signature cannot be sent: %s", strerror(-r));
}

static int attest_aws_prove(const struct attest *a, const struct fetchjob_self *self,
			    struct attest_proof *ret, struct fetchjob_result *ret_result)
{
	_cleanup_(athenz_evidence_release) struct athenz_evidence e = { 0 };
	_cleanup_(attest_aws_text_release) struct attest_aws_text text = { 0 };
	_cleanup_(imds_release) struct imds imds = { 0 };
	struct attest_proof proof = { .cloud = "aws" };
	struct athenz_document doc;
	int r = imds_open(a->conf, a->deadline_ns, &imds, ret_result);

	if (r == 0)
		r = attest_aws_document(&imds, &text, &doc, ret_result);
	if (r == 0)
		r = attest_aws_check_document(&doc, self, ret_result);
	if (r == 0)
		r = attest_aws_signature(&imds, &e, ret_result);
	if (r == 0)
		r = attest_aws_ask_sts(a, self, &imds, &e, ret_result);
	if (r < 0)
		return r;
	e.document = steal_ptr(text.bytes);
	r = attest_aws_encode(a->conf, self, &e, &proof.evidence, ret_result);
	if (r < 0)
		return r;
	snprintf(proof.private_ip, sizeof(proof.private_ip), "%s", doc.private_ip);
	*ret = proof;
	return 0;
}

const struct attest_ops attest_aws = {
	.identify = attest_aws_identify,
	.prove = attest_aws_prove,
};
