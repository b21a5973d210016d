/* SPDX-License-Identifier: MIT */
/*
 * netpolicy: writes, proves, loads, checks and explains the policy of this host. See netpolicy(8).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/log.h"
#include "common/typo.h"
#include "netpolicy/cli/cli.h"
#include "netpolicy/cli/cliapply.h"
#include "netpolicy/cli/clicheck.h"
#include "netpolicy/cli/cliexplain.h"
#include "netpolicy/cli/cligrant.h"
#include "netpolicy/cli/clipage.h"
#include "netpolicy/cli/cliplan.h"
#include "netpolicy/cli/cliprove.h"
#include "netpolicy/cli/clistatus.h"
#include "netpolicy/parse/zoneconf.h"

#include "config.h"

#define MAIN_WORDS_MAX 256            /* behind a command */
#define MAIN_TIME_MAX (7 * 24 * 3600) /* seconds */

static const char main_usage[] =
	"usage: netpolicy COMMAND [OPTION...] [WORD...]\n"
	"       netpolicy compile [PAGE]            print the rules that the page gives\n"
	"       netpolicy fmt [FILE...]             write pages in the form that all pages have\n"
	"       netpolicy init UPLINK...            print a first page\n"
	"       netpolicy check                     compare the kernel with the page\n"
	"       netpolicy plan                      what loading the page would change\n"
	"       netpolicy apply                     prove, load, read back, save for boot\n"
	"       netpolicy confirm                   keep what waits for a confirmation\n"
	"       netpolicy rollback                  back to the policy before\n"
	"       netpolicy try --log-only            log denials and let them through, for a time\n"
	"       netpolicy unload --yes              remove our two tables; the host is then open\n"
	"       netpolicy status                    what is enforced, waits, was repaired\n"
	"       netpolicy grant add NAME ADDRESS    open a session for a time; also renew ID,\n"
	"                                           end ID, list\n"
	"       netpolicy explain PACKET...         what happens to a packet, and by which line\n"
	"       netpolicy prove                     do the claims hold, over all packets\n"
	"\n"
	"  --policy FILE          policy.conf beside postern.conf; *.json is read as JSON\n"
	"  --config FILE          " ZONECONF_PATH "\n"
	"  --state-dir DIR        " CLI_STATE_DIR "\n"
	"  --run-dir DIR          " CLI_RUN_DIR ", where netpolicyd listens\n"
	"  --json                 for programs\n"
	"  -o, --output FILE      compile: the recorded batch; prove: the statement\n"
	"  --effective            compile: everything, what is implied too, in words\n"
	"  --text FILE            compile -o: nft text that is complete in itself, not a page\n"
	"  --check                fmt: only name the files that differ\n"
	"  --tier TIER            init: public, compute, storage\n"
	"  --confirm-within TIME  apply: back to the policy before unless confirmed, 60s\n"
	"  --force                apply, try: even when claims do not hold or the tunnel is cut\n"
	"  --boot-only            apply: save for the next boot, load nothing now\n"
	"  --log-only             try: what to try\n"
	"  --for TIME             try, grant: how long, 90s 30m 4h 1d\n"
	"  --why TEXT             grant add: for the log\n"
	"  --no-kernel            explain, prove: ask the model alone\n"
	"  --page-only            prove: the page alone, nothing about this host\n"
	"  --sign FILE            prove -o: sign the statement with this private key\n"
	"  --cert FILE            prove: the certificate of the key\n"
	"  --yes                  unload: do it\n"
	"  --verbose              more words\n"
	"  --version, --help\n";

/* The letters are those of the table of commands below, not for the command line (but o). */
static const struct option main_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "policy", required_argument, NULL, 'p' },
	{ "state-dir", required_argument, NULL, 's' },
	{ "run-dir", required_argument, NULL, 'r' },
	{ "output", required_argument, NULL, 'o' },
	{ "text", required_argument, NULL, 't' },
	{ "tier", required_argument, NULL, 'T' },
	{ "confirm-within", required_argument, NULL, 'w' },
	{ "for", required_argument, NULL, 'F' },
	{ "why", required_argument, NULL, 'W' },
	{ "sign", required_argument, NULL, 'S' },
	{ "cert", required_argument, NULL, 'C' },
	{ "json", no_argument, NULL, 'j' },
	{ "yes", no_argument, NULL, 'y' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "boot-only", no_argument, NULL, 'b' },
	{ "effective", no_argument, NULL, 'e' },
	{ "check", no_argument, NULL, 'k' },
	{ "force", no_argument, NULL, 'f' },
	{ "log-only", no_argument, NULL, 'l' },
	{ "no-kernel", no_argument, NULL, 'n' },
	{ "page-only", no_argument, NULL, 'P' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* Every command, how many words may follow it, and which options it takes beside c p s r v. */
static const struct {
	const char *name;
	int (*run)(const struct cli *c);
	int min_words, max_words;
	const char *options;
	const char *needs; /* words for too few */
} main_commands[] = {
	{ "compile", clipage_compile, 0, 1, "ojet", "" },
	{ "fmt", clipage_fmt, 0, MAIN_WORDS_MAX, "k", "" },
	{ "init", clipage_init, 1, POLICY_UPLINKS_MAX, "T", "the uplinks, like eth0" },
	{ "check", clicheck_run, 0, 0, "j", "" },
	{ "plan", cliplan_run, 0, 0, "j", "" },
	{ "apply", cliapply_run, 0, 0, "wfb", "" },
	{ "confirm", cliapply_confirm, 0, 0, "", "" },
	{ "rollback", cliapply_rollback, 0, 0, "", "" },
	{ "try", cliapply_try, 0, 0, "lFf", "" },
	{ "unload", cliapply_unload, 0, 0, "y", "" },
	{ "status", clistatus_run, 0, 0, "j", "" },
	{ "grant", cligrant_run, 1, 3, "jFW", "add, renew, end or list" },
	{ "explain", cliexplain_run, 1, MAIN_WORDS_MAX, "jn",
	  "a packet, like: in eth0 tcp [2001:db8::9]:4000 [host]:22" },
	{ "prove", cliprove_run, 0, 0, "jonPSC", "" },
};

static int main_misuse(const char *what, const char *object)
{
	fprintf(stderr, "netpolicy: %s%s%s\nSee 'netpolicy --help'.\n", what, *object ? " " : "",
		object);
	return CLI_USAGE;
}

/* "90", "90s", "30m", "4h", "1d". 0 when it is no time of 1 s ... 7 d. */
static uint32_t main_time(const char *text)
{
	static const struct {
		const char *unit;
		unsigned long seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || errno || n > MAIN_TIME_MAX)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(end, units[i].unit) && n * units[i].seconds <= MAIN_TIME_MAX)
			return (uint32_t)(n * units[i].seconds);
	return 0;
}

static void main_flag(struct cli *c, int opt)
{
	c->json |= opt == 'j';
	c->yes |= opt == 'y';
	c->verbose |= opt == 'v';
	c->boot_only |= opt == 'b';
	c->effective |= opt == 'e';
	c->check |= opt == 'k';
	c->force |= opt == 'f';
	c->log_only |= opt == 'l';
	c->no_kernel |= opt == 'n';
	c->page_only |= opt == 'P';
}

static const char **main_text_option(struct cli *c, int opt)
{
	const struct {
		int opt;
		const char **to;
	} options[] = {
		{ 'c', &c->config },      { 'p', &c->page },   { 's', &c->state_dir },
		{ 'r', &c->run_dir },     { 'o', &c->output }, { 't', &c->text },
		{ 'T', &c->tier },        { 'W', &c->why },    { 'S', &c->key },
		{ 'C', &c->certificate },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].opt == opt)
			return options[i].to;
	return NULL;
}

/* Gives -1 to go on, else the exit code. @used: the letters that were given. */
static int main_parse(int argc, char **argv, struct cli *c, char used[static 64])
{
	size_t n = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "o:", main_options, NULL)) != -1) {
		const char **to = main_text_option(c, opt);

		if (opt == '?')
			return main_misuse("unknown option, or one without its value", "");
		if (opt == 'h' || opt == 'V')
			return puts(opt == 'h' ? main_usage : "netpolicy " POSTERN_VERSION) < 0;
		if (n < 63 && !strchr(used, opt))
			used[n++] = (char)opt;
		if (to)
			*to = optarg;
		else if (opt == 'w' || opt == 'F')
			c->seconds = main_time(optarg);
		else
			main_flag(c, opt);
		if ((opt == 'w' || opt == 'F') && c->seconds == 0)
			return main_misuse("not a time of 1s ... 7d, like 90s, 30m, 4h:", optarg);
	}
	return -1;
}

static const char *main_option_name(char letter)
{
	for (size_t i = 0; main_options[i].name; i++)
		if (main_options[i].val == letter)
			return main_options[i].name;
	return "";
}

static int main_unknown(const char *word)
{
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(main_commands); i++)
		if (typo_is_likely(word, main_commands[i].name)) {
			snprintf(text, sizeof(text), "'%.40s'; did you mean '%s'?", word,
				 main_commands[i].name);
			return main_misuse("unknown command", text);
		}
	snprintf(text, sizeof(text), "'%.100s'", word);
	return main_misuse("unknown command", text);
}

static int main_run(size_t command, const struct cli *c, const char *used)
{
	char text[128];

	for (; *used; used++)
		if (!strchr("cpsrv", *used) && !strchr(main_commands[command].options, *used)) {
			snprintf(text, sizeof(text), "--%s is not for", main_option_name(*used));
			return main_misuse(text, main_commands[command].name);
		}
	snprintf(text, sizeof(text), "%s needs", main_commands[command].name);
	if (c->n_words < main_commands[command].min_words)
		return main_misuse(text, main_commands[command].needs);
	if (c->n_words > main_commands[command].max_words) {
		snprintf(text, sizeof(text), "%s%s", main_commands[command].name,
			 main_commands[command].max_words ? "" : " (a page: --policy FILE)");
		return main_misuse("too many words behind", text);
	}
	log_open("netpolicy", LOG_LEVEL_INFO);
	return main_commands[command].run(c);
}

/* The page is beside postern.conf unless it is said where. */
static int main_place(struct cli *c, char page[static FILES_PATH_MAX])
{
	const char *slash = strrchr(c->config, '/');
	int dir = slash ? (int)(slash - c->config) + 1 : 0;

	if (c->page)
		return -1;
	if (snprintf(page, FILES_PATH_MAX, "%.*spolicy.conf", dir, c->config) >= FILES_PATH_MAX)
		return main_misuse("the path is too long:", c->config);
	c->page = page;
	return -1;
}

int main(int argc, char **argv)
{
	struct cli c = { .config = ZONECONF_PATH,
			 .state_dir = CLI_STATE_DIR,
			 .run_dir = CLI_RUN_DIR };
	char page[FILES_PATH_MAX], used[64] = "";
	int r = main_parse(argc, argv, &c, used);

	if (r < 0)
		r = main_place(&c, page);
	if (r >= 0)
		return r;
	if (optind >= argc)
		return main_misuse("say a command", "");
	c.words = argv + optind + 1;
	c.n_words = argc - optind - 1;
	for (size_t i = 0; i < ARRAY_SIZE(main_commands); i++)
		if (!strcmp(argv[optind], main_commands[i].name))
			return main_run(i, &c, used);
	return main_unknown(argv[optind]);
}
