/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/issuance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/csr.h"
#include "certs/ztsd/csrrules.h"
#include "common/clk.h"
#include "common/ip6.h"

struct issuance {
	const struct issuance_env *env;
	issuance_done_fn *done;
	void *user;
	const struct ztsdconf_provider *provider;
	struct athenz_request request;
	struct csr csr;
	struct csrrules rules;
	struct csrrules_claim claim;
	struct in6_addr source;
	char addr[IP6_ADDR_TEXT + 16];
	struct peerid presented; /* for a refresh */
	struct ztsdb_launch launch;
	char serial[SIGNER_SERIAL_MAX];
	uint64_t not_before_wall, not_after_wall;
	struct committer_job job;
	/* The refusal under way. */
	unsigned int status;
	enum pst code;
	char message[ATHENZ_MESSAGE_MAX];
};

/* Notes why it ends. Always -EPERM, for "return issuance_refuse(…)". */
_printf_(4, 5) static int issuance_refuse(struct issuance *i, unsigned int status, enum pst code,
					  const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(i->message, sizeof(i->message), fmt, args);
	va_end(args);
	i->status = status;
	i->code = code;
	return -EPERM;
}

static int issuance_no_memory(struct issuance *i)
{
	return issuance_refuse(i, 500, PST_SIGNER_FAILED,
			       "unable to generate identity: out of memory");
}

static void issuance_free(struct issuance *i)
{
	athenz_request_release(&i->request);
	csr_release(&i->csr);
	free(i);
}

/* Tells the result, which is a refusal without @cert. Takes @i. */
static void issuance_end(struct issuance *i, const char *cert)
{
	struct issuance_result result = {
		.status = i->status,
		.code = i->code,
		.message = i->message,
		.provider = i->request.provider,
		.principal = i->rules.principal,
		.instance_id = i->rules.instance_id,
		.serial = i->serial,
		.cert = cert,
	};

	i->done(i->user, &result);
	issuance_free(i);
}

static bool issuance_registers(const struct issuance *i)
{
	return i->job.registering;
}

/* A refresh has its names in the path; a registration in the body. */
static int issuance_read(struct issuance *i, const struct issuance_asker *asker)
{
	struct athenz_problem problem = { .text = "" };
	int r = athenz_decode_request(asker->body, asker->body_len, issuance_registers(i),
				      &i->request, &problem);

	if (r == -EBADMSG)
		return issuance_refuse(i, 400, PST_REQUEST_INVALID, "%s", problem.text);
	if (r < 0)
		return issuance_no_memory(i);
	if (asker->route) {
		memcpy(i->request.provider, asker->route->provider, sizeof(i->request.provider));
		memcpy(i->request.domain, asker->route->domain, sizeof(i->request.domain));
		memcpy(i->request.service, asker->route->service, sizeof(i->request.service));
	}
	if (snprintf(i->rules.principal, sizeof(i->rules.principal), "%s.%s", i->request.domain,
		     i->request.service) >= (int)sizeof(i->rules.principal))
		return issuance_refuse(i, 400, PST_REQUEST_INVALID, "Invalid principal name");
	if (issuance_registers(i) && !*i->request.evidence)
		return issuance_refuse(i, 400, PST_REQUEST_INVALID,
				       "attestation data is required for x509 certificate request");
	if (!*i->request.csr)
		return issuance_refuse(i, 400, PST_REQUEST_INVALID, "no csr provided");
	return 0;
}

/* Athenz compares without regard to case; both are in lower case already. */
static int issuance_check_principal(struct issuance *i)
{
	if (issuance_registers(i) || !strcmp(i->presented.principal, i->rules.principal))
		return 0;
	return issuance_refuse(i, 400, PST_REQUEST_INVALID, "Principal mismatch: %s vs. %s",
			       i->presented.principal, i->rules.principal);
}

static int issuance_check_source(struct issuance *i)
{
	const struct ztsdconf_provider *p = i->provider;

	if (!p || !p->n_sources)
		return 0;
	for (size_t at = 0; at < p->n_sources; at++)
		if (ip6_prefix_has(&p->sources[at], &i->source))
			return 0;
	return issuance_refuse(i, 403, PST_LAUNCH_DENIED, "Unknown IP: %s for Provider: %s",
			       i->addr, p->name);
}

static int issuance_check_registry(struct issuance *i)
{
	struct athenz_request *q = &i->request;
	struct ztsdb_key key = { q->provider, q->domain, q->service, "" };

	if (ztsdb_find_launch(i->env->db, &key, &i->launch) < 0)
		return issuance_refuse(i, 500, PST_RECORDS_FAILED, "unable to read the registry");
	if (!i->launch.has_domain)
		return issuance_refuse(i, 404, PST_LAUNCH_DENIED, "Domain not found: %s",
				       q->domain);
	if (!i->launch.has_service)
		return issuance_refuse(i, 400, PST_LAUNCH_DENIED,
				       "Service not registered in domain");
	if (!i->provider)
		return issuance_refuse(i, 403, PST_LAUNCH_DENIED,
				       "provider '%s' not authorized to launch instances in Athenz",
				       q->provider);
	if (!i->launch.is_allowed)
		return issuance_refuse(i, 403, PST_LAUNCH_DENIED,
				       "provider '%s' not authorized to launch %s instances",
				       q->provider, i->rules.principal);
	return 0;
}

static int issuance_check_csr(struct issuance *i)
{
	const char *why = "";
	int r = csr_read(i->request.csr, strlen(i->request.csr), &i->csr, &why);

	if (r == -EBADMSG)
		return issuance_refuse(i, 400, PST_CSR_REFUSED, "unable to parse PKCS10 CSR: %s",
				       why);
	if (r < 0)
		return issuance_no_memory(i);
	i->claim = (struct csrrules_claim){ .conf = i->env->conf,
					    .provider = i->provider,
					    .request = &i->request,
					    .csr = &i->csr,
					    .source = &i->source };
	if (csrrules_check(&i->claim, &i->rules, i->message) == 0)
		return 0;
	i->status = 400;
	i->code = PST_CSR_REFUSED;
	return -EPERM;
}

/* The instance of path, request and presented certificate is one and the same. */
static int issuance_check_instance(struct issuance *i, const struct ztsroute *route)
{
	const char *id = i->rules.instance_id;

	if (issuance_registers(i))
		return 0;
	if (strcmp(id, route->instance_id) != 0 || strcmp(id, i->presented.instance_id) != 0)
		return issuance_refuse(
			i, 400, PST_CSR_REFUSED,
			"CSR validation failed - instance id mismatch - csr: %s path: %s cert: %s",
			id, route->instance_id, i->presented.instance_id);
	if (strcmp(i->request.provider, i->presented.provider) != 0)
		return issuance_refuse(i, 400, PST_CSR_REFUSED,
				       "CSR validation failed - provider mismatch - path: %s "
				       "cert: %s",
				       i->request.provider, i->presented.provider);
	return 0;
}

/* The deny-list also holds where no certificate is presented. */
static int issuance_check_denied(struct issuance *i)
{
	if (!denylist_has(i->env->deny, i->rules.principal, i->rules.instance_id,
			  i->presented.serial))
		return 0;
	return issuance_refuse(i, 403, PST_PEER_DENIED, "Certificate revoked");
}

static int issuance_check_open(struct issuance *i)
{
	if (!i->env->is_closed)
		return 0;
	return issuance_refuse(i, 500, PST_DENYLIST_UNUSABLE, "unable to read the deny-list");
}

/* An attestor that had to ask may have taken seconds, in which people took rights away. */
static int issuance_check_again(struct issuance *i)
{
	char account[ZTSDB_ACCOUNT_MAX];
	int r;

	if (i->provider->is_token)
		return 0;
	memcpy(account, i->launch.account, sizeof(account));
	r = issuance_check_open(i);
	if (r == 0)
		r = issuance_check_registry(i);
	if (r == 0)
		r = issuance_check_denied(i);
	if (r == 0 && strcmp(account, i->launch.account) != 0)
		return issuance_refuse(i, 403, PST_ATTESTATION_REFUSED,
				       "unable to verify attestation data: the account of the "
				       "domain has changed");
	return r;
}

static int issuance_check(struct issuance *i, const struct issuance_asker *asker)
{
	int r;

	if (i->env->conf->read_only)
		return issuance_refuse(i, 400, PST_REQUEST_INVALID,
				       "Server in Maintenance Read-Only mode. Please try your "
				       "request later");
	r = issuance_check_open(i);
	if (r == 0)
		r = issuance_read(i, asker);
	if (r == 0)
		r = issuance_check_principal(i);
	if (r < 0)
		return r;
	i->provider = ztsdconf_find(i->env->conf, i->request.provider);
	r = issuance_check_source(i);
	if (r == 0)
		r = issuance_check_registry(i);
	if (r == 0)
		r = issuance_check_csr(i);
	if (r == 0)
		r = issuance_check_instance(i, asker->route);
	if (r == 0)
		r = issuance_check_denied(i);
	return r;
}

/* What is asked for, within the limits; the cap of the domain goes before all. */
static uint64_t issuance_lifetime(const struct issuance *i)
{
	const struct ztsdconf *conf = i->env->conf;
	uint64_t s = conf->default_lifetime_s;

	if (i->request.expiry_min > 0)
		s = (uint64_t)i->request.expiry_min * 60;
	if (s < conf->min_lifetime_s && i->request.expiry_min > 0)
		s = conf->min_lifetime_s;
	if (s > conf->max_lifetime_s)
		s = conf->max_lifetime_s;
	if (i->launch.max_lifetime_s && s > i->launch.max_lifetime_s)
		s = i->launch.max_lifetime_s;
	return s;
}

static int issuance_plan(struct issuance *i)
{
	uint64_t now = clk_now_wall(), ca = signer_expires_wall(i->env->signer);

	if (ca <= now)
		return issuance_refuse(i, 500, PST_SIGNER_FAILED,
				       "unable to generate identity: the CA has expired");
	if (signer_is_down(i->env->signer)) /* then the record stays as it is, too */
		return issuance_refuse(i, 500, PST_SIGNER_FAILED, "unable to generate identity");
	i->not_before_wall = now - i->env->conf->backdate_s;
	i->not_after_wall = now + issuance_lifetime(i);
	if (i->not_after_wall > ca)
		i->not_after_wall = ca;
	if (signer_make_serial(i->serial) < 0)
		return issuance_refuse(i, 500, PST_SIGNER_FAILED, "unable to generate identity");
	i->job.issue = (struct ztsdb_issue){
		.key = { i->request.provider, i->request.domain, i->request.service,
			 i->rules.instance_id },
		.serial = i->serial,
		.addr = i->addr,
		.now_wall = now,
		.expires_wall = i->not_after_wall,
		.presented = i->presented.serial,
		.presented_wall = i->presented.not_before_wall + i->env->conf->backdate_s,
	};
	return 0;
}

/* Gives *ret, PEM (free() it). */
static int issuance_sign(struct issuance *i, char **ret)
{
	struct signer_order order = {
		.key_info = i->csr.key,
		.key_info_len = i->csr.key_len,
		.country = i->csr.country,
		.organization = i->csr.organization,
		.organizational_unit = i->csr.organizational_unit,
		.common_name = i->rules.principal,
		.names = i->rules.names,
		.n_names = i->rules.n_names,
		.serial = i->serial,
		.not_before_wall = i->not_before_wall,
		.not_after_wall = i->not_after_wall,
		.purposes = SIGNER_PURPOSE_CLIENT | SIGNER_PURPOSE_SERVER,
	};

	if (signer_issue(i->env->signer, &order, ret) == 0)
		return 0;
	return issuance_refuse(i, 500, PST_SIGNER_FAILED, "unable to generate identity");
}

/* What the store says is the end of it, or the certificate is signed now. */
static int issuance_take_record(struct issuance *i, int result, char **ret)
{
	if (result == ZTSDB_E_NONE)
		return issuance_refuse(i, 403, PST_RECORD_MISSING,
				       "Unable to find certificate record");
	if (result == ZTSDB_E_REVOKED)
		return issuance_refuse(i, 403, PST_INSTANCE_REVOKED, "Certificate revoked");
	if (result < 0)
		return issuance_refuse(i, 500, PST_RECORDS_FAILED, "unable to update cert db: %s",
				       strerror(-result));
	return issuance_sign(i, ret);
}

static void issuance_on_record(struct committer_job *job, int result)
{
	struct issuance *i =
		(struct issuance *)(void *)((char *)job - offsetof(struct issuance, job));
	char *cert = NULL;

	if (issuance_take_record(i, result, &cert) == 0) {
		i->status = issuance_registers(i) ? 201 : 200;
		i->code = PST_NONE;
	}
	issuance_end(i, cert);
	free(cert);
}

static int issuance_take_verdict(struct issuance *i, enum attestor_verdict verdict, const char *why)
{
	switch (verdict) {
	case ATTESTOR_OK:
		if (issuance_check_again(i) < 0)
			return -EPERM;
		if (csrrules_check_unit(&i->claim, i->message) == 0)
			return issuance_plan(i);
		i->status = 400;
		i->code = PST_CSR_REFUSED;
		return -EPERM;
	case ATTESTOR_REFUSED:
		return issuance_refuse(i, 403, PST_ATTESTATION_REFUSED,
				       "unable to verify attestation data: %s clientIP: %s", why,
				       i->addr);
	case ATTESTOR_TIMEOUT:
		return issuance_refuse(i, 504, PST_ATTESTATION_TIMEOUT, "attestation timed out: %s",
				       why);
	case ATTESTOR_FAILED:
		break;
	}
	return issuance_refuse(i, 500, PST_ATTESTATION_REFUSED,
			       "unable to get instance for provider: %s", why);
}

static void issuance_on_verdict(void *user, enum attestor_verdict verdict, const char *why)
{
	struct issuance *i = user;

	if (issuance_take_verdict(i, verdict, why) < 0)
		issuance_end(i, NULL);
	else
		committer_submit(i->env->committer, &i->job);
}

static void issuance_attest(struct issuance *i)
{
	struct attestor_claim claim = {
		.registering = issuance_registers(i),
		.provider = i->request.provider,
		.domain = i->request.domain,
		.service = i->request.service,
		.instance_id = i->rules.instance_id,
		.account = i->launch.account,
		.dns = i->rules.dns,
		.n_dns = i->rules.n_dns,
		.ips = i->rules.ips,
		.n_ips = i->rules.n_ips,
		.evidence = i->request.evidence,
		.now_wall = clk_now_wall(),
	};
	size_t at = (size_t)(i->provider - i->env->conf->providers);

	attestor_check(i->env->attestors[at], &claim, issuance_on_verdict, i);
}

/* As people write it: IPv4 without the prefix under which the socket has it. */
static void issuance_format_source(struct issuance *i)
{
	ip6_format_addr(&i->source, i->addr);
	if (IN6_IS_ADDR_V4MAPPED(&i->source))
		snprintf(i->addr, sizeof(i->addr), "%u.%u.%u.%u", i->source.s6_addr[12],
			 i->source.s6_addr[13], i->source.s6_addr[14], i->source.s6_addr[15]);
}

void issuance_start(const struct issuance_env *env, const struct issuance_asker *asker,
		    issuance_done_fn *done, void *user)
{
	static const struct issuance_result no_memory = {
		.status = 500,
		.code = PST_SIGNER_FAILED,
		.message = "unable to generate identity: out of memory",
		.provider = "",
		.principal = "",
		.instance_id = "",
		.serial = "",
	};
	struct issuance *i = calloc(1, sizeof(*i));

	if (!i) {
		done(user, &no_memory);
		return;
	}
	i->env = env;
	i->done = done;
	i->user = user;
	i->source = asker->source;
	i->job.registering = !asker->route;
	i->job.done = issuance_on_record;
	issuance_format_source(i);
	if (asker->id)
		i->presented = *asker->id;
	if (issuance_check(i, asker) < 0)
		issuance_end(i, NULL);
	else
		issuance_attest(i);
}
