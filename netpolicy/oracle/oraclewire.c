/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oraclewire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

#define ORACLEWIRE_PACKET 72  /* bytes of one packet */
#define ORACLEWIRE_VERDICT 12 /* bytes of one verdict */
#define ORACLEWIRE_ERRNO_MAX 4095

static void oraclewire_put_names(struct wire *w, uint8_t n, const char *names, size_t unit)
{
	wire_put_u8(w, n);
	for (size_t i = 0; i < n; i++)
		wire_put_str(w, names + i * unit);
}

static void oraclewire_put_packet(struct wire *w, const struct terms_packet *p)
{
	wire_put_u8(w, p->dir == POLICY_OUT);
	wire_put_u8(w, p->from_packet_socket);
	wire_put_u8(w, (uint8_t)p->link);
	wire_put_u8(w, p->family);
	wire_put_bytes(w, &p->far, sizeof(p->far));
	wire_put_bytes(w, &p->near, sizeof(p->near));
	wire_put_u16(w, p->far_port);
	wire_put_u16(w, p->near_port);
	wire_put_u8(w, p->proto);
	wire_put_u8(w, p->icmp_type);
	wire_put_u8(w, p->hop_limit);
	wire_put_u8(w, (uint8_t)p->ct);
	wire_put_u32(w, p->has_uid);
	wire_put_u32(w, p->uid);
	wire_put_u32(w, p->mark);
	wire_put_u32(w, p->grants);
	wire_put_u32(w, p->facts);
	wire_put_u64(w, 0);
}

static void oraclewire_get_packet(struct wire *w, struct terms_packet *ret)
{
	uint32_t has_uid;

	ret->dir = wire_get_bool(w) ? POLICY_OUT : POLICY_IN;
	ret->from_packet_socket = wire_get_bool(w);
	ret->link = wire_get_u8(w);
	ret->family = wire_get_u8(w);
	wire_get_bytes(w, &ret->far, sizeof(ret->far));
	wire_get_bytes(w, &ret->near, sizeof(ret->near));
	ret->far_port = wire_get_u16(w);
	ret->near_port = wire_get_u16(w);
	ret->proto = wire_get_u8(w);
	ret->icmp_type = wire_get_u8(w);
	ret->hop_limit = wire_get_u8(w);
	ret->ct = wire_get_u8(w);
	has_uid = wire_get_u32(w);
	ret->has_uid = has_uid;
	ret->uid = wire_get_u32(w);
	ret->mark = wire_get_u32(w);
	ret->grants = wire_get_u32(w);
	ret->facts = wire_get_u32(w);
	if (wire_get_u64(w) || has_uid > 1 || ret->link >= TERMS_LINKS || ret->ct >= TERMS_CTS ||
	    (ret->family != 4 && ret->family != 6) || ret->facts >> TERMS_FACTS)
		wire_fail(w);
}

int oraclewire_put_request(const struct oraclewire_request *q, struct parcel *ret)
{
	size_t len = sizeof(*q) + 64 + q->batch_len + q->n * ORACLEWIRE_PACKET;
	struct wire w;
	int r;

	if (q->batch_len > ORACLEWIRE_BATCH_MAX || q->n > ORACLE_PACKETS_MAX)
		return -EFBIG;
	r = parcel_begin(len, ORACLEWIRE_REQUEST_MAX, &w);
	if (r < 0)
		return r;
	oraclewire_put_names(&w, q->links.n_uplinks, q->links.uplinks[0], IFNAMSIZ);
	oraclewire_put_names(&w, q->links.n_tunnels, q->links.tunnels[0], IFNAMSIZ);
	oraclewire_put_names(&w, q->n_grants, q->grants[0], sizeof(q->grants[0]));
	wire_put_u32(&w, q->spare_uid);
	wire_put_u32(&w, (uint32_t)q->batch_len);
	wire_put_bytes(&w, q->batch, q->batch_len);
	wire_put_u32(&w, (uint32_t)q->n);
	for (size_t i = 0; i < q->n; i++)
		oraclewire_put_packet(&w, &q->packets[i]);
	return parcel_seal(&w, ret);
}

static void oraclewire_get_names(struct wire *w, uint8_t *ret_n, uint8_t max, char *ret,
				 size_t unit)
{
	uint8_t n = wire_get_u8(w);

	if (n > max)
		wire_fail(w);
	for (size_t i = 0; i < n && !w->failed; i++)
		wire_get_str(w, ret + i * unit, unit);
	*ret_n = w->failed ? 0 : n;
}

/* The length of a list and room for it; what is announced must be there. */
static int oraclewire_get_list(struct wire *w, size_t max, size_t least, size_t unit, void **ret,
			       size_t *ret_n)
{
	uint32_t n = wire_get_u32(w);

	if (w->failed || n > max || n > (w->len - w->pos) / least)
		return -EBADMSG;
	*ret = calloc(n ? n : 1, unit);
	if (!*ret)
		return -ENOMEM;
	*ret_n = n;
	return 0;
}

int oraclewire_get_request(const void *bytes, size_t len, struct oraclewire_request *ret)
{
	struct wire w = wire_reader(bytes, len);
	void *list = NULL;
	int r;

	*ret = (struct oraclewire_request){ 0 };
	oraclewire_get_names(&w, &ret->links.n_uplinks, POLICY_UPLINKS_MAX, ret->links.uplinks[0],
			     IFNAMSIZ);
	oraclewire_get_names(&w, &ret->links.n_tunnels, POLICY_TUNNELS_MAX, ret->links.tunnels[0],
			     IFNAMSIZ);
	oraclewire_get_names(&w, &ret->n_grants, POLICY_GRANTS_MAX, ret->grants[0],
			     sizeof(ret->grants[0]));
	ret->spare_uid = wire_get_u32(&w);
	r = oraclewire_get_list(&w, ORACLEWIRE_BATCH_MAX, 1, 1, &list, &ret->batch_len);
	ret->batch = list;
	if (r < 0)
		return r;
	wire_get_bytes(&w, ret->batch, ret->batch_len);
	list = NULL;
	r = oraclewire_get_list(&w, ORACLE_PACKETS_MAX, ORACLEWIRE_PACKET, sizeof(*ret->packets),
				&list, &ret->n);
	ret->packets = list;
	for (size_t i = 0; i < ret->n && r == 0; i++)
		oraclewire_get_packet(&w, &ret->packets[i]);
	return r < 0 ? r : wire_done(&w);
}

static size_t oraclewire_reply_size(const struct oraclewire_reply *p)
{
	size_t len = 4 + 2 + strlen(p->error) + 4 + 4 + p->n * ORACLEWIRE_VERDICT;

	for (size_t i = 0; i < p->n_rules; i++)
		len += 1 + 2 + strlen(p->rules[i].chain) + 2 + strlen(p->rules[i].comment);
	return len;
}

int oraclewire_put_reply(const struct oraclewire_reply *p, struct parcel *ret)
{
	struct wire w;
	int r = parcel_begin(oraclewire_reply_size(p), ORACLEWIRE_REPLY_MAX, &w);

	if (r < 0)
		return r;
	wire_put_u32(&w, (uint32_t)-p->result);
	wire_put_str(&w, p->error);
	wire_put_u32(&w, (uint32_t)p->n_rules);
	for (size_t i = 0; i < p->n_rules; i++) {
		wire_put_u8(&w, p->rules[i].is_guard);
		wire_put_str(&w, p->rules[i].chain);
		wire_put_str(&w, p->rules[i].comment);
	}
	wire_put_u32(&w, (uint32_t)p->n);
	for (size_t i = 0; i < p->n; i++) {
		const struct oraclewire_verdict *v = &p->verdicts[i];

		wire_put_u16(&w, (uint16_t)-v->error);
		wire_put_u32(&w, v->rule);
		wire_put_u32(&w, v->n_rules);
		wire_put_u8(&w, (uint8_t)v->verdict);
		wire_put_u8(&w, (uint8_t)v->ct);
	}
	return parcel_seal(&w, ret);
}

static void oraclewire_get_verdict(struct wire *w, size_t n_rules, struct oraclewire_verdict *ret)
{
	uint16_t error = wire_get_u16(w);

	ret->error = -(int)error;
	ret->rule = wire_get_u32(w);
	ret->n_rules = wire_get_u32(w);
	ret->verdict = wire_get_u8(w);
	ret->ct = wire_get_u8(w);
	if (error > ORACLEWIRE_ERRNO_MAX || ret->verdict > TERMS_REJECT || ret->ct >= TERMS_CTS ||
	    (ret->rule >= n_rules && ret->rule != ORACLEWIRE_NO_RULE))
		wire_fail(w);
}

static int oraclewire_get_rules(struct wire *w, struct oraclewire_reply *ret)
{
	void *list = NULL;
	int r = oraclewire_get_list(w, ORACLEWIRE_RULES_MAX, 1 + 2 + 2, sizeof(*ret->rules), &list,
				    &ret->n_rules);

	ret->rules = list;
	for (size_t i = 0; i < ret->n_rules && r == 0; i++) {
		struct oraclewire_rule *rule = &ret->rules[i];

		rule->is_guard = wire_get_bool(w);
		wire_get_str(w, rule->chain, sizeof(rule->chain));
		wire_get_str(w, rule->comment, sizeof(rule->comment));
	}
	return r;
}

int oraclewire_get_reply(const void *bytes, size_t len, struct oraclewire_reply *ret)
{
	struct wire w = wire_reader(bytes, len);
	void *list = NULL;
	uint32_t result;
	int r;

	*ret = (struct oraclewire_reply){ 0 };
	result = wire_get_u32(&w);
	wire_get_str(&w, ret->error, sizeof(ret->error));
	if (w.failed || result > ORACLEWIRE_ERRNO_MAX)
		return -EBADMSG;
	ret->result = -(int)result;
	r = oraclewire_get_rules(&w, ret);
	if (r < 0)
		return r;
	r = oraclewire_get_list(&w, ORACLE_PACKETS_MAX, ORACLEWIRE_VERDICT, sizeof(*ret->verdicts),
				&list, &ret->n);
	ret->verdicts = list;
	for (size_t i = 0; i < ret->n && r == 0; i++)
		oraclewire_get_verdict(&w, ret->n_rules, &ret->verdicts[i]);
	return r < 0 ? r : wire_done(&w);
}

bool oraclewire_same_links(const struct oraclewire_links *a, const struct oraclewire_links *b)
{
	bool same = a->n_uplinks == b->n_uplinks && a->n_tunnels == b->n_tunnels;

	for (size_t i = 0; i < a->n_uplinks && same; i++)
		same = !strcmp(a->uplinks[i], b->uplinks[i]);
	for (size_t i = 0; i < a->n_tunnels && same; i++)
		same = !strcmp(a->tunnels[i], b->tunnels[i]);
	return same;
}

void oraclewire_release_request(struct oraclewire_request *q)
{
	free(q->batch);
	free(q->packets);
	*q = (struct oraclewire_request){ 0 };
}

void oraclewire_release_reply(struct oraclewire_reply *p)
{
	free(p->rules);
	free(p->verdicts);
	*p = (struct oraclewire_reply){ 0 };
}
