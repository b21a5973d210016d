/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Over all packets: does every claim of a policy hold, which lines can never decide anything, what
 * does another version newly allow or deny, and what would have to change for a packet to pass.
 * Conntrack's word, users, marks and facts of the host are free: a claim holds whatever they are.
 * Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"
#include "netpolicy/model/policy.h"
#include "netpolicy/model/terms.h"

#define PROVE_TEXT_MAX 256                  /* of one packet or set in words, with the NUL */
#define PROVE_NODES_MAX (24u * 1024 * 1024) /* of diagrams: 480 MB; more cannot be decided */

enum prove_outcome {
	PROVE_HOLDS,
	PROVE_VIOLATED,
	PROVE_UNDECIDED, /* too large to decide */
};

/* One never or always. */
struct prove_say {
	size_t say; /* index into policy.says */
	enum prove_outcome outcome;
	struct terms_packet witness; /* when violated */
	struct terms_answer lets;    /* what decides on the witness; points into the terms given */
	/* It speaks of no packet that can be, or of none but those that it excepts: it holds, and
	 * says nothing. */
	bool is_empty;
	/* A never that holds, but for packet sockets: they pass the guard alone, which does not
	 * know of it. (What speaks of config and gateways only must hold for them too.) */
	bool but_sockets;
	struct terms_packet socket_witness; /* if so */
	struct terms_answer socket_lets;
};

struct prove_report {
	struct prove_say *list; /* owned, one for each of policy.says, in order */
	size_t n;
	size_t n_violated, n_undecided;
	size_t nodes, bytes; /* of the diagrams, for the curious */
};

/* A line that could go: it decides nothing, or what it accepts is accepted without it. */
struct prove_dead {
	size_t rule;       /* index into policy.rules */
	bool is_never;     /* no packet fits at all */
	bool is_redundant; /* packets reach it, but later ones accept them just the same */
	char because[POLICY_WHERE_MAX]; /* a line that covers it; "" = implied ones or several */
};

struct prove_deads {
	struct prove_dead *list; /* owned */
	size_t n;
};

/* One set of packets in which two policies differ. */
struct prove_change {
	bool newly_allowed;             /* else newly denied */
	char set[PROVE_TEXT_MAX];       /* "out via up tcp 443 to 2001:db8:53::/48, user 1000" */
	char because[POLICY_WHERE_MAX]; /* the line that accepts, of the new policy; of the old one
					   when newly denied; "" = implied */
	struct terms_packet example;
};

struct prove_changes {
	struct prove_change *list; /* owned */
	size_t n;
	size_t n_left_out; /* sets beyond PROVE_CHANGES_MAX */
};
#define PROVE_CHANGES_MAX 256

/* One way for a denied packet to pass: the fewest fields changed. */
struct prove_way {
	char change[PROVE_TEXT_MAX];    /* "via tun", "port 443 and user 1001" */
	char because[POLICY_WHERE_MAX]; /* the line that would let it pass */
	struct terms_packet packet;     /* it, changed */
};
#define PROVE_WAYS_MAX 4

/* Decides every claim. @ret is released by the caller also after an error. Errors: 0; -ENOMEM. */
int prove_claims(const struct terms *t, struct prove_report *ret) _warn_unused_;

/* Lists lines that could go, each as if those before it in the list were gone. @ret is released by
 * the caller also after an error. Errors: 0; -EFBIG too large to decide; -ENOMEM. */
int prove_dead_rules(const struct terms *t, struct prove_deads *ret) _warn_unused_;

/* What @to allows or denies other than @from, as few sets as it can: for new connections, and apart
 * from that what differs for live grants or for established connections only. Packet sockets and
 * facts of the host are left out. Errors: as prove_dead_rules(). */
int prove_changes(const struct terms *from, const struct terms *to,
		  struct prove_changes *ret) _warn_unused_;

/* At most PROVE_WAYS_MAX ways for @packet to pass, nearest first. Errors: as prove_dead_rules(). */
int prove_ways(const struct terms *t, const struct terms_packet *packet,
	       struct prove_way ret[static PROVE_WAYS_MAX], size_t *ret_n) _warn_unused_;

/* Packets at the borders of everything the terms speak of (first and last address, port and one
 * beyond, each type, each user and one who is not), at most @max of them, each with what the model
 * says left to terms_decide(). Gives *ret (free() it). Errors: as prove_dead_rules(). */
int prove_witnesses(const struct terms *t, size_t max, struct terms_packet **ret,
		    size_t *ret_n) _warn_unused_;

/* Writes a packet as explain takes it: "out up tcp [2001:db8::1]:1024 [2001:db8:53::9]:443 uid 7".
 * Gives @ret back. */
const char *prove_packet_text(const struct terms_packet *packet, char ret[static PROVE_TEXT_MAX]);

/* Reads that. "[host]" stands for an address of this host, a link may be an interface of @p or up,
 * tun, lo. Errors: 0; -EINVAL with words in @ret_error. */
int prove_packet_parse(const struct policy *p, int n_words, char *const *words,
		       struct terms_packet *ret,
		       char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;

/* Release. For _cleanup_(). */
void prove_release_report(struct prove_report *r);
/* As prove_release_report(). */
void prove_release_deads(struct prove_deads *d);
/* As prove_release_report(). */
void prove_release_changes(struct prove_changes *c);
