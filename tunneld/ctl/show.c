/* SPDX-License-Identifier: MIT */
#include "tunneld/ctl/show.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "common/timetext.h"

static const char *const show_policy_names[] = {
	[ASK_POLICY_LOADED] = "loaded",
	[ASK_POLICY_DRIFT] = "drift",
	[ASK_POLICY_UNKNOWN] = "unknown",
};

static const char *const show_policy_texts[] = {
	[ASK_POLICY_LOADED] = "loaded; the kernel's rules equal the configuration",
	[ASK_POLICY_DRIFT] = "NOT as configured; 'netpolicy check' shows the difference",
	[ASK_POLICY_UNKNOWN] = "unknown; 'netpolicy check' says why (it needs root)",
};

enum status_health show_health(const struct show_report *report)
{
	enum status_health health = report->status ? status_health(report->status) : STATUS_DOWN;

	if (health == STATUS_OK && report->policy == ASK_POLICY_DRIFT)
		return STATUS_DEGRADED;
	return health;
}

static const struct status_server *show_first_bad(const struct status *s)
{
	for (size_t i = 0; i < s->n_servers; i++)
		if (s->servers[i].state != SESSION_UP)
			return &s->servers[i];
	return NULL;
}

static size_t show_count_up(const struct status *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_servers; i++)
		n += s->servers[i].state == SESSION_UP;
	return n;
}

/* The trouble may name a directory, which may have any bytes; terminals and JSON may not. */
static void show_trouble(const char *trouble, char *ret, size_t cap)
{
	snprintf(ret, cap, "%s", trouble);
	for (char *p = ret; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
}

void show_reason(const struct show_report *report, char *ret, size_t cap)
{
	const struct status *s = report->status;
	const struct status_server *bad = s ? show_first_bad(s) : NULL;
	const char *policy = report->policy == ASK_POLICY_DRIFT ?
				     "; the policy is not as configured" :
				     "";

	if (!s)
		show_trouble(report->trouble, ret, cap);
	else if (!bad)
		snprintf(ret, cap, "%zu of %zu configuration servers reached through the tunnel%s",
			 s->n_servers, s->n_servers, policy);
	else if (bad->missing)
		snprintf(ret, cap, "%zu of %zu configuration servers reached; %s: PST-%04u %s%s",
			 show_count_up(s), s->n_servers, bad->name, (unsigned int)bad->missing,
			 pst_text(bad->missing), policy);
	else
		snprintf(ret, cap, "%zu of %zu configuration servers reached; %s: %s%s",
			 show_count_up(s), s->n_servers, bad->name, session_state_name(bad->state),
			 policy);
}

static const char *show_bytes(uint64_t n, char ret[static 24])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)n;
	size_t i = 0;

	for (; v >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		v /= 1024;
	snprintf(ret, 24, i ? "%.1f %s" : "%.0f %s", v, units[i]);
	return ret;
}

static uint64_t show_handshake_age(const struct status *s, const struct status_server *server)
{
	return s->now_wall > server->handshake_wall ? s->now_wall - server->handshake_wall : 0;
}

static void show_lease(const struct status_server *server, char *ret, size_t cap)
{
	char age[24];

	if (server->leased && server->exchanging)
		snprintf(ret, cap, "renewing");
	else if (server->leased && server->expires_in_s)
		snprintf(ret, cap, "renews in %s", timetext_span(server->next_try_s, age));
	else if (server->leased)
		snprintf(ret, cap, "expired");
	else if (server->exchanging)
		snprintf(ret, cap, "asking");
	else
		snprintf(ret, cap, "next try in %s", timetext_span(server->next_try_s, age));
}

static void show_server(const struct status *s, const struct status_server *server, FILE *to)
{
	char age[24], rx[24], tx[24], epoch[24], lease[48], endpoint[IP6_ENDPOINT_TEXT];
	char handshake[32] = "never";

	if (server->handshake_wall)
		snprintf(handshake, sizeof(handshake), "%s ago",
			 timetext_span(show_handshake_age(s, server), age));
	show_lease(server, lease, sizeof(lease));
	fprintf(to, "%-10s %-10s %-11s %-10s %-10s %-18s %-21s %s\n", server->name,
		session_state_name(server->state), handshake, show_bytes(server->rx_bytes, rx),
		show_bytes(server->tx_bytes, tx), lease,
		server->leased ? timetext_stamp(server->epoch, epoch) : "-",
		server->leased ? ip6_format_endpoint(&server->endpoint, endpoint) : "-");
}

/* Under a server that is not up: what is missing and what to do about it. */
static void show_advice(const struct status_server *server, FILE *to)
{
	const struct pst_info *info = pst_find(server->missing);
	const struct pst_info *last = pst_find(server->last_code);

	if (info)
		fprintf(to, "           PST-%04u %s\n           do: %s\n", (unsigned int)info->code,
			info->text, info->action);
	if (last && last != info)
		fprintf(to, "           last exchange: PST-%04u %s\n", (unsigned int)last->code,
			last->text);
	if (last && server->detail[0])
		fprintf(to, "           said: %s\n", server->detail);
}

static void show_servers(const struct status *s, FILE *to)
{
	fprintf(to, "\n%-10s %-10s %-11s %-10s %-10s %-18s %-21s %s\n", "SERVER", "STATE",
		"HANDSHAKE", "RECEIVED", "SENT", "LEASE", "PSK EPOCH", "ENDPOINT");
	for (size_t i = 0; i < s->n_servers; i++) {
		show_server(s, &s->servers[i], to);
		if (s->servers[i].state != SESSION_UP || s->servers[i].last_code)
			show_advice(&s->servers[i], to);
	}
}

static void show_zone(const struct status *s, FILE *to)
{
	char addr[IP6_ADDR_TEXT], age[24];

	fprintf(to, "zone %s, host %s, interface %s, tunneld up %s", s->zone,
		IN6_IS_ADDR_UNSPECIFIED(&s->host_addr) ? "without address" :
							 ip6_format_addr(&s->host_addr, addr),
		s->interface, timetext_span(s->uptime_s, age));
	if (s->n_repairs)
		fprintf(to, ", %u kernel changes put back", s->n_repairs);
	if (s->n_malformed)
		fprintf(to, ", %u malformed worker frames", s->n_malformed);
	fputc('\n', to);
}

void show_text(const struct show_report *report, bool colour, FILE *to)
{
	static const char *const colours[] = {
		[STATUS_OK] = "\033[1;32m",
		[STATUS_DEGRADED] = "\033[1;33m",
		[STATUS_DOWN] = "\033[1;31m",
	};
	enum status_health health = show_health(report);
	char reason[512];

	show_reason(report, reason, sizeof(reason));
	fprintf(to, "%s%s%s: %s\n", colour ? colours[health] : "", status_health_name(health),
		colour ? "\033[0m" : "", reason);
	if (report->status) {
		show_zone(report->status, to);
		show_servers(report->status, to);
	}
	fprintf(to, "\npolicy     %s\n", show_policy_texts[report->policy]);
}

static json_t *show_json_code(enum pst code)
{
	char text[PST_CODE_LEN + 8];

	if (!code)
		return json_null();
	snprintf(text, sizeof(text), "PST-%04u", (unsigned int)code);
	return json_pack("{s:s, s:s}", "code", text, "text", pst_text(code));
}

static json_t *show_json_lease(const struct status_server *server)
{
	char addr[IP6_ADDR_TEXT], endpoint[IP6_ENDPOINT_TEXT];

	if (!server->leased)
		return json_null();
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "gateway_address",
			 ip6_format_addr(&server->gateway_addr, addr), "endpoint",
			 ip6_format_endpoint(&server->endpoint, endpoint), "psk_epoch",
			 (json_int_t)server->epoch, "renew_in_s", (json_int_t)server->renew_in_s,
			 "expires_in_s", (json_int_t)server->expires_in_s);
}

static json_t *show_json_server(const struct status *s, const struct status_server *server)
{
	json_t *age = server->handshake_wall ?
			      json_integer((json_int_t)show_handshake_age(s, server)) :
			      json_null();

	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:o, s:I, s:I, s:o, s:I, s:I, s:I, s:s}",
			 "name", server->name, "state", session_state_name(server->state),
			 "missing", show_json_code(server->missing), "last_exchange",
			 show_json_code(server->last_code), "detail", server->detail,
			 "handshake_age_s", age, "rx_bytes", (json_int_t)server->rx_bytes,
			 "tx_bytes", (json_int_t)server->tx_bytes, "lease", show_json_lease(server),
			 "next_try_s", (json_int_t)server->next_try_s, "exchanges",
			 (json_int_t)server->n_exchanges, "failed_in_a_row",
			 (json_int_t)server->n_failed, "tls_group", server->group);
}

static json_t *show_json_servers(const struct status *s)
{
	json_t *list = json_array();

	for (size_t i = 0; s && i < s->n_servers; i++)
		if (json_array_append_new(list, show_json_server(s, &s->servers[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *show_json_tunneld(const struct status *s)
{
	char addr[IP6_ADDR_TEXT];

	if (!s)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "zone", s->zone, "address",
			 ip6_format_addr(&s->host_addr, addr), "interface", s->interface,
			 "uptime_s", (json_int_t)s->uptime_s, "repairs", (json_int_t)s->n_repairs,
			 "netlink_overruns", (json_int_t)s->n_overruns, "malformed_frames",
			 (json_int_t)s->n_malformed);
}

int show_json(const struct show_report *report, FILE *to)
{
	char reason[512];
	json_t *root;
	int r;

	show_reason(report, reason, sizeof(reason));
	root = json_pack("{s:s, s:s, s:o, s:o, s:s}", "status",
			 status_health_name(show_health(report)), "reason", reason, "tunneld",
			 show_json_tunneld(report->status), "servers",
			 show_json_servers(report->status), "policy",
			 show_policy_names[report->policy]);
	r = root ? json_dumpf(root, to, JSON_INDENT(2)) : -1;
	json_decref(root);
	fputc('\n', to);
	return r < 0 ? -ENOMEM : 0;
}
