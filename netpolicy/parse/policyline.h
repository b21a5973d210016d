/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The directives of a page: one table of words, one function for each. This reads tokens into the
 * model and knows no files; what opens files is handed in. What one line cannot show is
 * policy_check()'s.
 */
#include "netpolicy/model/policy.h"
#include "netpolicy/parse/policyfile.h"
#include "netpolicy/parse/policyscan.h"

struct policyline;

/* Reads another file: of directives for "include", of prefixes (@set) for "net NAME file". Errors:
 * as policyline_read(). */
typedef int policyline_open(struct policyline *l, const char *path, struct policy_prefixes *set);

#define POLICYLINE_FILE_MAX 512 /* bytes of the name of a file as messages show it, with the NUL */

/* Where we are: changed for the time of an included file. */
struct policyline_place {
	char file[POLICYLINE_FILE_MAX]; /* as it is named in messages */
	struct policyscan scan;
	struct policyscan_token token;  /* the next one */
	char word[POLICYSCAN_WORD_MAX]; /* its text when it is a word or a remark */
};

struct policyline {
	struct policy *policy;
	policyfile_resolver *resolve;
	struct policyfile_error *error;
	policyline_open *open; /* NULL: a text in memory, which leads to no file */
	struct policyline_place now;
	unsigned int line; /* where the directive began */
	char where[POLICY_WHERE_MAX];
	bool has_any;         /* a directive was read */
	bool in_list;         /* the text is a list of prefixes, whose lines do not count */
	unsigned int n_lines; /* of the files before this one */
	/* Where the directives that stand once were given; "" = not yet. */
	char policy_where[POLICY_WHERE_MAX], host_where[POLICY_WHERE_MAX];
	char up_where[POLICY_WHERE_MAX], tun_where[POLICY_WHERE_MAX], log_where[POLICY_WHERE_MAX];
};

/* Reads the directives of l->now to the end of its text.
 * Errors: 0; -EINVAL, -E2BIG, -ENOMEM, -errno; l->error filled but when out of memory. */
int policyline_read(struct policyline *l) _warn_unused_;

/* Reads prefixes, as many as there are on each line, to the end of the text. Errors: as
 * policyline_read(). */
int policyline_read_prefixes(struct policyline *l, struct policy_prefixes *set) _warn_unused_;

/* After the last file: sets what has a default, and gives the line that is missing, or NULL. */
const char *policyline_missing(struct policyline *l);

/* Puts the first token of a text into l->now. Errors: as policyline_read(). */
int policyline_start(struct policyline *l, const char *file, const char *text,
		     size_t len) _warn_unused_;

/* What a page and JSON have in common, beside the model's own checks. */

#define POLICYLINE_GRANT_MAX_S (7 * 86400)
#define POLICYLINE_LOG_MAX 1000 /* denials logged per second */
#define POLICYLINE_LOG_DEFAULT 5

#define POLICYLINE_WHERE_SHOWN 50 /* bytes: a comment of nft takes 128, with the remark behind it */

/* Adds a network with what its name means: the zone, a tier, "any". Errors: as policy_add_net(). */
int policyline_add_net(struct policy *p, const char *name, const char *where,
		       size_t *ret) _warn_unused_;

/* The ports of the networks "dns", "ntp" and "imds"; NULL for another one. */
const struct policy_ports *policyline_service_ports(const char *net);

/* True when a port of @port is in the list: the anonymous set of a rule takes no overlaps. */
bool policyline_has_port(const struct policy_ports *ports, const struct policy_port *port);

/* True for a word that ends a list of users in a match: no user of a page has such a name. */
bool policyline_is_keyword(const char *word);

/* True for the first word of a line. */
bool policyline_is_directive(const char *word);

/* The link that a line without "via" means: the tunnel for the zone. */
enum policy_via policyline_default_via(const struct policy *p, size_t net);

/* True for the name of an interface that may be an uplink or a tunnel. */
bool policyline_is_link(const char *name);

/* The row of docs/policy.md that a rule belongs to; from its network, link and mark. */
unsigned int policyline_row(const struct policy *p, const struct policy_rule *rule);

/* "policy.conf:17"; a long name keeps its end, odd bytes become '_': it stands in nft comments. */
void policyline_where(const char *file, unsigned int line, char ret[static POLICY_WHERE_MAX]);

/* The name of a file as messages show it: the end of a long one, odd bytes as '_'. */
void policyline_file(const char *file, char ret[static POLICY_WHERE_MAX]);

/* What follows is for those who read the words of one line: policyline.c, policysay.c. */

/* Moves to the next token, comments and continued line ends left out. */
int policyline_next(struct policyline *l) _warn_unused_;

/* True when the next token is this word. */
bool policyline_is(const struct policyline *l, const char *word);

/* As policyline_is(); takes the word. Errors: 1 taken; 0 it is another; as policyline_next(). */
int policyline_take(struct policyline *l, const char *word) _warn_unused_;

/* True at the end of a line, of the text or of a block. */
bool policyline_at_end(const struct policyline *l);

/* "FILE:LINE:COLUMN: …" at the next token. Gives -EINVAL. */
int policyline_fail(struct policyline *l, const char *fmt, ...) _printf_(2, 3);

/* "expected WHAT, got '…'", and the one of @words (NULL: none; ends with NULL) that was probably
 * meant. Gives -EINVAL. */
int policyline_expected(struct policyline *l, const char *what, const char *const *words);

/* The error for a line that begins with another word. Gives -EINVAL. */
int policyline_unknown(struct policyline *l);

/* Takes the name of a declared network, and "any". */
int policyline_net(struct policyline *l, size_t *ret) _warn_unused_;

/* Takes "up" or "tun". */
int policyline_via(struct policyline *l, enum policy_via *ret) _warn_unused_;

/* Takes "any" or "(tcp|udp) PORT…" once or twice. */
int policyline_ports(struct policyline *l, struct policy_ports *ports) _warn_unused_;

/* Takes one or more users. */
int policyline_users(struct policyline *l, struct policy_users *users) _warn_unused_;

/* Takes a decimal or 0x number. @what: for the message. */
int policyline_number(struct policyline *l, const char *what, uint32_t min, uint32_t max,
		      uint32_t *ret) _warn_unused_;

/* Takes the remark behind a claim. */
int policyline_remark(struct policyline *l, char ret[static POLICY_REMARK_MAX]) _warn_unused_;
