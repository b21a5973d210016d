/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An STS for tests: TLS on a port of the loopback address, in threads of the test program. It
 * checks the signature of each question and answers as told. Ends the program when anything of its
 * own goes wrong.
 */
#include <stdint.h>

#define FAKESTS_NOW 1700000000 /* when questions must be signed */
#define FAKESTS_REGION "us-east-1"
#define FAKESTS_ACCESS "ASIAEXAMPLE"
#define FAKESTS_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define FAKESTS_TOKEN "AQoDYXdzEPT//////////wEXAMPLE=="

enum fakests_mode {
	FAKESTS_GOOD,     /* 200 with the ARN when the signature is right, else 403 */
	FAKESTS_EXPIRED,  /* 403 ExpiredToken */
	FAKESTS_THROTTLE, /* 400 Throttling */
	FAKESTS_FOREIGN,  /* 403 with a code that is no code */
	FAKESTS_BUSY,     /* 503 */
	FAKESTS_REDIRECT, /* 302 to itself */
	FAKESTS_GARBAGE,  /* 200, no XML */
	FAKESTS_HUGE,     /* 200, more than is read of an answer */
	FAKESTS_LEAVE,    /* closes the connection instead of an answer */
	FAKESTS_SILENT,   /* never answers */
};

struct fakests;

/* Starts one for the host @cn (kept), with a certificate for it, whose PEM is written to @ca in the
 * test's directory. */
struct fakests *fakests_start(const char *cn, const char *ca);
/* Its address: "[::1]:port". Borrowed. */
const char *fakests_address(const struct fakests *s);

/* What comes next. @arn: kept; for FAKESTS_GOOD. */
void fakests_set(struct fakests *s, enum fakests_mode mode, const char *arn);

/* How many questions and connections there were so far. */
unsigned int fakests_n_questions(struct fakests *s);
/* As fakests_n_questions(). */
unsigned int fakests_n_connections(struct fakests *s);

/* Ends all connections and threads. */
void fakests_stop(struct fakests *s);
