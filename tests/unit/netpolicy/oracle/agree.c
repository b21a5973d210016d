/* SPDX-License-Identifier: MIT */
/*
 * The model, the compiled table and what comes out of the interfaces say the same: random policies,
 * each with random packets at the borders and with those that the proof finds. What terms_decide()
 * says is what the kernel does, and when a line decides, it is the same line. One compiler and one
 * namespace serve many policies, one replacing the other in place; most of the time they wait for
 * the kernel to clear up, so several work side by side. POSTERN_AGREE_POLICIES sets the number of
 * policies; with -s the printed seed brings the same ones.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/buf.h"
#include "common/clk.h"
#include "netpolicy/compile/compiler.h"
#include "netpolicy/emit/emit.h"
#include "netpolicy/oracle/oracle.h"
#include "netpolicy/prove/prove.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/policyfixture.h"
#include "tests/unit/netpolicy/randpolicy.h"

#define AGREE_POLICIES 2000
#define AGREE_PACKETS 80
#define AGREE_TOGETHER 50 /* policies of one namespace: of one choice of interfaces */
#define AGREE_PROVEN 15
#define AGREE_WITNESSES 4000
#define AGREE_PARTS 6 /* processes */
#define AGREE_SHOWN 8 /* disagreements that one of them prints */
#define AGREE_WORDS (256 * 1024)

/* What one process has found, in memory that it shares with the test. */
struct agree_part {
	size_t policies, asked, agreed, accepted, lines, unmade, unseen, wrong;
	uint64_t compiling, asking; /* ns */
	size_t len;
	char words[AGREE_WORDS]; /* what went wrong */
};

static struct agree_part *agree_parts; /* AGREE_PARTS */
static struct agree_part *agree_part;  /* that of this process */

static _printf_(1, 2) void agree_say(const char *format, ...)
{
	char *to = agree_part->words + agree_part->len;
	size_t room = AGREE_WORDS - agree_part->len;
	va_list args;

	agree_part->wrong++;
	va_start(args, format);
	vsnprintf(to, room, format, args);
	va_end(args);
	agree_part->len += strlen(to);
}

/* What serves policies with the same interfaces. */
struct agree_bench {
	struct randpolicy_links links;
	struct compiler *compiler;
	struct oracle *oracle;
};

static void agree_bench_release(struct agree_bench *b)
{
	compiler_close(b->compiler);
	oracle_close(b->oracle);
}

static bool agree_bench_make(struct agree_bench *b)
{
	policyfixture_use_build();
	*b = (struct agree_bench){ .links = randpolicy_links() };
	if (compiler_open(&b->compiler) == 0 && oracle_open(&b->oracle) == 0)
		return true;
	agree_say("no memory\n");
	return false;
}

static int agree_compile(struct agree_bench *b, const struct policy *p,
			 struct compilewire_reply *ret)
{
	_cleanup_(buf_release) struct buf text = buf_init(EMIT_TEXT_MAX);
	struct compilewire_request q = { .n_devices = (uint8_t)p->n_uplinks };
	int r = emit_policy(p, &text);

	*ret = (struct compilewire_reply){ 0 };
	if (r < 0)
		return r;
	memcpy(q.devices, p->uplinks, sizeof(p->uplinks));
	q.text = text.text;
	q.text_len = text.len;
	return compiler_next(b->compiler, &q, ret);
}

/* A rule of a line begins with its place. */
static bool agree_is_of(const char *comment, const char *where)
{
	size_t len = strlen(where);

	return !strncmp(comment, where, len) && (!comment[len] || comment[len] == ' ');
}

/* Where denials let through, the kernel goes on to the next hook, and the model does not. */
static bool agree_same_line(const struct terms *t, const struct terms_answer *model,
			    const struct oracle_answer *kernel)
{
	if (!t->policy->enforce)
		return true;
	if (model->item->where[0])
		return agree_is_of(kernel->comment, model->item->where);
	return strncmp(kernel->comment, "policy.conf:", strlen("policy.conf:")) != 0;
}

static void agree_complain(const char *page, const struct terms_packet *packet,
			   const struct terms_answer *model, const struct oracle_answer *kernel)
{
	char far[INET6_ADDRSTRLEN], near[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &packet->far, far, sizeof(far));
	inet_ntop(AF_INET6, &packet->near, near, sizeof(near));
	agree_say("dir %d socket %d link %d far [%s]:%u near [%s]:%u proto %u type %u hop %u ct %d "
		  "uid %d %u mark %x grants %x facts %x\n"
		  "model: %s by %s '%s' '%s'; kernel: %s by %s %s '%s', error %d, ct %d; page:\n%s",
		  packet->dir, packet->from_packet_socket, packet->link, far, packet->far_port,
		  near, packet->near_port, packet->proto, packet->icmp_type, packet->hop_limit,
		  packet->ct, packet->has_uid, packet->uid, packet->mark, packet->grants,
		  packet->facts, terms_verdict_name(model->verdict),
		  model->by_guard ? "guard" : "rules", model->item->where, model->item->what,
		  terms_verdict_name(kernel->verdict), kernel->table, kernel->chain,
		  kernel->comment, kernel->error, kernel->ct, page);
}

static void agree_compare(const char *page, const struct terms *t,
			  const struct terms_packet *packet, const struct oracle_answer *kernel)
{
	struct terms_answer model = terms_decide(t, packet);

	agree_part->asked++;
	if (kernel->error == -EOPNOTSUPP) {
		agree_part->unmade++;
	} else if (kernel->error == -ENODATA) {
		agree_part->unseen++;
	} else if (kernel->error || kernel->verdict != model.verdict ||
		   !agree_same_line(t, &model, kernel)) {
		agree_complain(page, packet, &model, kernel);
	} else {
		agree_part->agreed++;
		agree_part->accepted += model.verdict == TERMS_ACCEPT;
		agree_part->lines += model.item->where[0] != '\0';
	}
}

/* One policy with its packets. */
static void agree_ask(struct agree_bench *b, const struct terms *t, const char *page,
		      const struct terms_packet *packets, size_t n)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	struct oracle_answer *answers = calloc(n + 1, sizeof(*answers));
	struct oracle_job job = { .policy = t->policy, .session = b->oracle };
	char error[ORACLE_ERROR_MAX] = "";
	uint64_t start = clk_now_ns(), middle;
	int r = agree_compile(b, t->policy, &reply);

	middle = clk_now_ns();
	job.batch = reply.batch;
	job.batch_len = reply.batch_len;
	if (r == 0)
		r = answers ? oracle_ask(&job, packets, n, answers, error) : -ENOMEM;
	agree_part->compiling += middle - start;
	agree_part->asking += clk_now_ns() - middle;
	if (r < 0)
		agree_say("error %d: %s %s\n%s", r, reply.error, error, page);
	for (size_t i = 0; i < n && r == 0 && agree_part->wrong < AGREE_SHOWN; i++)
		agree_compare(page, t, &packets[i], &answers[i]);
	agree_part->policies += r == 0;
	free(answers);
}

/* A packet before which no other one is needed. */
static void agree_lone_packet(const struct policy *p, struct terms_packet *ret)
{
	do
		randpolicy_packet(p, ret);
	while (ret->ct == TERMS_ESTABLISHED || ret->ct == TERMS_RELATED);
}

/* All that is random of one policy is made before the processes part: so their number and their
 * pace change nothing. */
struct agree_case {
	struct policy *policy;
	char *page;
	struct terms_packet packets[AGREE_PACKETS];
};

/* Half of the policies begin where there is none, half replace one in place. */
static bool agree_case_make(const struct randpolicy_links *links, struct agree_case *ret)
{
	static char page[RANDPOLICY_PAGE_MAX];
	bool is_in_place = tap_random_below(2);

	ret->policy = randpolicy_make_on(links, page);
	ret->page = strdup(page);
	for (size_t i = 0; i < AGREE_PACKETS && ret->policy; i++)
		if (is_in_place)
			agree_lone_packet(ret->policy, &ret->packets[i]);
		else
			randpolicy_packet(ret->policy, &ret->packets[i]);
	return ret->policy && ret->page;
}

static void agree_case_run(struct agree_bench *b, const struct agree_case *c)
{
	_cleanup_(terms_release) struct terms t = { 0 };

	if (terms_make(c->policy, &t) < 0)
		agree_say("no memory\n");
	else
		agree_ask(b, &t, c->page, c->packets, AGREE_PACKETS);
}

/* Some policies for the same interfaces. */
struct agree_group {
	struct randpolicy_links links;
	size_t n;
	struct agree_case cases[AGREE_TOGETHER];
};

static struct agree_group *agree_groups_make(size_t n_groups, size_t n)
{
	struct agree_group *groups = calloc(n_groups + 1, sizeof(*groups));
	bool is_fine = groups;

	for (size_t i = 0; i < n && is_fine; i++) {
		struct agree_group *g = &groups[i / AGREE_TOGETHER];

		if (!g->n)
			g->links = randpolicy_links();
		is_fine = agree_case_make(&g->links, &g->cases[g->n++]);
	}
	CU_ASSERT_TRUE(is_fine);
	return groups;
}

static void agree_groups_free(struct agree_group *groups, size_t n_groups)
{
	for (size_t i = 0; groups && i < n_groups; i++)
		for (size_t j = 0; j < groups[i].n; j++) {
			policy_free(groups[i].cases[j].policy);
			free(groups[i].cases[j].page);
		}
	free(groups);
}

static void agree_group_run(const struct agree_group *g)
{
	_cleanup_(agree_bench_release) struct agree_bench b = { 0 };

	if (!agree_bench_make(&b))
		return;
	for (size_t i = 0; i < g->n && agree_part->wrong < AGREE_SHOWN; i++)
		agree_case_run(&b, &g->cases[i]);
}

/* One process of several, with its share of the groups. */
static pid_t agree_start_part(const struct agree_group *groups, size_t n_groups, size_t part)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	agree_part = &agree_parts[part];
	for (size_t i = part; i < n_groups; i += AGREE_PARTS)
		agree_group_run(&groups[i]);
	_exit(0);
}

static void agree_run_parts(const struct agree_group *groups, size_t n_groups)
{
	pid_t pids[AGREE_PARTS];

	for (size_t i = 0; i < AGREE_PARTS; i++)
		pids[i] = agree_start_part(groups, n_groups, i);
	for (size_t i = 0; i < AGREE_PARTS; i++) {
		int status = -1;

		CU_ASSERT_TRUE(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
	}
}

static bool agree_can_ask(void)
{
	static char words[ORACLE_ERROR_MAX + 64];
	_cleanup_(agree_bench_release) struct agree_bench b = { 0 };
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	char why[ORACLE_ERROR_MAX] = "";
	_cleanup_(policy_freep) struct policy *p = policyfixture_build("", why);
	struct oracle_job job = { .policy = p };
	struct oracle_answer answer;
	int r;

	if (!agree_bench_make(&b) || !p || agree_compile(&b, p, &reply) < 0) {
		tap_fail(__FILE__, __LINE__, "%s %s", why, reply.error);
		return false;
	}
	job.batch = reply.batch;
	job.batch_len = reply.batch_len;
	r = oracle_ask(&job, NULL, 0, &answer, why);
	if (r == -EPERM || r == -ENOENT || r == -EACCES || r == -ENODEV) {
		snprintf(words, sizeof(words), "the oracle cannot work here: %s", why);
		tap_skip(words);
	} else if (r < 0) {
		tap_fail(__FILE__, __LINE__, "%s", why);
	}
	return r == 0;
}

static double agree_seconds(uint64_t ns)
{
	return (double)ns / CLK_NS_PER_S;
}

/* What all have found, summed up in the first. */
static void agree_tell(uint64_t start)
{
	struct agree_part *all = &agree_parts[0];

	for (size_t i = 0; i < AGREE_PARTS; i++) {
		const struct agree_part *p = &agree_parts[i];

		if (p->len)
			tap_fail(__FILE__, __LINE__, "%s", p->words);
		if (!i)
			continue;
		all->policies += p->policies;
		all->asked += p->asked;
		all->agreed += p->agreed;
		all->accepted += p->accepted;
		all->lines += p->lines;
		all->unmade += p->unmade;
		all->unseen += p->unseen;
		all->wrong += p->wrong;
		all->compiling += p->compiling;
		all->asking += p->asking;
	}
	tap_note("%zu policies, %zu packets: %zu agree (%zu accepted, %zu by a line), %zu cannot "
		 "be made, %zu do not reach the rules, %zu disagree",
		 all->policies, all->asked, all->agreed, all->accepted, all->lines, all->unmade,
		 all->unseen, all->wrong);
	tap_note("%.1f s; %.1f to compile, %.1f to ask", agree_seconds(clk_now_ns() - start),
		 agree_seconds(all->compiling), agree_seconds(all->asking));
	CU_ASSERT_EQUAL(all->wrong, 0);
	/* Else it is the packets that are wrong. */
	CU_ASSERT_TRUE(all->agreed * 4 > all->asked);
}

static void agree_random(void)
{
	const char *number = getenv("POSTERN_AGREE_POLICIES");
	size_t n = number ? (size_t)strtoul(number, NULL, 10) : AGREE_POLICIES;
	size_t n_groups = (n + AGREE_TOGETHER - 1) / AGREE_TOGETHER;
	uint64_t start = clk_now_ns();
	struct agree_group *groups;

	if (!agree_can_ask())
		return;
	groups = agree_groups_make(n_groups, n);
	tap_note("%.1f s to make policies and packets", agree_seconds(clk_now_ns() - start));
	if (groups)
		agree_run_parts(groups, n_groups);
	agree_groups_free(groups, n_groups);
	agree_tell(start);
	CU_ASSERT_TRUE(agree_parts[0].wrong || agree_parts[0].policies == n);
	CU_ASSERT_TRUE(agree_parts[0].lines * 20 > agree_parts[0].asked);
}

/* Packets that the proof finds at the borders of everything. */
static void agree_one_by_witnesses(struct agree_bench *b)
{
	static char page[RANDPOLICY_PAGE_MAX];
	_cleanup_(policy_freep) struct policy *p = randpolicy_make_on(&b->links, page);
	_cleanup_(terms_release) struct terms t = { 0 };
	struct terms_packet *packets = NULL;
	size_t n = 0;

	if (!p || terms_make(p, &t) < 0)
		return;
	CU_ASSERT_EQUAL(prove_witnesses(&t, AGREE_WITNESSES, &packets, &n), 0);
	agree_ask(b, &t, page, packets, n);
	free(packets);
}

static void agree_witnesses(void)
{
	uint64_t start = clk_now_ns();

	if (!agree_can_ask())
		return;
	for (size_t i = 0; i < AGREE_PROVEN && agree_part->wrong < AGREE_SHOWN; i++) {
		_cleanup_(agree_bench_release) struct agree_bench b = { 0 };

		if (agree_bench_make(&b))
			agree_one_by_witnesses(&b);
	}
	agree_tell(start);
}

static void agree_setup(void)
{
	agree_parts = mmap(NULL, AGREE_PARTS * sizeof(*agree_parts), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(agree_parts, MAP_FAILED);
	agree_part = &agree_parts[0];
}

static void agree_teardown(void)
{
	munmap(agree_parts, AGREE_PARTS * sizeof(*agree_parts));
}

static const struct tap_test agree_tests[] = {
	{ "random policies, random packets", agree_random },
	{ "random policies, the packets of the proof", agree_witnesses },
	{ 0 },
};

static const struct tap_suite agree_suites[] = {
	{ "agree", agree_tests, agree_setup, agree_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, agree_suites);
}
