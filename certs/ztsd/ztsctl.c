/* SPDX-License-Identifier: MIT */
/*
 * ztsctl: who may get certificates from ztsd, and who has some. See ztsctl(8). This file reads the
 * command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/ztscmd.h"
#include "certs/ztsd/ztsdconf.h"
#include "common/attr.h"
#include "common/jsonin.h"
#include "common/printed.h"
#include "common/typo.h"
#include "config.h"

#define DEFAULT_VALID_S 1800
#define IDLE_MAX_DAYS 3660
#define EMPTY "an empty word; is a variable not set?"

enum option_name {
	OPTION_CONFIG = 256,
	OPTION_STATE,
	OPTION_ACCOUNT,
	OPTION_SERVICE,
	OPTION_PROVIDER,
	OPTION_DOMAIN,
	OPTION_INSTANCE,
	OPTION_LIFETIME,
	OPTION_VALID,
	OPTION_KEY,
	OPTION_JSON,
	OPTION_ALL,
	OPTION_YES,
	OPTION_IDLE,
};

static const char usage[] =
	"usage: ztsctl [--config FILE] [--state-dir DIR] COMMAND\n"
	"\n"
	"Who may get certificates:\n"
	"  ztsctl domain add NAME [--account ID] [--max-lifetime SECONDS]\n"
	"         [--service NAME]... [--provider NAME]...\n"
	"  ztsctl domain remove NAME [--service NAME]... [--provider NAME]...\n"
	"  ztsctl domain list [NAME] [--json]\n"
	"Who has some:\n"
	"  ztsctl list [--provider NAME] [--domain NAME] [--service NAME] [--instance ID]\n"
	"         [--json]\n"
	"  ztsctl show ID [--provider NAME] [--domain NAME] [--service NAME] [--json]\n"
	"  ztsctl revoke ID ...   neither refresh nor registration from now on\n"
	"  ztsctl reset ID ...    its next request is accepted again\n"
	"  ztsctl reset --all --yes\n"
	"  ztsctl remove ID ...   forget it: its next request must be a registration\n"
	"  ztsctl remove --idle DAYS   forget all whose certificate is over, and that made no\n"
	"         request for so long\n"
	"For instances that no cloud vouches for:\n"
	"  ztsctl key FILE        make the secret of a provider of kind token\n"
	"  ztsctl token DOMAIN.SERVICE ID [--provider NAME] [--valid SECONDS] [--key FILE]\n"
	"\n"
	"  ztsctl --version | --help\n"
	"\n"
	"Exit status: 0 done, 1 not found or not done, 2 configuration not usable, 64 wrong "
	"usage.\n";

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "state-dir", required_argument, NULL, OPTION_STATE },
	{ "account", required_argument, NULL, OPTION_ACCOUNT },
	{ "service", required_argument, NULL, OPTION_SERVICE },
	{ "provider", required_argument, NULL, OPTION_PROVIDER },
	{ "domain", required_argument, NULL, OPTION_DOMAIN },
	{ "instance", required_argument, NULL, OPTION_INSTANCE },
	{ "max-lifetime", required_argument, NULL, OPTION_LIFETIME },
	{ "valid", required_argument, NULL, OPTION_VALID },
	{ "key", required_argument, NULL, OPTION_KEY },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "yes", no_argument, NULL, OPTION_YES },
	{ "idle", required_argument, NULL, OPTION_IDLE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* Which options a command takes, as bits of OPTION_... - OPTION_CONFIG. */
#define TAKES(name) (1U << (OPTION_##name - OPTION_CONFIG))
#define TAKES_ALWAYS (TAKES(CONFIG) | TAKES(STATE))
#define TAKES_FILTER (TAKES(PROVIDER) | TAKES(DOMAIN) | TAKES(SERVICE))

struct command {
	const char *name, *second; /* the second word; NULL = none */
	int (*run)(const struct ztscmd *c);
	size_t args_min, args_max; /* behind it */
	const char *args;          /* what these are */
	unsigned int takes;
	bool is_many; /* more than one --service and --provider */
};

static const struct command commands[] = {
	{ "domain", "add", ztscmd_domain_add, 1, 1, "NAME",
	  TAKES(ACCOUNT) | TAKES(LIFETIME) | TAKES(SERVICE) | TAKES(PROVIDER), true },
	{ "domain", "remove", ztscmd_domain_remove, 1, 1, "NAME", TAKES(SERVICE) | TAKES(PROVIDER),
	  true },
	{ "domain", "list", ztscmd_domain_list, 0, 1, "", TAKES(JSON), false },
	{ "list", NULL, ztscmd_list, 0, 0, "", TAKES_FILTER | TAKES(INSTANCE) | TAKES(JSON),
	  false },
	{ "show", NULL, ztscmd_show, 1, 1, "ID", TAKES_FILTER | TAKES(JSON), false },
	{ "revoke", NULL, ztscmd_revoke, 1, 1, "ID", TAKES_FILTER, false },
	{ "reset", NULL, ztscmd_reset, 0, 1, "", TAKES_FILTER | TAKES(ALL) | TAKES(YES), false },
	{ "remove", NULL, ztscmd_remove, 0, 1, "", TAKES_FILTER | TAKES(IDLE), false },
	{ "key", NULL, ztscmd_key, 1, 1, "FILE", 0, false },
	{ "token", NULL, ztscmd_token, 2, 2, "DOMAIN.SERVICE ID",
	  TAKES(PROVIDER) | TAKES(VALID) | TAKES(KEY), false },
};

static int misuse(const char *object, const char *what)
{
	fprintf(stderr, "ztsctl: %s: %s (see ztsctl --help)\n", object, what);
	return ZTSCMD_USAGE;
}

/* With the command that was probably meant. */
static int unknown(char **words, size_t n)
{
	char what[80];

	if (n == 0)
		return misuse("command", "say one");
	if (!strcmp(words[0], "domain"))
		return misuse("domain", n == 1 ? "say add, remove or list behind it" :
						 "only add, remove or list may stand behind it");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (typo_is_likely(words[0], commands[i].name)) {
			snprintf(what, sizeof(what), "no such command; is it %s?",
				 commands[i].name);
			return misuse(words[0], what);
		}
	return misuse(words[0], "no such command");
}

/* Gives -1 to go on, else the exit status. */
static int take_name(const char *what, const char **list, size_t max, size_t *n)
{
	if (*n == max)
		return misuse(what, "too many in one command");
	list[(*n)++] = optarg;
	return -1;
}

/* As take_name(). */
static int take_number(const char *what, uint64_t min, uint64_t max, const char *unit,
		       uint64_t *ret)
{
	if (conf_parse_u64(optarg, min, max, ret) == 0)
		return -1;
	fprintf(stderr, "ztsctl: %s %s: allowed are %u...%u %s\n", what, optarg, (unsigned int)min,
		(unsigned int)max, unit);
	return ZTSCMD_USAGE;
}

static int take_text(int opt, struct ztscmd *c)
{
	const char **const where[] = {
		[OPTION_CONFIG - OPTION_CONFIG] = &c->config,
		[OPTION_STATE - OPTION_CONFIG] = &c->state_dir,
		[OPTION_ACCOUNT - OPTION_CONFIG] = &c->account,
		[OPTION_DOMAIN - OPTION_CONFIG] = &c->domain,
		[OPTION_INSTANCE - OPTION_CONFIG] = &c->instance_id,
		[OPTION_KEY - OPTION_CONFIG] = &c->key,
	};

	*where[opt - OPTION_CONFIG] = optarg;
	return -1;
}

/* Gives -1 to go on, else the exit status. */
static int take_option(int opt, struct ztscmd *c)
{
	switch (opt) {
	case OPTION_SERVICE:
		return take_name("--service", c->services, ZTSCMD_SERVICES_MAX, &c->n_services);
	case OPTION_PROVIDER:
		return take_name("--provider", c->providers, ZTSCMD_PROVIDERS_MAX, &c->n_providers);
	case OPTION_LIFETIME:
		c->has_max_lifetime = true;
		return take_number("--max-lifetime", 0, ZTSDCONF_LIFETIME_MAX_S, "seconds",
				   &c->max_lifetime_s);
	case OPTION_VALID:
		return take_number("--valid", 1, ZTSCMD_VALID_MAX_S, "seconds", &c->valid_s);
	case OPTION_IDLE:
		return take_number("--idle", 1, IDLE_MAX_DAYS, "days", &c->idle_days);
	case OPTION_JSON:
		c->json = true;
		return -1;
	case OPTION_ALL:
		c->all = true;
		return -1;
	case OPTION_YES:
		c->yes = true;
		return -1;
	default:
		return take_text(opt, c);
	}
}

static const char *option_text(int opt)
{
	for (size_t i = 0; options[i].name; i++)
		if (options[i].val == opt)
			return options[i].name;
	return "option";
}

/* Nothing would mean all; but an account is taken away so. Gives -1 to go on, else the exit
 * status. */
static int take_value(int opt, struct ztscmd *c)
{
	char text[80];

	if (!optarg || *optarg || opt == OPTION_ACCOUNT)
		return take_option(opt, c);
	snprintf(text, sizeof(text), "--%s", option_text(opt));
	return misuse(text, EMPTY);
}

/* Gives -1 to go on, else the exit status. *ret_seen: the options as bits. */
static int parse_options(int argc, char **argv, struct ztscmd *c, unsigned int *ret_seen)
{
	int opt, r = -1;

	while (r < 0 && (opt = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (opt == '?') { /* it has said which option, and why */
			fputs("See ztsctl --help.\n", stderr);
			return ZTSCMD_USAGE;
		}
		if (opt == 'h' || opt == 'V')
			return fputs(opt == 'h' ? usage : "ztsctl " POSTERN_VERSION "\n", stdout) <
			       0;
		*ret_seen |= 1U << (opt - OPTION_CONFIG);
		r = take_value(opt, c);
	}
	return r;
}

static const struct command *find_command(char **words, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (n > 0 && !strcmp(words[0], commands[i].name) &&
		    (!commands[i].second || (n > 1 && !strcmp(words[1], commands[i].second))))
			return &commands[i];
	return NULL;
}

/* Gives -1 when all is well, else the exit status. */
static int check_usage(const struct command *cmd, const struct ztscmd *c, unsigned int seen)
{
	unsigned int foreign = seen & ~(cmd->takes | TAKES_ALWAYS);
	char text[80];

	if (c->n_args < cmd->args_min) {
		snprintf(text, sizeof(text), "%s%s%s", cmd->name, cmd->second ? " " : "",
			 cmd->second ? cmd->second : "");
		fprintf(stderr, "ztsctl: %s: say %s behind it (see ztsctl --help)\n", text,
			cmd->args);
		return ZTSCMD_USAGE;
	}
	if (foreign) {
		snprintf(text, sizeof(text), "--%s",
			 option_text(OPTION_CONFIG + __builtin_ctz(foreign)));
		return misuse(text, "not an option of this command");
	}
	if (!cmd->is_many && (c->n_services > 1 || c->n_providers > 1))
		return misuse(cmd->name, "takes one --service and one --provider");
	if (cmd->run == ztscmd_reset && c->all == (c->n_args > 0))
		return misuse(cmd->name, "say one instance id, or --all");
	if (cmd->run == ztscmd_remove && (c->idle_days > 0) == (c->n_args > 0))
		return misuse(cmd->name, "say one instance id, or --idle");
	return -1;
}

static int run(char **words, size_t n, struct ztscmd *c, unsigned int seen)
{
	const struct command *cmd = find_command(words, n);
	size_t skip;
	int r;

	if (!cmd)
		return unknown(words, n);
	skip = cmd->second ? 2 : 1;
	if (n - skip > cmd->args_max)
		return misuse(words[skip + cmd->args_max], "one word too many");
	for (size_t i = skip; i < n; i++) {
		if (!*words[i])
			return misuse(cmd->name, EMPTY);
		c->args[c->n_args++] = words[i];
	}
	r = check_usage(cmd, c, seen);
	return r < 0 ? cmd->run(c) : r;
}

int main(int argc, char **argv)
{
	struct ztscmd c = {
		.config = ZTSDCONF_PATH,
		.state_dir = ZTSCMD_STATE_DIR,
		.valid_s = DEFAULT_VALID_S,
	};
	unsigned int seen = 0;
	int r = parse_options(argc, argv, &c, &seen);

	if (r >= 0)
		return r;
	jsonin_warm_up();
	r = run(argv + optind, (size_t)(argc - optind), &c, seen);
	return printed_all("ztsctl") || r ? r : ZTSCMD_FAILURE;
}
