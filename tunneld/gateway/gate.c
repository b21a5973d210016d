/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/gate.h"

#include <string.h>

bool gate_serves(const struct gwconf *conf, const char *principal)
{
	for (size_t i = 0; i < conf->n_tenants; i++)
		if (!strcmp(conf->tenants[i], principal))
			return true;
	return false;
}

static bool gate_believes(const struct gwconf *conf, const char *provider)
{
	for (size_t i = 0; i < conf->n_providers; i++)
		if (!strcmp(conf->providers[i], provider))
			return true;
	return false;
}

static bool gate_is_now(uint64_t epoch, uint64_t now_wall)
{
	uint64_t off = epoch > now_wall ? epoch - now_wall : now_wall - epoch;

	return off <= GATE_EPOCH_SLACK_S;
}

enum pst gate_check(const struct gwconf *conf, const struct gwframe_grant *grant, uint64_t now_wall)
{
	if (!gate_is_now(grant->epoch, now_wall) ||
	    !ip6_prefix_has(&conf->hosts_prefix, &grant->host_addr))
		return PST_GATEWAY_WORKER;
	if (!gate_serves(conf, grant->principal))
		return PST_TENANT_DENIED;
	if (!gate_believes(conf, grant->provider))
		return PST_PROVIDER_DENIED;
	if (grant->cert_expires_wall <= now_wall)
		return PST_CERT_EXPIRED;
	return wgkey_is_weak(&grant->host_key) ? PST_KEY_WEAK : PST_NONE;
}

struct gate_lease gate_make_lease(const struct gwconf *conf, const struct gwframe_grant *grant,
				  uint64_t now_wall)
{
	struct gate_lease lease = {
		.key = grant->host_key,
		.addr = grant->host_addr,
		.epoch = grant->epoch,
		.granted_wall = now_wall,
		.expires_wall = now_wall + conf->expires_after_s,
	};

	memcpy(lease.principal, grant->principal, sizeof(lease.principal));
	memcpy(lease.provider, grant->provider, sizeof(lease.provider));
	memcpy(lease.instance_id, grant->instance_id, sizeof(lease.instance_id));
	memcpy(lease.serial, grant->serial, sizeof(lease.serial));
	return lease;
}

static bool gate_same_identity(const struct gate_lease *a, const struct gate_lease *b)
{
	return !strcmp(a->principal, b->principal) && !strcmp(a->provider, b->provider) &&
	       !strcmp(a->instance_id, b->instance_id);
}

/* Another identity's lease that is not over. */
static bool gate_is_foreign(const struct gate_lease *wanted, const struct gate_lease *held,
			    uint64_t now_wall)
{
	return held && !gate_same_identity(wanted, held) && held->expires_wall > now_wall;
}

static void gate_replace(const struct gate_lease *wanted, const struct gate_lease *held,
			 struct gate_plan *plan)
{
	if (!held || wgkey_equal(&held->key, &wanted->key))
		return;
	for (size_t i = 0; i < plan->n_remove; i++)
		if (wgkey_equal(&plan->remove[i], &held->key))
			return;
	plan->remove[plan->n_remove++] = held->key;
}

enum pst gate_decide(const struct gate_lease *wanted, const struct gate_holders *holders,
		     uint64_t now_wall, struct gate_plan *ret)
{
	struct gate_plan plan = { .n_remove = 0 };

	if (gate_is_foreign(wanted, holders->by_key, now_wall))
		return PST_KEY_TAKEN;
	if (gate_is_foreign(wanted, holders->by_addr, now_wall))
		return PST_ADDRESS_TAKEN;
	/* An older epoch than the kernel's PSK: a clock that went back, or a late duplicate. */
	if (holders->by_identity && wanted->epoch < holders->by_identity->epoch)
		return PST_RETRY_LATER;
	gate_replace(wanted, holders->by_addr, &plan);
	gate_replace(wanted, holders->by_identity, &plan);
	*ret = plan;
	return PST_NONE;
}
