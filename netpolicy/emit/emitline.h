/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The rules that lines of the page become, each with a counter and the line in its comment, and the
 * words that all rules share. For netpolicy/emit/emit.c and emitguard.c only.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"

/* What a denial does: "drop", or "accept" while the policy is only tried. Static. */
const char *emitline_drop(const struct policy *p);
/* As emitline_drop(), telling the sender. */
const char *emitline_reject(const struct policy *p);

/* Appends one rule that no line says. @comment is data: it has no quotes. */
void emitline_fixed(struct buf *to, const char *rule, const char *comment);

/* Appends a rule that logs at the rate of the page, as "postern @what: ". */
void emitline_log(const struct policy *p, struct buf *to, const char *what);

/* Appends the last two rules of a chain of denials going out: told and counted by name, then
 * dropped. */
void emitline_refuse(const struct policy *p, struct buf *to, const char *counter, unsigned int row,
		     const char *why);

/* Appends the lines of one direction on one kind of link, without marked ones and metadata. */
void emitline_rules(const struct policy *p, struct buf *to, enum policy_dir dir,
		    enum policy_via via);

/* Appends the marked lines, which lead to the configuration servers outside the tunnel. */
void emitline_marked(const struct policy *p, struct buf *to);

/* Appends what is let in of the answers to them. */
void emitline_answers(const struct policy *p, struct buf *to);

/* Appends the lines for the users of instance metadata. */
void emitline_metadata(const struct policy *p, struct buf *to);

/* Appends what grants mean to packets of one direction. */
void emitline_grants(const struct policy *p, struct buf *to, enum policy_dir dir);
