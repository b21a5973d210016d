/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rows of the benchmarks, all alike: what, runs, median and worst of the wall clock, ratio to the
 * reference of the same run, and the same ratio by processor time, which a busy machine changes
 * least.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCHROW_RUNS_MAX 10000

/* About 160 kB: static. Zero is empty. */
struct benchrow {
	size_t n;
	double wall_ms[BENCHROW_RUNS_MAX], cpu_ms[BENCHROW_RUNS_MAX];
	uint64_t wall_from, cpu_from; /* in ns */
};

/* The medians of a row; zero = there is none. */
struct benchrow_base {
	double wall_ms, cpu_ms;
};

/* Processor time in ns of this process, the kernel's part included, and of children that were
 * waited for. */
uint64_t benchrow_cpu_ns(void);

/* A run begins. */
void benchrow_start(struct benchrow *b);

/* It ends. Beyond BENCHROW_RUNS_MAX runs are left out. */
void benchrow_stop(struct benchrow *b);

/* A run that was measured elsewhere; @cpu_ms 0: not known. */
void benchrow_add(struct benchrow *b, double wall_ms, double cpu_ms);

/* Prints the title and the names of the columns. */
void benchrow_head(const char *title);

/* Prints the row and empties it. @base: the reference, NULL = it is one. Gives its medians. At
 * least one run. */
struct benchrow_base benchrow_print(struct benchrow *b, const char *what,
				    const struct benchrow_base *base);

/* Prints what process @pid has in memory. */
void benchrow_memory(const char *what, int pid);
