/* SPDX-License-Identifier: MIT */
#include "certs/fetchjob.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/wire.h"

#define FETCHJOB_RETRY_MAX_S 86400        /* more is no answer of a worker of ours */
#define FETCHJOB_HTTP_MAX 999             /* three digits */
#define FETCHJOB_WALL_MAX 253402300799ULL /* the end of the year 9999, the last of X.509 */
#define FETCHJOB_PART_HEAD 3              /* file u8, length u16 */

static const struct chan_op fetchjob_table[] = {
	{ FETCHJOB_START, "start", 64, CHAN_BODY_MAX, false },
	{ FETCHJOB_PART, "part", FETCHJOB_PART_HEAD + 1, FETCHJOB_PART_HEAD + FETCHJOB_PART_MAX,
	  false },
	{ FETCHJOB_RESULT, "result", 16, CHAN_BODY_MAX, false },
};

/* A field of struct certconf. */
struct fetchjob_field {
	size_t offset, size;
};

#define FETCHJOB_FIELD(f)                                                                          \
	{                                                                                          \
		offsetof(struct certconf, f), sizeof(((struct certconf *)0)->f)                    \
	}

static const struct fetchjob_field fetchjob_texts[] = {
	FETCHJOB_FIELD(zts_url),
	FETCHJOB_FIELD(zts_ca),
	FETCHJOB_FIELD(ca_pin),
	FETCHJOB_FIELD(domain),
	FETCHJOB_FIELD(service),
	FETCHJOB_FIELD(provider),
	FETCHJOB_FIELD(provider_prefix),
	FETCHJOB_FIELD(token_file),
	FETCHJOB_FIELD(instance_id),
	FETCHJOB_FIELD(sia_dir),
	FETCHJOB_FIELD(user),
	FETCHJOB_FIELD(country),
	FETCHJOB_FIELD(organization),
	FETCHJOB_FIELD(organizational_unit),
	FETCHJOB_FIELD(spiffe_trust_domain),
	FETCHJOB_FIELD(spiffe_namespace),
	FETCHJOB_FIELD(document_signature),
	FETCHJOB_FIELD(role_path),
	FETCHJOB_FIELD(sts_url),
	FETCHJOB_FIELD(sts_ca),
	FETCHJOB_FIELD(audience),
	FETCHJOB_FIELD(signing_algorithm),
};

static const struct fetchjob_field fetchjob_numbers[] = {
	FETCHJOB_FIELD(expiry_min),  FETCHJOB_FIELD(renew_max_s), FETCHJOB_FIELD(retry_min_s),
	FETCHJOB_FIELD(retry_max_s), FETCHJOB_FIELD(timeout_ms),  FETCHJOB_FIELD(token_duration_s),
};

static const struct fetchjob_field fetchjob_bools[] = {
	FETCHJOB_FIELD(spiffe),     FETCHJOB_FIELD(wildcard_dns),      FETCHJOB_FIELD(instance_dns),
	FETCHJOB_FIELD(private_ip), FETCHJOB_FIELD(role_omits_domain),
};

const struct chan_op *fetchjob_ops(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(fetchjob_table);
	return fetchjob_table;
}

void fetchjob_part_wipe(struct fetchjob_part *p)
{
	if (p)
		explicit_bzero(p, sizeof(*p));
}

/* A writer that failed did not fit. */
static int fetchjob_written(const struct wire *w, struct chan_msg *ret)
{
	if (wire_done(w) < 0)
		return -EMSGSIZE;
	ret->len = w->pos;
	return 0;
}

/* Takes a number of at most @max, 0 when it is larger. */
static uint8_t fetchjob_get_small(struct wire *w, uint8_t max)
{
	uint8_t v = wire_get_u8(w);

	if (v <= max)
		return v;
	wire_fail(w);
	return 0;
}

static void fetchjob_put_endpoint(struct wire *w, const struct ip6_endpoint *e)
{
	wire_put_bytes(w, e->addr.s6_addr, 16);
	wire_put_u16(w, e->port);
}

static void fetchjob_get_endpoint(struct wire *w, struct ip6_endpoint *ret)
{
	wire_get_bytes(w, ret->addr.s6_addr, 16);
	ret->port = wire_get_u16(w);
}

/* What is a list or an enumeration. */
static void fetchjob_put_lists(struct wire *w, const struct certconf *c)
{
	if (c->n_suffixes > CERTCONF_SUFFIXES_MAX || c->n_imds > CERTCONF_IMDS_MAX) {
		wire_fail(w);
		return;
	}
	wire_put_u8(w, (uint8_t)c->n_suffixes);
	for (size_t i = 0; i < c->n_suffixes; i++)
		wire_put_str(w, c->suffixes[i]);
	wire_put_u8(w, (uint8_t)c->n_imds);
	for (size_t i = 0; i < c->n_imds; i++)
		wire_put_str(w, c->imds[i]);
	wire_put_u8(w, (uint8_t)c->attestation);
	wire_put_u8(w, (uint8_t)c->credentials);
	wire_put_u8(w, (uint8_t)c->key_type);
}

static void fetchjob_get_lists(struct wire *w, struct certconf *ret)
{
	ret->n_suffixes = fetchjob_get_small(w, CERTCONF_SUFFIXES_MAX);
	for (size_t i = 0; i < ret->n_suffixes; i++)
		wire_get_str(w, ret->suffixes[i], sizeof(ret->suffixes[i]));
	ret->n_imds = fetchjob_get_small(w, CERTCONF_IMDS_MAX);
	for (size_t i = 0; i < ret->n_imds; i++)
		wire_get_str(w, ret->imds[i], sizeof(ret->imds[i]));
	ret->attestation = (enum certconf_attestation)fetchjob_get_small(w, CERTCONF_TOKEN);
	ret->credentials = (enum certconf_credentials)fetchjob_get_small(w,
									 CERTCONF_NO_CREDENTIALS);
	ret->key_type = (enum certconf_key)fetchjob_get_small(w, CERTCONF_RSA_3072);
}

static void fetchjob_put_conf(struct wire *w, const struct certconf *c)
{
	const char *base = (const char *)c;

	for (size_t i = 0; i < ARRAY_SIZE(fetchjob_texts); i++)
		wire_put_str(w, base + fetchjob_texts[i].offset);
	for (size_t i = 0; i < ARRAY_SIZE(fetchjob_numbers); i++) {
		uint32_t v;

		memcpy(&v, base + fetchjob_numbers[i].offset, sizeof(v));
		wire_put_u32(w, v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fetchjob_bools); i++)
		wire_put_u8(w, (uint8_t)base[fetchjob_bools[i].offset]);
	fetchjob_put_endpoint(w, &c->zts_address);
	fetchjob_put_endpoint(w, &c->sts_address);
	fetchjob_put_lists(w, c);
}

static void fetchjob_get_conf(struct wire *w, struct certconf *ret)
{
	char *base = (char *)ret;

	for (size_t i = 0; i < ARRAY_SIZE(fetchjob_texts); i++)
		wire_get_str(w, base + fetchjob_texts[i].offset, fetchjob_texts[i].size);
	for (size_t i = 0; i < ARRAY_SIZE(fetchjob_numbers); i++) {
		uint32_t v = wire_get_u32(w);

		memcpy(base + fetchjob_numbers[i].offset, &v, sizeof(v));
	}
	for (size_t i = 0; i < ARRAY_SIZE(fetchjob_bools); i++) {
		bool v = wire_get_bool(w);

		memcpy(base + fetchjob_bools[i].offset, &v, sizeof(v));
	}
	fetchjob_get_endpoint(w, &ret->zts_address);
	fetchjob_get_endpoint(w, &ret->sts_address);
	fetchjob_get_lists(w, ret);
}

static void fetchjob_put_self(struct wire *w, const struct fetchjob_self *s)
{
	wire_put_str(w, s->principal);
	wire_put_str(w, s->provider);
	wire_put_str(w, s->instance_id);
	wire_put_str(w, s->region);
	wire_put_str(w, s->account);
}

/* Provider and id as they stand in a certificate; one of them may be missing. */
static bool fetchjob_is_instance(const char *provider, const char *id)
{
	char uri[32 + PRINCIPAL_PROVIDER_MAX + PRINCIPAL_INSTANCE_MAX];
	struct principal_instance parsed;
	int n = snprintf(uri, sizeof(uri), "athenz://instanceid/%s/%s", *provider ? provider : "x",
			 *id ? id : "x");

	return principal_parse_instance(uri, (size_t)n, &parsed) == 0 &&
	       (!*provider || !strcmp(parsed.provider, provider));
}

static bool fetchjob_is_principal(const char *name)
{
	struct principal parsed;

	return principal_parse(name, strlen(name), &parsed) == 0 && !strcmp(parsed.name, name);
}

/* Each name is empty or of the form it has in certificates: they become file names and URLs. */
static bool fetchjob_is_self(const struct fetchjob_self *s)
{
	return (!s->principal[0] || fetchjob_is_principal(s->principal)) &&
	       fetchjob_is_instance(s->provider, s->instance_id) &&
	       !s->region[strspn(s->region, "abcdefghijklmnopqrstuvwxyz0123456789-")] &&
	       !s->account[strspn(s->account, "0123456789")];
}

static void fetchjob_get_self(struct wire *w, struct fetchjob_self *ret)
{
	wire_get_str(w, ret->principal, sizeof(ret->principal));
	wire_get_str(w, ret->provider, sizeof(ret->provider));
	wire_get_str(w, ret->instance_id, sizeof(ret->instance_id));
	wire_get_str(w, ret->region, sizeof(ret->region));
	wire_get_str(w, ret->account, sizeof(ret->account));
	if (!fetchjob_is_self(ret))
		wire_fail(w);
}

int fetchjob_encode_start(const struct fetchjob_start *in, struct chan_msg *ret)
{
	struct wire w;

	chan_msg_init(ret, &fetchjob_table[0], 1);
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_u8(&w, (uint8_t)in->kind);
	fetchjob_put_conf(&w, &in->conf);
	fetchjob_put_self(&w, &in->self);
	wire_put_str(&w, in->pair_dir);
	return fetchjob_written(&w, ret);
}

int fetchjob_decode_start(const struct chan_msg *msg, struct fetchjob_start *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);
	struct fetchjob_start job = { 0 };
	int r;

	if (msg->op->type != FETCHJOB_START)
		return -EBADMSG;
	job.kind = (enum fetchjob_kind)fetchjob_get_small(&w, FETCHJOB_CHECK);
	fetchjob_get_conf(&w, &job.conf);
	fetchjob_get_self(&w, &job.self);
	wire_get_str(&w, job.pair_dir, sizeof(job.pair_dir));
	if (!job.kind || (job.pair_dir[0] && job.pair_dir[0] != '/'))
		wire_fail(&w);
	r = wire_done(&w);
	if (r == 0)
		*ret = job;
	return r;
}

int fetchjob_encode_part(const struct fetchjob_part *in, struct chan_msg *ret)
{
	struct wire w;

	chan_msg_init(ret, &fetchjob_table[1], 1);
	if (!in->len || in->len > FETCHJOB_PART_MAX)
		return -EMSGSIZE;
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_u8(&w, (uint8_t)in->file);
	wire_put_u16(&w, (uint16_t)in->len);
	wire_put_bytes(&w, in->bytes, in->len);
	return fetchjob_written(&w, ret);
}

int fetchjob_decode_part(const struct chan_msg *msg, struct fetchjob_part *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);
	uint8_t file;
	size_t len;

	if (msg->op->type != FETCHJOB_PART)
		return -EBADMSG;
	file = fetchjob_get_small(&w, FETCHJOB_CA);
	len = wire_get_u16(&w);
	/* The rest of the message is the piece: nothing is copied before that is certain. */
	if (w.failed || !file || !len || len > FETCHJOB_PART_MAX || len != msg->len - w.pos)
		return -EBADMSG;
	ret->file = (enum fetchjob_file)file;
	ret->len = len;
	memset(ret->bytes, 0, sizeof(ret->bytes));
	memcpy(ret->bytes, msg->body + w.pos, len);
	return 0;
}

int fetchjob_encode_result(const struct fetchjob_result *in, struct chan_msg *ret)
{
	struct wire w;

	chan_msg_init(ret, &fetchjob_table[2], 1);
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_u16(&w, (uint16_t)in->code);
	wire_put_str(&w, in->detail);
	wire_put_u32(&w, in->http_status);
	wire_put_u32(&w, in->retry_after_s);
	wire_put_u32(&w, in->total_ms);
	fetchjob_put_self(&w, &in->self);
	wire_put_str(&w, in->serial);
	wire_put_u64(&w, in->not_before_wall);
	wire_put_u64(&w, in->not_after_wall);
	return fetchjob_written(&w, ret);
}

/* A certificate that is told about has a serial number and a time of life, else all are empty. */
static bool fetchjob_is_life(const struct fetchjob_result *r)
{
	if (!r->serial[0])
		return !r->not_before_wall && !r->not_after_wall;
	return !r->serial[strspn(r->serial, "0123456789abcdef")] &&
	       r->not_before_wall < r->not_after_wall && r->not_after_wall <= FETCHJOB_WALL_MAX;
}

/* What is done names whom it was done for. */
static bool fetchjob_is_code(const struct fetchjob_result *r)
{
	if (r->code != PST_NONE)
		return pst_find((unsigned int)r->code);
	return r->self.principal[0] && r->self.provider[0] && r->self.instance_id[0];
}

int fetchjob_decode_result(const struct chan_msg *msg, struct fetchjob_result *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);
	struct fetchjob_result result = { 0 };
	int r;

	if (msg->op->type != FETCHJOB_RESULT)
		return -EBADMSG;
	result.code = (enum pst)wire_get_u16(&w);
	wire_get_ascii(&w, result.detail, sizeof(result.detail));
	result.http_status = wire_get_u32(&w);
	result.retry_after_s = wire_get_u32(&w);
	result.total_ms = wire_get_u32(&w);
	fetchjob_get_self(&w, &result.self);
	wire_get_str(&w, result.serial, sizeof(result.serial));
	result.not_before_wall = wire_get_u64(&w);
	result.not_after_wall = wire_get_u64(&w);
	if (result.http_status > FETCHJOB_HTTP_MAX || result.retry_after_s > FETCHJOB_RETRY_MAX_S ||
	    !fetchjob_is_life(&result) || !fetchjob_is_code(&result))
		wire_fail(&w);
	r = wire_done(&w);
	if (r == 0)
		*ret = result;
	return r;
}
