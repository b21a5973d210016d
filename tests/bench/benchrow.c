/* SPDX-License-Identifier: MIT */
#include "tests/bench/benchrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "common/clk.h"

uint64_t benchrow_cpu_ns(void)
{
	struct rusage used;
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	getrusage(RUSAGE_CHILDREN, &used);
	return (uint64_t)(t.tv_sec + used.ru_utime.tv_sec + used.ru_stime.tv_sec) * CLK_NS_PER_S +
	       (uint64_t)t.tv_nsec +
	       (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
}

void benchrow_start(struct benchrow *b)
{
	b->cpu_from = benchrow_cpu_ns();
	b->wall_from = clk_now_ns();
}

void benchrow_stop(struct benchrow *b)
{
	uint64_t wall = clk_now_ns() - b->wall_from;

	benchrow_add(b, (double)wall / 1e6, (double)(benchrow_cpu_ns() - b->cpu_from) / 1e6);
}

void benchrow_add(struct benchrow *b, double wall_ms, double cpu_ms)
{
	if (b->n == BENCHROW_RUNS_MAX)
		return;
	b->wall_ms[b->n] = wall_ms;
	b->cpu_ms[b->n++] = cpu_ms;
}

void benchrow_head(const char *title)
{
	printf("%s\n  %-26s %5s %11s %11s %8s %11s %8s\n", title, "", "runs", "median ms",
	       "worst ms", "ratio", "CPU ms", "ratio");
	fflush(stdout);
}

static int benchrow_order(const void *pa, const void *pb)
{
	const double *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

static double benchrow_median(double *list, size_t n)
{
	qsort(list, n, sizeof(list[0]), benchrow_order);
	return list[n / 2];
}

static void benchrow_ratio(double value, double base, bool has_base)
{
	if (!has_base)
		printf(" %8s", "1");
	else if (base > 0 && value > 0)
		printf(" %8.2f", value / base);
	else
		printf(" %8s", "-");
}

struct benchrow_base benchrow_print(struct benchrow *b, const char *what,
				    const struct benchrow_base *base)
{
	struct benchrow_base ret = { benchrow_median(b->wall_ms, b->n),
				     benchrow_median(b->cpu_ms, b->n) };

	printf("  %-26s %5zu %11.3f %11.3f", what, b->n, ret.wall_ms, b->wall_ms[b->n - 1]);
	benchrow_ratio(ret.wall_ms, base ? base->wall_ms : 0, base != NULL);
	if (ret.cpu_ms > 0)
		printf(" %11.3f", ret.cpu_ms);
	else
		printf(" %11s", "-");
	benchrow_ratio(ret.cpu_ms, base ? base->cpu_ms : 0, base != NULL);
	puts("");
	fflush(stdout);
	b->n = 0;
	return ret;
}

void benchrow_memory(const char *what, int pid)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	printf("  %-26s", what);
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM", 5) || !strncmp(line, "VmRSS", 5) ||
		    !strncmp(line, "RssAnon", 7) || !strncmp(line, "VmSwap", 6))
			printf("  %.6s %ld kB", line, strtol(strchr(line, ':') + 1, NULL, 10));
	puts("");
	fflush(stdout);
	if (f)
		fclose(f);
}
