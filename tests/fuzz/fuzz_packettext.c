/* SPDX-License-Identifier: MIT */
/* netpolicy/prove/packettext: the input is a packet in words, as somebody types it. What is
 * accepted is read back from what is written of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/packettext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct policy_user fuzz_user = { "app", 1001 };
static struct policy_grant fuzz_grant = { .name = "ssh" };
static const struct policy fuzz_policy = {
	.n_uplinks = 1,
	.n_tunnels = 1,
	.uplinks = { "eth0" },
	.tunnels = { "postern0" },
	.n_users = 1,
	.users = &fuzz_user,
	.n_grants = 1,
	.grants = &fuzz_grant,
};

static int parse(char *text, struct terms_packet *ret)
{
	char *words[PACKETTEXT_WORDS_MAX + 2], *save = NULL, error[POLICY_ERROR_MAX] = "";
	int n = 0, r;

	for (char *w = strtok_r(text, " \n", &save); w && n < PACKETTEXT_WORDS_MAX + 2;
	     w = strtok_r(NULL, " \n", &save))
		words[n++] = w;
	r = packettext_parse(&fuzz_policy, n, words, ret, error);
	check(r == 0 ? !error[0] : error[0] && strlen(error) < sizeof(error));
	return r;
}

static void check_same(const struct terms_packet *a, const struct terms_packet *b)
{
	check(a->dir == b->dir && a->link == b->link && a->family == b->family);
	check(!memcmp(&a->far, &b->far, sizeof(a->far)));
	check(!memcmp(&a->near, &b->near, sizeof(a->near)));
	check(a->proto == b->proto && a->far_port == b->far_port && a->near_port == b->near_port);
	check(a->icmp_type == b->icmp_type && a->hop_limit == b->hop_limit && a->ct == b->ct);
	check(a->has_uid == b->has_uid && a->uid == b->uid && a->mark == b->mark);
	check(a->grants == b->grants && a->facts == b->facts);
	check(a->from_packet_socket == b->from_packet_socket);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct terms_packet packet = { 0 }, again = { 0 };
	char text[1024], out[PACKETTEXT_MAX];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (parse(text, &packet) < 0)
		return 0;
	packettext_format(&packet, out);
	check(parse(out, &again) == 0);
	check_same(&packet, &again);
	return 0;
}
