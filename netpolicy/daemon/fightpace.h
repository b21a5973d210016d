/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * When to repair: the first time at once; when changes come in a burst, after a growing pause with
 * a cap; and slower still against somebody who answers every repair with another change, for two
 * programs that take turns would only burn the processor. Never not at all. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#define FIGHTPACE_QUIET_MS 50       /* after so long a change is the first one again */
#define FIGHTPACE_PAUSE_MS 2        /* between the first two repairs of a burst; doubles */
#define FIGHTPACE_PAUSE_CAP_MS 16   /* so that 30 ms are kept with the repair itself */
#define FIGHTPACE_FIGHT_MS 50       /* pause against a fighter; doubles */
#define FIGHTPACE_FIGHT_CAP_MS 1000 /* how long the rules stay wrong at most */
#define FIGHTPACE_MANY 100          /* repairs in a window that make a fight */
#define FIGHTPACE_WINDOW_S 10       /* also how long it takes to believe in peace */

enum fightpace_news { FIGHTPACE_NONE, FIGHTPACE_BEGINS, FIGHTPACE_ENDS };

struct fightpace {
	uint64_t due_ns;    /* of the next repair; 0 = none is needed */
	uint64_t last_ns;   /* of the last repair; 0 = there was none */
	uint64_t window_ns; /* start of the window */
	uint32_t n_window;  /* repairs in it */
	uint32_t pause_ms;
	bool is_fighting;
};

/* Something was changed. A repair that is due already is not put off. */
void fightpace_disturbed(struct fightpace *p, uint64_t now_ns);

/* A repair was made. Gives FIGHTPACE_BEGINS when it was one too many. */
enum fightpace_news fightpace_repaired(struct fightpace *p, uint64_t now_ns);

/* Nothing was wrong after all: it is no fight, yet the next look comes after a pause too. */
void fightpace_dismissed(struct fightpace *p, uint64_t now_ns);

/* Gives FIGHTPACE_ENDS once when a fight is over. */
enum fightpace_news fightpace_tick(struct fightpace *p, uint64_t now_ns);

/* When to look again, UINT64_MAX = no need. */
uint64_t fightpace_next(const struct fightpace *p);
