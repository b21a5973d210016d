/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/exresp.h"

#include <errno.h>
#include <string.h>

#include "common/jsonin.h"

#define EXRESP_VERSION 1

static int exresp_addr(const json_t *object, const char *name, struct in6_addr *ret)
{
	char text[IP6_ADDR_TEXT];

	if (jsonin_str(object, name, text, sizeof(text)) < 0)
		return -EBADMSG;
	return ip6_parse_addr(text, ret) < 0 ? -EBADMSG : 0;
}

static int exresp_u32(const json_t *object, const char *name, uint32_t *ret)
{
	uint64_t v;

	if (jsonin_u64(object, name, 0, UINT32_MAX, &v) < 0)
		return -EBADMSG;
	*ret = (uint32_t)v;
	return 0;
}

/* "host":{"address":"<addr>/128"} */
static int exresp_read_host(const json_t *root, struct offer *o, enum pst *ret_code)
{
	static const char *const members[] = { "address", NULL };
	char text[IP6_PREFIX_TEXT];
	struct ip6_prefix p;
	const json_t *host;

	if (jsonin_object(root, "host", &host) < 0)
		return -EBADMSG;
	if (jsonin_members(host, members, ret_code) < 0)
		return -EBADMSG;
	if (jsonin_str(host, "address", text, sizeof(text)) < 0 || ip6_parse_prefix(text, &p) < 0 ||
	    p.len != 128)
		return -EBADMSG;
	o->host_addr = p.addr;
	return 0;
}

static int exresp_read_endpoints(const json_t *gateway, struct offer *o)
{
	const json_t *list;

	if (jsonin_array(gateway, "endpoints", 1, OFFER_ENDPOINTS_MAX, &list) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || ip6_parse_endpoint(text, &o->endpoints[o->n_endpoints++]) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int exresp_read_routes(const json_t *gateway, struct offer *o)
{
	const json_t *list;

	if (jsonin_array(gateway, "routes", 1, OFFER_ROUTES_MAX, &list) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || ip6_parse_prefix(text, &o->routes[o->n_routes++]) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int exresp_read_key(const json_t *gateway, struct offer *o, enum pst *ret_code)
{
	char text[WGKEY_TEXT];

	if (jsonin_str(gateway, "public_key", text, sizeof(text)) == 0 &&
	    wgkey_parse(text, &o->gateway_key) == 0)
		return 0;
	*ret_code = PST_KEY_FORMAT;
	return -EBADMSG;
}

static int exresp_read_gateway(const json_t *root, struct offer *o, enum pst *ret_code)
{
	static const char *const members[] = { "name",    "public_key", "endpoints",
					       "address", "routes",     NULL };
	const json_t *gateway;

	if (jsonin_object(root, "gateway", &gateway) < 0)
		return -EBADMSG;
	if (jsonin_members(gateway, members, ret_code) < 0)
		return -EBADMSG;
	if (jsonin_str(gateway, "name", o->gateway_name, sizeof(o->gateway_name)) < 0 ||
	    exresp_addr(gateway, "address", &o->gateway_addr) < 0 ||
	    exresp_read_endpoints(gateway, o) < 0 || exresp_read_routes(gateway, o) < 0)
		return -EBADMSG;
	return exresp_read_key(gateway, o, ret_code);
}

static int exresp_read_tunnel(const json_t *root, struct offer *o, enum pst *ret_code)
{
	static const char *const members[] = { "keepalive_s", "mtu", NULL };
	const json_t *tunnel;

	if (jsonin_object(root, "tunnel", &tunnel) < 0)
		return -EBADMSG;
	if (jsonin_members(tunnel, members, ret_code) < 0)
		return -EBADMSG;
	if (exresp_u32(tunnel, "keepalive_s", &o->keepalive_s) < 0)
		return -EBADMSG;
	return exresp_u32(tunnel, "mtu", &o->mtu);
}

static int exresp_read_lease(const json_t *root, struct offer *o, enum pst *ret_code)
{
	static const char *const members[] = { "epoch", "renew_after_s", "expires_after_s", NULL };
	const json_t *lease;

	if (jsonin_object(root, "lease", &lease) < 0)
		return -EBADMSG;
	if (jsonin_members(lease, members, ret_code) < 0)
		return -EBADMSG;
	if (jsonin_u64(lease, "epoch", 1, INT64_MAX, &o->epoch) < 0 ||
	    exresp_u32(lease, "renew_after_s", &o->renew_after_s) < 0)
		return -EBADMSG;
	return exresp_u32(lease, "expires_after_s", &o->expires_after_s);
}

static int exresp_read_sibling(const json_t *entry, struct offer_gateway *ret, enum pst *ret_code)
{
	static const char *const members[] = { "name", "url", NULL };

	if (!json_is_object(entry))
		return -EBADMSG;
	if (jsonin_members(entry, members, ret_code) < 0)
		return -EBADMSG;
	if (jsonin_str(entry, "name", ret->name, sizeof(ret->name)) < 0)
		return -EBADMSG;
	return jsonin_str(entry, "url", ret->url, sizeof(ret->url));
}

static int exresp_read_siblings(const json_t *root, struct offer *o, enum pst *ret_code)
{
	const json_t *list;

	if (jsonin_array(root, "gateways", 0, OFFER_GATEWAYS_MAX, &list) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (exresp_read_sibling(json_array_get(list, i), &o->gateways[o->n_gateways++],
					ret_code) < 0)
			return -EBADMSG;
	return 0;
}

static int exresp_read(const json_t *root, struct offer *o, enum pst *ret_code)
{
	uint64_t version;

	*ret_code = PST_JSON_MEMBER;
	if (jsonin_u64(root, "version", 0, UINT32_MAX, &version) < 0)
		return -EBADMSG;
	if (version != EXRESP_VERSION) {
		*ret_code = PST_PROTOCOL_VERSION;
		return -EBADMSG;
	}
	if (jsonin_str(root, "zone", o->zone, sizeof(o->zone)) < 0 ||
	    exresp_read_host(root, o, ret_code) < 0 || exresp_read_gateway(root, o, ret_code) < 0 ||
	    exresp_read_tunnel(root, o, ret_code) < 0 || exresp_read_lease(root, o, ret_code) < 0)
		return -EBADMSG;
	return exresp_read_siblings(root, o, ret_code);
}

int exresp_decode(const char *bytes, size_t len, struct offer *ret, enum pst *ret_code)
{
	static const char *const members[] = { "version", "zone",  "host",     "gateway",
					       "tunnel",  "lease", "gateways", NULL };
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct offer o = { 0 };
	int r;

	if (len > EXRESP_BYTES_MAX) {
		*ret_code = PST_BODY_TOO_LARGE;
		return -EBADMSG;
	}
	r = jsonin_parse(bytes, len, &root, ret_code);
	if (r == 0)
		r = jsonin_members(root, members, ret_code);
	if (r == 0)
		r = exresp_read(root, &o, ret_code);
	if (r < 0)
		return r;
	*ret_code = PST_NONE;
	*ret = o;
	return 0;
}

/* Prints @root, which is NULL when it could not be made. */
static int exresp_print(const json_t *root, char **ret)
{
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

/* json_t arrays of text; NULL when out of memory. */
static json_t *exresp_endpoint_list(const struct offer *o)
{
	_cleanup_(jsonin_freep) json_t *list = json_array();
	char text[IP6_ENDPOINT_TEXT];

	for (size_t i = 0; i < o->n_endpoints; i++)
		if (json_array_append_new(list,
					  json_string(ip6_format_endpoint(&o->endpoints[i], text))))
			return NULL;
	return steal_ptr(list);
}

static json_t *exresp_route_list(const struct offer *o)
{
	_cleanup_(jsonin_freep) json_t *list = json_array();
	char text[IP6_PREFIX_TEXT];

	for (size_t i = 0; i < o->n_routes; i++)
		if (json_array_append_new(list,
					  json_string(ip6_format_prefix(&o->routes[i], text))))
			return NULL;
	return steal_ptr(list);
}

static json_t *exresp_sibling_list(const struct offer *o)
{
	_cleanup_(jsonin_freep) json_t *list = json_array();

	for (size_t i = 0; i < o->n_gateways; i++)
		if (json_array_append_new(list, json_pack("{s:s, s:s}", "name", o->gateways[i].name,
							  "url", o->gateways[i].url)))
			return NULL;
	return steal_ptr(list);
}

static json_t *exresp_gateway(const struct offer *o)
{
	char key[WGKEY_TEXT], addr[IP6_ADDR_TEXT];

	/* "o" takes the lists, also when packing fails. */
	return json_pack("{s:s, s:s, s:o, s:s, s:o}", "name", o->gateway_name, "public_key",
			 wgkey_format(&o->gateway_key, key), "endpoints", exresp_endpoint_list(o),
			 "address", ip6_format_addr(&o->gateway_addr, addr), "routes",
			 exresp_route_list(o));
}

int exresp_encode(const struct offer *o, char **ret)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct ip6_prefix host = ip6_host_prefix(&o->host_addr);
	char addr[IP6_PREFIX_TEXT];

	if (!*o->zone || !*o->gateway_name || !o->n_endpoints || !o->n_routes)
		return -EINVAL;
	root = json_pack("{s:i, s:s, s:{s:s}, s:o, s:{s:I, s:I}, s:{s:I, s:I, s:I}, s:o}",
			 "version", EXRESP_VERSION, "zone", o->zone, "host", "address",
			 ip6_format_prefix(&host, addr), "gateway", exresp_gateway(o), "tunnel",
			 "keepalive_s", (json_int_t)o->keepalive_s, "mtu", (json_int_t)o->mtu,
			 "lease", "epoch", (json_int_t)o->epoch, "renew_after_s",
			 (json_int_t)o->renew_after_s, "expires_after_s",
			 (json_int_t)o->expires_after_s, "gateways", exresp_sibling_list(o));
	return exresp_print(root, ret);
}

int exresp_encode_error(const struct exresp_error *e, char **ret)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	char code[PST_CODE_LEN + 8];

	snprintf(code, sizeof(code), "PST-%04u", (unsigned int)e->code);
	root = json_pack("{s:s, s:s}", "code", code, "message", e->message);
	if (root && e->retry_after_s &&
	    json_object_set_new(root, "retry_after_s", json_integer(e->retry_after_s)))
		return -ENOMEM;
	return exresp_print(root, ret);
}

/* A server speaks about requests, identities and itself; it cannot know what is wrong here. */
static bool exresp_is_server_code(unsigned int number)
{
	static const unsigned int groups[] = { 11, 12, 21, 40 };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (number / 100 == groups[i])
			return pst_find(number);
	return false;
}

/* "PST-1234" of our list. */
static int exresp_read_code(const json_t *root, enum pst *ret)
{
	char text[PST_CODE_LEN + 1];
	unsigned int number = 0;

	if (jsonin_str(root, "code", text, sizeof(text)) < 0 || strncmp(text, "PST-", 4) ||
	    strlen(text) != PST_CODE_LEN)
		return -EBADMSG;
	for (const char *p = text + 4; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EBADMSG;
		number = number * 10 + (unsigned int)(*p - '0');
	}
	if (!exresp_is_server_code(number))
		return -EBADMSG;
	*ret = (enum pst)number;
	return 0;
}

int exresp_decode_error(const char *bytes, size_t len, struct exresp_error *ret)
{
	static const char *const members[] = { "code", "message", "?retry_after_s", NULL };
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct exresp_error e = { 0 };
	uint64_t retry = 0;
	enum pst code;
	int r;

	if (len > EXRESP_BYTES_MAX)
		return -EBADMSG;
	r = jsonin_parse(bytes, len, &root, &code);
	if (r == 0)
		r = jsonin_members(root, members, &code);
	if (r == 0)
		r = exresp_read_code(root, &e.code);
	if (r == 0)
		r = jsonin_str(root, "message", e.message, sizeof(e.message));
	if (r == 0 && json_object_get(root, "retry_after_s"))
		r = jsonin_u64(root, "retry_after_s", 0, EXRESP_RETRY_MAX_S, &retry);
	if (r < 0)
		return r;
	e.retry_after_s = (uint32_t)retry;
	*ret = e;
	return 0;
}
