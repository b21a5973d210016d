/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clipage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "common/log.h"
#include "netpolicy/cli/cligate.h"
#include "netpolicy/emit/emit.h"
#include "netpolicy/model/effective.h"
#include "netpolicy/parse/policyfmt.h"
#include "netpolicy/parse/policyjson.h"

/* Prints a buffer, or says why not. */
static int clipage_print(const struct buf *text, int r)
{
	if (r == 0)
		r = buf_done(text);
	if (r < 0) {
		log_error("cannot write it: %s", strerror(-r));
		return CLI_TROUBLE;
	}
	if (text->text)
		fputs(text->text, stdout);
	return cli_is_printed() ? CLI_OK : CLI_TROUBLE;
}

static int clipage_json(const struct cli *c)
{
	_cleanup_(buf_release) struct buf json = buf_init(POLICYJSON_BYTES_MAX);
	_cleanup_(policy_freep) struct policy *policy = NULL;
	int r = cli_load(c, &policy);

	if (r != CLI_OK)
		return r;
	r = policyjson_write(policy, &json);
	buf_add(&json, "\n");
	return clipage_print(&json, r);
}

static int clipage_effective(const struct cli *c)
{
	_cleanup_(buf_release) struct buf text = buf_init(EMIT_TEXT_MAX);
	_cleanup_(policy_freep) struct policy *policy = NULL;
	int r = cli_load(c, &policy);

	return r == CLI_OK ? clipage_print(&text, effective_write(policy, &text)) : r;
}

static int clipage_batch(const struct cli *c)
{
	_cleanup_(cli_release) struct cli_work w = { 0 };
	int r = c->text ? cli_make_text(c, &w) : cli_make(c, &w);

	if (r != CLI_OK)
		return r;
	r = batchfile_write(c->output, &w.file);
	if (r < 0)
		log_error("cannot write %s: %s", c->output, strerror(-r));
	return r < 0 ? CLI_TROUBLE : CLI_OK;
}

int clipage_compile(const struct cli *c)
{
	_cleanup_(cli_release) struct cli_work w = { 0 };
	struct cli with = *c;
	int r;

	if (c->n_words)
		with.page = c->words[0];
	if (c->text && !c->output) {
		log_error("--text goes with -o FILE: nft text is only good for a batch");
		return CLI_USAGE;
	}
	if (c->output)
		return clipage_batch(&with);
	if (c->json)
		return clipage_json(&with);
	if (c->effective)
		return clipage_effective(&with);
	r = cli_prepare(&with, &w);
	return r == CLI_OK ? clipage_print(&w.text, 0) : r;
}

/* All of standard input, with a NUL. */
static int clipage_read_stdin(uint8_t **ret, size_t *ret_len)
{
	_cleanup_(files_freep) uint8_t *bytes = malloc(POLICYFILE_BYTES_MAX + 2);
	size_t n = bytes ? fread(bytes, 1, POLICYFILE_BYTES_MAX + 1, stdin) : 0;

	if (!bytes)
		return -ENOMEM;
	if (ferror(stdin))
		return -EIO;
	if (n > POLICYFILE_BYTES_MAX)
		return -EFBIG;
	bytes[n] = '\0';
	*ret = steal_ptr(bytes);
	*ret_len = n;
	return 0;
}

/* One page formatted. Logs. */
static int clipage_format(const char *path, bool is_stdin, uint8_t **ret_before, struct buf *to)
{
	struct policyfile_error error = { "" };
	size_t len = 0;
	int r = is_stdin ? clipage_read_stdin(ret_before, &len) :
			   files_read(path, POLICYFILE_BYTES_MAX, ret_before, &len);

	if (r < 0) {
		log_error("cannot read %s: %s", path, strerror(-r));
		return CLI_TROUBLE;
	}
	r = strlen((const char *)*ret_before) == len ?
		    policyfmt_text(path, (const char *)*ret_before, to, &error) :
		    -EBADMSG;
	/* An empty page stays one. */
	buf_add(to, "");
	if (r == 0)
		r = buf_done(to);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_CONFIG, "%s%s%s", error.text[0] ? "" : path,
			error.text[0] ? "" : ": ",
			error.text[0] ? error.text :
			r == -EBADMSG ? "is not text: it holds a NUL byte" :
					strerror(-r));
	return r < 0 ? CLI_TROUBLE : CLI_OK;
}

/* Puts the text where the page is, behind a link if it is one, and leaves the file its owner. */
static int clipage_put(const char *path, const struct buf *text)
{
	_cleanup_(files_freep) uint8_t *place = (uint8_t *)realpath(path, NULL);
	const char *file = (const char *)place;
	struct stat st;
	int r;

	if (!file || stat(file, &st) < 0)
		return -errno;
	r = files_write(file, text->text, text->len, st.st_mode & 0777);
	if (r == 0 && chown(file, st.st_uid, st.st_gid) < 0)
		log_warning("%s now belongs to who formatted it: %s", path, strerror(errno));
	return r;
}

static int clipage_replace(const char *path, const struct buf *text)
{
	int r = clipage_put(path, text);

	if (r < 0)
		log_error("cannot write %s: %s; it is as it was", path, strerror(-r));
	else
		log_info("%s: formatted", path);
	return r < 0 ? CLI_TROUBLE : CLI_OK;
}

static int clipage_fmt_one(const struct cli *c, const char *path)
{
	_cleanup_(buf_release) struct buf after = buf_init(2 * POLICYFILE_BYTES_MAX);
	_cleanup_(files_freep) uint8_t *before = NULL;
	bool is_stdin = !strcmp(path, "-");
	int r = clipage_format(is_stdin ? "standard input" : path, is_stdin, &before, &after);
	bool differs;

	if (r != CLI_OK)
		return r;
	differs = strcmp((const char *)before, after.text) != 0;
	if (c->check && differs)
		printf("%s\n", path);
	if (c->check)
		return differs ? CLI_DRIFT : CLI_OK;
	if (is_stdin)
		return clipage_print(&after, 0);
	return differs ? clipage_replace(path, &after) : CLI_OK;
}

int clipage_fmt(const struct cli *c)
{
	int worst = CLI_OK;

	if (c->n_words == 0)
		return clipage_fmt_one(c, c->page);
	for (int i = 0; i < c->n_words; i++) {
		int r = clipage_fmt_one(c, c->words[i]);

		worst = r > worst ? r : worst;
	}
	return worst;
}

static bool clipage_tier(const char *name, enum policy_tier *ret)
{
	for (int i = 0; name && i < POLICY_TIERS; i++)
		if (!strcmp(name, policy_tier_name((enum policy_tier)i))) {
			*ret = (enum policy_tier)i;
			return true;
		}
	return false;
}

static void clipage_uplinks(const struct cli *c, struct buf *to)
{
	for (int i = 0; i < c->n_words; i++)
		buf_addf(to, "%s%s", i ? " " : "", c->words[i]);
}

int clipage_init(const struct cli *c)
{
	_cleanup_(buf_release) struct buf draft = buf_init(EMIT_TEXT_MAX);
	_cleanup_(buf_release) struct buf text = buf_init(EMIT_TEXT_MAX);
	_cleanup_(buf_release) struct buf uplinks = buf_init(1024);
	_cleanup_(zoneconf_release) struct zoneconf zone = { 0 };
	struct policyfile_error page_error;
	enum policy_tier tier;
	int r;

	if (!clipage_tier(c->tier, &tier)) {
		log_error("init needs --tier public, compute or storage%s%s",
			  c->tier ? ", not " : "", c->tier ? c->tier : "");
		return CLI_USAGE;
	}
	r = cligate_load_zone(c, &zone);
	if (r != CLI_OK)
		return r;
	clipage_uplinks(c, &uplinks);
	r = buf_done(&uplinks);
	if (r == 0)
		r = zoneconf_first_page(&zone, tier, uplinks.text, &draft);
	if (r == 0)
		r = policyfmt_text("the page", draft.text, &text, &page_error);
	return clipage_print(&text, r);
}
