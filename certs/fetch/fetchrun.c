/* SPDX-License-Identifier: MIT */
#include "certs/fetch/fetchrun.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "certs/fetch/attest.h"
#include "certs/fetch/fetchfail.h"
#include "certs/fetch/sts.h"
#include "common/clk.h"

#define FETCHRUN_SEND_MS 5000 /* for the reader to make room once */

/* Another cloud is one more row. */
static const struct attest_ops *const fetchrun_attestations[] = {
	[CERTCONF_AWS] = &attest_aws,
	[CERTCONF_TOKEN] = &attest_token,
};

bool fetchrun_needs_network(enum fetchjob_kind kind)
{
	return kind != FETCHJOB_CHECK;
}

static uint64_t fetchrun_deadline_ns(const struct fetchrun *r)
{
	return r->started_ns + r->job.conf.timeout_ms * CLK_NS_PER_MS;
}

int fetchrun_load(struct fetchrun *r)
{
	return fetchfiles_load(&r->job, &r->files, &r->result);
}

static int fetchrun_look_up_one(struct fetchrun *r, const char *url,
				const struct ip6_endpoint *address, enum pst code,
				struct fetchname *ret)
{
	char why[FETCHNAME_WHY_MAX] = "";
	int n = fetchname_find(url, address, ret, why);

	if (n == 0 || n == -ENOMEM)
		return n;
	return fetchfail_set(&r->result, code, "%s", why);
}

static int fetchrun_look_up_sts(struct fetchrun *r)
{
	const struct certconf *conf = &r->job.conf;
	char url[STS_URL_MAX];

	if (conf->attestation != CERTCONF_AWS || conf->credentials == CERTCONF_NO_CREDENTIALS)
		return 0;
	if (sts_url(conf, r->job.self.region, url) < 0)
		return fetchfail_set(&r->result, PST_STS_FAILED,
				     "sts_url %.100s needs a region, and none is known",
				     conf->sts_url);
	return fetchrun_look_up_one(r, url, &conf->sts_address, PST_STS_FAILED, &r->sts);
}

int fetchrun_look_up(struct fetchrun *r)
{
	const struct certconf *conf = &r->job.conf;
	int n;

	if (r->job.kind != FETCHJOB_REGISTER && r->job.kind != FETCHJOB_REFRESH)
		return 0;
	n = fetchrun_look_up_one(r, conf->zts_url, &conf->zts_address, PST_ZTS_UNREACHABLE,
				 &r->zts);
	return n == 0 ? fetchrun_look_up_sts(r) : n;
}

static void fetchrun_take_facts(struct fetchjob_result *to, const struct keypair_facts *facts)
{
	snprintf(to->self.principal, sizeof(to->self.principal), "%s", facts->id.principal);
	snprintf(to->self.provider, sizeof(to->self.provider), "%s", facts->id.provider);
	snprintf(to->self.instance_id, sizeof(to->self.instance_id), "%s", facts->id.instance_id);
	/* A certificate that was not read to its end has no life that could be told. */
	if (facts->not_before_wall >= facts->not_after_wall)
		return;
	snprintf(to->serial, sizeof(to->serial), "%s", facts->id.serial);
	to->not_before_wall = facts->not_before_wall;
	to->not_after_wall = facts->not_after_wall;
}

/* The CAs are those of the pair, unless the operator has said which. Empty names of the job mean
 * any: after a first boot certd does not know who it is. */
static int fetchrun_check(struct fetchrun *r)
{
	const struct fetchfiles *f = &r->files;
	const struct fetchfiles_text *ca = f->ca_pin.bytes ? &f->ca_pin : &f->ca;
	const struct fetchjob_self *self = &r->job.self;
	const struct keypair_pem pem = {
		.key = (const char *)f->key.bytes,
		.cert = (const char *)f->cert.bytes,
		.ca = (const char *)ca->bytes,
		.key_len = f->key.len,
		.cert_len = f->cert.len,
		.ca_len = ca->len,
	};
	const struct keypair_want want = {
		.principal = self->principal[0] ? self->principal : NULL,
		.provider = self->provider[0] ? self->provider : NULL,
		.instance_id = self->instance_id[0] ? self->instance_id : NULL,
		.now_wall = clk_now_wall(),
		.skew_s = ZTSCALL_SKEW_S,
	};
	char detail[KEYPAIR_DETAIL_MAX] = "";
	struct keypair_facts facts = { 0 };
	enum pst code = PST_NONE;
	int n = keypair_check(&pem, &want, &facts, &code, detail);

	if (n == 0 || n == -EPERM)
		fetchrun_take_facts(&r->result, &facts);
	if (n == 0 && !facts.id.instance_id[0])
		return fetchfail_set(&r->result, PST_PAIR_UNUSABLE,
				     "the certificate names no instance");
	return n == -EPERM ? fetchfail_set(&r->result, code, "%s", detail) : n;
}

static struct attest fetchrun_attest(const struct fetchrun *r)
{
	return (struct attest){
		.conf = &r->job.conf,
		.files = &r->files,
		.sts = &r->sts,
		.deadline_ns = fetchrun_deadline_ns(r),
	};
}

static int fetchrun_identify(struct fetchrun *r)
{
	const struct attest a = fetchrun_attest(r);

	return fetchrun_attestations[a.conf->attestation]->identify(&a, &r->result.self,
								    &r->result);
}

static int fetchrun_fetch(struct fetchrun *r)
{
	const struct attest a = fetchrun_attest(r);
	_cleanup_(attest_release) struct attest_proof proof = { 0 };
	const struct ztscall call = {
		.job = &r->job,
		.files = &r->files,
		.name = &r->zts,
		.proof = &proof,
		.deadline_ns = a.deadline_ns,
	};
	struct keypair_facts facts = { 0 };
	int n = fetchrun_attestations[a.conf->attestation]->prove(&a, &r->job.self, &proof,
								  &r->result);

	if (n == 0)
		n = ztscall_run(&call, &r->pair, &facts, &r->result);
	if (n == 0)
		fetchrun_take_facts(&r->result, &facts);
	return n;
}

/* A pair that is over, or another instance's, is not shown to the issuer. */
static int fetchrun_refresh(struct fetchrun *r)
{
	int n = fetchrun_check(r);

	return n == 0 ? fetchrun_fetch(r) : n;
}

void fetchrun_work(struct fetchrun *r)
{
	int n;

	switch (r->job.kind) {
	case FETCHJOB_IDENTIFY:
		n = fetchrun_identify(r);
		break;
	case FETCHJOB_REGISTER:
		n = fetchrun_fetch(r);
		break;
	case FETCHJOB_REFRESH:
		n = fetchrun_refresh(r);
		break;
	case FETCHJOB_CHECK:
	default:
		n = fetchrun_check(r);
		break;
	}
	if (n == -ENOMEM)
		fetchfail_set(&r->result, PST_FETCH_DIED, "out of memory");
}

/* The channel holds less than a large bundle of CAs. */
static int fetchrun_send_one(int fd, const struct chan_msg *msg)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int r = chan_send(fd, msg);
	int n;

	while (r == -EAGAIN) {
		n = poll(&p, 1, FETCHRUN_SEND_MS);
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		r = chan_send(fd, msg);
	}
	return r;
}

static int fetchrun_send_file(int fd, enum fetchjob_file file, const char *text)
{
	_cleanup_(fetchjob_part_wipe) struct fetchjob_part part = { .file = file };
	size_t left = strlen(text);
	struct chan_msg msg;
	int r = 0;

	while (left > 0 && r == 0) {
		part.len = left < FETCHJOB_PART_MAX ? left : FETCHJOB_PART_MAX;
		memcpy(part.bytes, text, part.len);
		text += part.len;
		left -= part.len;
		r = fetchjob_encode_part(&part, &msg);
		if (r == 0)
			r = fetchrun_send_one(fd, &msg);
		chan_msg_release(&msg);
	}
	return r;
}

int fetchrun_send(struct fetchrun *r, int fd)
{
	struct chan_msg msg;
	int n = 0;

	if (r->pair.cert) {
		n = fetchrun_send_file(fd, FETCHJOB_KEY, r->pair.key);
		if (n == 0)
			n = fetchrun_send_file(fd, FETCHJOB_CERT, r->pair.cert);
		if (n == 0)
			n = fetchrun_send_file(fd, FETCHJOB_CA, r->pair.ca);
	}
	if (n < 0)
		return n;
	r->result.total_ms = (uint32_t)((clk_now_ns() - r->started_ns) / CLK_NS_PER_MS);
	n = fetchjob_encode_result(&r->result, &msg);
	if (n == 0)
		n = fetchrun_send_one(fd, &msg);
	chan_msg_release(&msg);
	return n;
}

void fetchrun_release(struct fetchrun *r)
{
	ztscall_release(&r->pair);
	fetchfiles_release(&r->files);
}
