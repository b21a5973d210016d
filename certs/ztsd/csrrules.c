/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/csrrules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "certs/athenzdns.h"

#define CSRRULES_PREFIX "CSR validation failed - "

static const char csrrules_spiffe[] = "spiffe://";
static const char csrrules_instance[] = "athenz://instanceid/";
static const char csrrules_hostname[] = "athenz://hostname/";
static const char csrrules_restricted[] = ":restricted";

/* One check under way. */
struct csrrules_run {
	const struct csrrules_claim *claim;
	struct csrrules *ret;
	struct principal who;
	const char *spiffe; /* as the request has it; NULL = none */
	char *why;
};

_printf_(2, 3) static int csrrules_refuse(struct csrrules_run *run, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(run->why, ATHENZ_MESSAGE_MAX, fmt, args);
	va_end(args);
	return -EPERM;
}

static bool csrrules_begins(const char *text, const char *prefix)
{
	return !strncasecmp(text, prefix, strlen(prefix));
}

static void csrrules_take(struct csrrules_run *run, const struct csr_name *name)
{
	run->ret->names[run->ret->n_names++] = name;
}

/* The name number @at of the request, if it is of that kind. */
static const char *csrrules_text(const struct csrrules_run *run, size_t at, enum csr_san kind)
{
	const struct csr_name *name = &run->claim->csr->names[at];

	return name->kind == kind ? name->text : NULL;
}

/* Each URI is of a kind that a later rule checks, and there is one SPIFFE URI at most. */
static int csrrules_check_uris(struct csrrules_run *run)
{
	for (size_t i = 0; i < run->claim->csr->n_names; i++) {
		const char *uri = csrrules_text(run, i, CSR_URI);

		if (!uri)
			continue;
		if (csrrules_begins(uri, csrrules_spiffe)) {
			if (run->spiffe)
				return csrrules_refuse(run, CSRRULES_PREFIX
						       "Invalid SPIFFE URI present in CSR: "
						       "more than one");
			run->spiffe = uri;
		} else if (strncmp(uri, csrrules_instance, sizeof(csrrules_instance) - 1) &&
			   strncmp(uri, csrrules_hostname, sizeof(csrrules_hostname) - 1)) {
			return csrrules_refuse(run, CSRRULES_PREFIX "unsupported URI: %s", uri);
		}
	}
	return 0;
}

/* Takes an instance id once; a second one must be the same. */
static int csrrules_take_id(struct csrrules_run *run, const char *id, size_t len)
{
	char *to = run->ret->instance_id;

	if (*to && (strlen(to) != len || memcmp(to, id, len) != 0))
		return csrrules_refuse(run, CSRRULES_PREFIX "instance id mismatch: the names of "
							    "the request disagree");
	if (len >= PRINCIPAL_INSTANCE_MAX)
		return csrrules_refuse(run, CSRRULES_PREFIX "InstanceId is too long");
	memcpy(to, id, len);
	to[len] = '\0';
	return 0;
}

static int csrrules_read_id_uris(struct csrrules_run *run)
{
	for (size_t i = 0; i < run->claim->csr->n_names; i++) {
		const char *uri = csrrules_text(run, i, CSR_URI);
		struct principal_instance instance;
		int r;

		if (!uri || strncmp(uri, csrrules_instance, sizeof(csrrules_instance) - 1) != 0)
			continue;
		if (principal_parse_instance(uri, strlen(uri), &instance) != 0)
			return csrrules_refuse(run, CSRRULES_PREFIX "invalid instance id: %s", uri);
		/* Athenz does not look; a certificate would then name a provider that was not
		 * asked. */
		if (strcmp(instance.provider, run->claim->provider->name) != 0)
			return csrrules_refuse(run,
					       CSRRULES_PREFIX "provider mismatch in instance id: "
							       "%s vs. %s",
					       instance.provider, run->claim->provider->name);
		if (*run->ret->instance_id)
			return csrrules_refuse(run, CSRRULES_PREFIX "more than one instance id");
		r = csrrules_take_id(run, instance.id, strlen(instance.id));
		if (r < 0)
			return r;
	}
	return 0;
}

static int csrrules_read_id_dns(struct csrrules_run *run)
{
	unsigned int n_ids = 0;

	for (size_t i = 0; i < run->claim->csr->n_names; i++) {
		const char *dns = csrrules_text(run, i, CSR_DNS);
		size_t len;
		int r;

		if (!dns)
			continue;
		r = principal_parse_dns(dns, strlen(dns), &len);
		if (r == PRINCIPAL_E_OTHER)
			continue;
		if (r != 0 || n_ids++)
			return csrrules_refuse(run, CSRRULES_PREFIX "invalid instance id: %s", dns);
		r = csrrules_take_id(run, dns, len);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whatever names the instance, the certificate does it by a URI: no other form is believed. */
static int csrrules_check_id(struct csrrules_run *run)
{
	struct csr_name *uri = &run->ret->instance_uri;
	const char *in_body = run->claim->request->instance_id;
	struct principal_instance parsed;
	int r = csrrules_read_id_uris(run);

	if (r == 0)
		r = csrrules_read_id_dns(run);
	if (r == 0 && !*run->ret->instance_id && *in_body)
		r = csrrules_take_id(run, in_body, strlen(in_body));
	if (r < 0)
		return r;
	if (!*run->ret->instance_id)
		return csrrules_refuse(run, CSRRULES_PREFIX "InstanceId cannot be empty");
	uri->kind = CSR_URI;
	snprintf(uri->text, sizeof(uri->text), "%s%s/%s", csrrules_instance,
		 run->claim->provider->name, run->ret->instance_id);
	if (principal_parse_instance(uri->text, strlen(uri->text), &parsed) != 0)
		return csrrules_refuse(run, CSRRULES_PREFIX "invalid instance id: %s",
				       run->ret->instance_id);
	return 0;
}

static int csrrules_check_common_name(struct csrrules_run *run)
{
	const char *name = run->claim->csr->common_name;

	if (!*name && run->spiffe)
		return 0;
	if (strcasecmp(name, run->who.name) != 0)
		return csrrules_refuse(run,
				       CSRRULES_PREFIX
				       "Unable to validate CSR common name: %s vs. %s",
				       name, run->who.name);
	return 0;
}

/* The suffix of the provider that @name has; NULL when it has none. */
static const char *csrrules_suffix(const struct csrrules_run *run, const char *name)
{
	const struct ztsdconf_list *suffixes = &run->claim->provider->suffixes;

	for (size_t i = 0; i < suffixes->n; i++)
		if (athenzdns_has_suffix(name, suffixes->at[i]))
			return suffixes->at[i];
	return NULL;
}

static bool csrrules_serves(const struct csrrules_run *run, const char *name)
{
	const struct ztsdconf_list *suffixes = &run->claim->provider->suffixes;
	size_t len;

	for (size_t i = 0; i < suffixes->n; i++)
		if (athenzdns_serves(name, &run->who, suffixes->at[i]) ||
		    athenzdns_is_instance(name, suffixes->at[i], &len))
			return true;
	return false;
}

/* A name with a wildcard is settled here, as in Athenz; other names are the attestor's affair when
 * it has rules for them. */
static int csrrules_check_dns_name(struct csrrules_run *run, const char *name)
{
	bool settled = run->claim->provider->is_token || *name == '*';

	if (!athenzdns_is_name(name) || !csrrules_suffix(run, name) ||
	    (settled && !csrrules_serves(run, name)))
		return csrrules_refuse(run,
				       CSRRULES_PREFIX "%s does not end with provider/service "
						       "configured suffix or hostname",
				       name);
	if (*name != '*')
		run->ret->dns[run->ret->n_dns++] = name;
	return 0;
}

/* The host name of the body counts only where a name of the request repeats it. */
static int csrrules_check_hostnames(struct csrrules_run *run)
{
	const char *hostname = run->claim->request->hostname;
	bool found = false;

	for (size_t i = 0; i < run->claim->csr->n_names; i++) {
		const char *uri = csrrules_text(run, i, CSR_URI);

		if (!uri || strncmp(uri, csrrules_hostname, sizeof(csrrules_hostname) - 1) != 0)
			continue;
		if (found || !*hostname ||
		    strcmp(uri + sizeof(csrrules_hostname) - 1, hostname) != 0)
			return csrrules_refuse(run,
					       CSRRULES_PREFIX "Unable to validate URI hostname: "
							       "%s",
					       uri);
		found = true;
		csrrules_take(run, &run->claim->csr->names[i]);
	}
	return found ? csrrules_check_dns_name(run, hostname) : 0;
}

static int csrrules_check_dns(struct csrrules_run *run)
{
	int r = 0;

	for (size_t i = 0; i < run->claim->csr->n_names && r == 0; i++) {
		const char *dns = csrrules_text(run, i, CSR_DNS);

		if (!dns)
			continue;
		r = csrrules_check_dns_name(run, dns);
		csrrules_take(run, &run->claim->csr->names[i]);
	}
	return r;
}

static bool csrrules_lists(const struct ztsdconf_list *list, const char *text, size_t len)
{
	for (size_t i = 0; i < list->n; i++)
		if (strlen(list->at[i]) == len && !memcmp(list->at[i], text, len))
			return true;
	return false;
}

static int csrrules_check_subject(struct csrrules_run *run)
{
	const struct csr *csr = run->claim->csr;
	const struct ztsdconf_list *allowed = &run->claim->conf->organizations;

	if (*csr->country &&
	    (strlen(csr->country) != 2 || strspn(csr->country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2))
		return csrrules_refuse(run, CSRRULES_PREFIX "Unable to validate Subject C Field");
	if (*csr->organization && allowed->n &&
	    !csrrules_lists(allowed, csr->organization, strlen(csr->organization)))
		return csrrules_refuse(run, CSRRULES_PREFIX "Unable to validate Subject O Field");
	return 0;
}

/* One of the two forms of Athenz; the certificate gets it in lower case, as the registry has the
 * names. */
static int csrrules_check_spiffe(struct csrrules_run *run)
{
	const struct athenz_request *request = run->claim->request;
	const char *space = *request->name_space ? request->name_space : "default";
	struct csr_name *uri = &run->ret->spiffe_uri;

	if (!run->spiffe)
		return 0;
	uri->kind = CSR_URI;
	snprintf(uri->text, sizeof(uri->text), "spiffe://%s/sa/%s", request->domain,
		 request->service);
	if (strcasecmp(run->spiffe, uri->text) != 0)
		snprintf(uri->text, sizeof(uri->text), "spiffe://%s/ns/%s/sa/%s",
			 run->claim->conf->spiffe_trust_domain, space, run->who.name);
	if (strcasecmp(run->spiffe, uri->text) != 0)
		return csrrules_refuse(run, CSRRULES_PREFIX "Unable to validate SPIFFE URI: %s",
				       run->spiffe);
	return 0;
}

static bool csrrules_is_source(const struct csrrules_run *run, const char *text)
{
	const struct in6_addr *source = run->claim->source;
	uint8_t addr[16];

	if (inet_pton(AF_INET, text, addr) == 1)
		return IN6_IS_ADDR_V4MAPPED(source) && !memcmp(source->s6_addr + 12, addr, 4);
	return inet_pton(AF_INET6, text, addr) == 1 && !memcmp(source->s6_addr, addr, 16);
}

/* An address is the one the request comes from, or the attestor vouches for it. */
static int csrrules_check_others(struct csrrules_run *run)
{
	const struct ztsdconf_provider *provider = run->claim->provider;
	const struct csr *csr = run->claim->csr;

	for (size_t i = 0; i < csr->n_names; i++) {
		const char *ip = csrrules_text(run, i, CSR_IP);
		const char *mail = csrrules_text(run, i, CSR_EMAIL);

		if (mail)
			return csrrules_refuse(run, CSRRULES_PREFIX "unsupported email: %s", mail);
		if (!ip)
			continue;
		if (!csrrules_is_source(run, ip)) {
			if (provider->is_token || !provider->check_private_ip)
				return csrrules_refuse(run,
						       CSRRULES_PREFIX "Unable to validate IP "
								       "address: %s",
						       ip);
			run->ret->ips[run->ret->n_ips++] = ip;
		}
		csrrules_take(run, &csr->names[i]);
	}
	return 0;
}

/* domain.service as text and in parts. */
static int csrrules_name(struct csrrules_run *run)
{
	const struct athenz_request *request = run->claim->request;
	char *to = run->ret->principal;
	int n = snprintf(to, PRINCIPAL_MAX, "%s.%s", request->domain, request->service);

	if (n < 0 || n >= PRINCIPAL_MAX || principal_parse(to, (size_t)n, &run->who) != 0 ||
	    strcmp(principal_service(&run->who), request->service) != 0)
		return csrrules_refuse(run, CSRRULES_PREFIX "domain and service are no principal");
	return 0;
}

int csrrules_check(const struct csrrules_claim *claim, struct csrrules *ret,
		   char ret_why[static ATHENZ_MESSAGE_MAX])
{
	static int (*const rules[])(struct csrrules_run *) = {
		csrrules_name,
		csrrules_check_uris,
		csrrules_check_id,
		csrrules_check_common_name,
		csrrules_check_hostnames,
		csrrules_check_dns,
		csrrules_check_subject,
		csrrules_check_spiffe,
		csrrules_check_others,
	};
	struct csrrules_run run = { .claim = claim, .ret = ret, .why = ret_why };
	int r = 0;

	ret->n_names = ret->n_dns = ret->n_ips = 0;
	ret->instance_id[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(rules) && r == 0; i++)
		r = rules[i](&run);
	if (r < 0)
		return r;
	if (run.spiffe)
		csrrules_take(&run, &ret->spiffe_uri);
	csrrules_take(&run, &ret->instance_uri);
	if (ret->n_names > CSR_SANS_MAX) /* no peer would take it */
		return csrrules_refuse(&run, CSRRULES_PREFIX "too many names");
	return 0;
}

int csrrules_check_unit(const struct csrrules_claim *claim, char ret_why[static ATHENZ_MESSAGE_MAX])
{
	const char *unit = claim->csr->organizational_unit;
	size_t len = strlen(unit), tail = sizeof(csrrules_restricted) - 1;

	if (!len || !claim->conf->verify_ou)
		return 0;
	if (len > tail && !strcmp(unit + len - tail, csrrules_restricted))
		len -= tail;
	if ((strlen(claim->provider->name) == len && !memcmp(claim->provider->name, unit, len)) ||
	    csrrules_lists(&claim->conf->organizational_units, unit, len))
		return 0;
	snprintf(ret_why, ATHENZ_MESSAGE_MAX, "CSR Subject OrgUnit validation failed");
	return -EPERM;
}
