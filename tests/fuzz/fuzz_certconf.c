/* SPDX-License-Identifier: MIT */
/* certs/certconf: the input is a configuration file. What is accepted keeps the promises on which
 * certd and its worker rest, and travels to the worker unchanged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/fetchjob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_url(const char *url)
{
	check(!strncmp(url, "https://", 8) && url[8] && url[8] != '/' && url[8] != ':');
	check(!strpbrk(url, " ?#@\\%\"") && url[strlen(url) - 1] != '/');
}

static void check_lists(const struct certconf *c)
{
	check(c->n_suffixes <= CERTCONF_SUFFIXES_MAX && c->n_imds <= CERTCONF_IMDS_MAX);
	check(c->n_imds > 0);
	for (size_t i = 0; i < c->n_suffixes; i++)
		check(c->suffixes[i][0] && c->suffixes[i][0] != '.');
	for (size_t i = 0; i < c->n_imds; i++)
		check(!strncmp(c->imds[i], "http://", 7) && !strpbrk(c->imds[i] + 7, "/@?# "));
}

static void check_promises(const struct certconf *c)
{
	check_url(c->zts_url);
	check_url(c->sts_url);
	check_lists(c);
	check(c->zts_ca[0] == '/' && c->sia_dir[0] == '/');
	check(!c->domain[0] == !c->service[0] && !strchr(c->service, '.'));
	check(strlen(c->domain) + 1 + strlen(c->service) < PRINCIPAL_MAX);
	check(c->retry_min_s && c->retry_min_s <= c->retry_max_s && c->timeout_ms >= 1000);
	if (c->attestation == CERTCONF_TOKEN)
		check(c->token_file[0] == '/' && c->domain[0] && c->provider[0]);
	else
		check(c->n_suffixes && (c->provider[0] || c->provider_prefix[0]));
}

static void check_travels(const struct certconf *c)
{
	static struct fetchjob_start job, got;
	static struct chan_msg msg;

	memset(&job, 0, sizeof(job));
	job.kind = FETCHJOB_IDENTIFY;
	memcpy(&job.conf, c, sizeof(*c));
	check(fetchjob_encode_start(&job, &msg) == 0);
	check(fetchjob_decode_start(&msg, &got) == 0);
	check(!strcmp(got.conf.zts_url, c->zts_url) && !strcmp(got.conf.audience, c->audience));
	check(got.conf.n_suffixes == c->n_suffixes && got.conf.key_type == c->key_type);
	check(got.conf.zts_address.port == c->zts_address.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct certconf conf;
	struct conf_error error = { .text = "" };
	char *text = malloc(size + 1);

	check(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (certconf_load_text("fuzz", text, &conf, &error) == 0) {
		check_promises(&conf);
		check_travels(&conf);
	} else {
		check(error.text[0] && !strpbrk(error.text, "\n\r\x1b\x7f"));
	}
	free(text);
	return 0;
}
