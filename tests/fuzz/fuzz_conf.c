/* SPDX-License-Identifier: MIT */
/* common/conf: the input is a configuration file. What is accepted keeps the promises of the
 * setters, and written down again it loads to the same object. What is refused says why, in one
 * printable line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/conf.h"

#define PEERS_MAX 3
#define WORDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	char name[CONF_NAME_MAX];
	struct ip6_endpoint at;
	uint32_t weight;
};

struct config {
	char text[16];
	char path[32];
	char name[16];
	uint32_t number;
	bool flag;
	struct in6_addr addr;
	struct ip6_prefix prefix;
	char words[WORDS_MAX][16];
	size_t n_words;
	struct peer peers[PEERS_MAX];
	size_t n_peers;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int set_word(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	struct config *c = obj;

	if (c->n_words == WORDS_MAX)
		return -E2BIG;
	if (strlen(value) >= sizeof(c->words[0]))
		return -EINVAL;
	memcpy(c->words[c->n_words++], value, strlen(value) + 1);
	return 0;
}

static struct peer *get_peer(struct config *c, const char *label)
{
	for (size_t i = 0; i < c->n_peers; i++)
		if (!strcmp(c->peers[i].name, label))
			return &c->peers[i];
	if (c->n_peers == PEERS_MAX)
		return NULL;
	check(strlen(label) < CONF_NAME_MAX);
	memcpy(c->peers[c->n_peers].name, label, strlen(label) + 1);
	return &c->peers[c->n_peers++];
}

static int set_at(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	struct peer *p = get_peer(obj, label);

	return p ? conf_set_endpoint(item, label, value, p) : -E2BIG;
}

static int set_weight(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	struct peer *p = get_peer(obj, label);

	return p ? conf_set_u32(item, label, value, p) : -E2BIG;
}

#define FIELD(f) .offset = offsetof(struct config, f), .size = sizeof(((struct config *)0)->f)

static const struct conf_item items[] = {
	{ "m", "text", conf_set_str, FIELD(text), .fallback = "d", .range = "text" },
	{ "m", "path", conf_set_path, FIELD(path), .fallback = "/", .range = "a path" },
	{ "m", "name", conf_set_name, FIELD(name), .flags = CONF_REQUIRED, .range = "a name" },
	{ "m", "number", conf_set_u32, FIELD(number), .min = 5, .max = 5000, .fallback = "5",
	  .range = "5...5000" },
	{ "m", "flag", conf_set_bool, FIELD(flag), .range = "yes or no" },
	{ "m", "addr", conf_set_addr, FIELD(addr), .range = "an address" },
	{ "m", "prefix", conf_set_prefix, FIELD(prefix), .range = "a prefix" },
	{ "m", "words", set_word, .flags = CONF_LIST, .fallback = "a b", .range = "words" },
	{ "peer", "at", set_at, .offset = offsetof(struct peer, at),
	  .flags = CONF_LABELLED | CONF_REQUIRED, .range = "an endpoint" },
	{ "peer", "weight", set_weight, .offset = offsetof(struct peer, weight), .max = 9,
	  .flags = CONF_LABELLED, .fallback = "7", .range = "0...9" },
};

static const char *const foreign[] = { "other", NULL };
static const struct conf_schema schema = { items, ARRAY_SIZE(items), foreign };

static void check_promises(const struct config *c)
{
	for (const char *p = c->text; *p; p++)
		check((unsigned char)*p >= 0x20 && *p != 0x7f);
	check(c->text[0] && c->path[0] == '/' && c->name[0]);
	check(c->number >= 5 && c->number <= 5000);
	check(c->n_words > 0 && c->n_peers > 0);
	for (size_t i = 0; i < c->n_peers; i++)
		check(c->peers[i].at.port && c->peers[i].weight <= 9);
}

static void print_config(struct buf *b, const struct config *c)
{
	char addr[IP6_ADDR_TEXT], prefix[IP6_PREFIX_TEXT], at[IP6_ENDPOINT_TEXT];

	buf_addf(b, "[m]\ntext = %s\npath = %s\nname = %s\n", c->text, c->path, c->name);
	buf_addf(b, "number = %u\nflag = %s\n", c->number, c->flag ? "yes" : "no");
	buf_addf(b, "addr = %s\nprefix = %s\nwords =", ip6_format_addr(&c->addr, addr),
		 ip6_format_prefix(&c->prefix, prefix));
	for (size_t i = 0; i < c->n_words; i++)
		buf_addf(b, " %s", c->words[i]);
	for (size_t i = 0; i < c->n_peers; i++)
		buf_addf(b, "\n[peer %s]\nat = %s\nweight = 0x%x\n", c->peers[i].name,
			 ip6_format_endpoint(&c->peers[i].at, at), c->peers[i].weight);
}

static void check_error(const struct conf_error *error)
{
	check(error->text[0] && memchr(error->text, '\0', sizeof(error->text)));
	check(!strpbrk(error->text, "\n\r\x1b\x7f"));
}

static void check_again(const struct config *first)
{
	_cleanup_(buf_release) struct buf b = buf_init(1 << 16);
	_cleanup_(buf_release) struct buf b_again = buf_init(1 << 16);
	static struct config again;
	struct conf_error error;

	print_config(&b, first);
	check(buf_done(&b) == 0);
	memset(&again, 0, sizeof(again));
	check(conf_load_text("again", b.text, &schema, &again, &error) == 0);
	print_config(&b_again, &again);
	check(buf_done(&b_again) == 0 && !strcmp(b.text, b_again.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct conf_error error = { .text = "" };
	char *text = malloc(size + 1);

	check(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	memset(&config, 0, sizeof(config));
	if (conf_load_text("fuzz", text, &schema, &config, &error) == 0) {
		check_promises(&config);
		check_again(&config);
	} else {
		check_error(&error);
	}
	free(text);
	return 0;
}
