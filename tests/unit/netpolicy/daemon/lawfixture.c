/* SPDX-License-Identifier: MIT */
#include "tests/unit/netpolicy/daemon/lawfixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clk.h"
#include "common/files.h"
#include "netpolicy/compile/compiler.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/policyfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

#define LAWFIXTURE_PATIENCE_NS (60 * CLK_NS_PER_S)

/* In place, as the emitter writes: chains are made, emptied and filled. */
static const char lawfixture_text[] =
	"add table inet postern\n"
	"add chain inet postern input { type filter hook input priority -10; policy drop; }\n"
	"flush chain inet postern input\n"
	"add chain inet postern forward { type filter hook forward priority -10; policy drop; }\n"
	"flush chain inet postern forward\n"
	"add chain inet postern output { type filter hook output priority -10; policy drop; }\n"
	"flush chain inet postern output\n"
	"add chain inet postern services\n"
	"flush chain inet postern services\n"
	"add set inet postern grant_ssh6 { type ipv6_addr; flags timeout; }\n"
	"add set inet postern grant_ssh4 { type ipv4_addr; flags timeout; }\n"
	"add set inet postern net6 { type ipv6_addr; }\n"
	"flush set inet postern net6\n"
	"add element inet postern net6 { 2001:db8:7::1, 2001:db8:7::2 }\n"
	"add rule inet postern input iifname \"lo\" counter accept comment \"lo\"\n"
	"add rule inet postern input ip6 saddr @grant_ssh6 tcp dport 22 counter accept comment "
	"\"policy.conf:19 grant ssh\"\n"
	"add rule inet postern input ip saddr @grant_ssh4 tcp dport 22 counter accept\n"
	"add rule inet postern input jump services\n"
	"add rule inet postern input counter drop\n"
	"add rule inet postern services ip6 saddr @net6 tcp dport %u counter accept comment "
	"\"policy.conf:%u\"\n"
	"add rule inet postern forward counter drop\n"
	"add rule inet postern output oifname \"lo\" counter accept\n"
	"add rule inet postern output counter drop\n"
	"add table netdev postern_guard\n"
	"add chain netdev postern_guard egress_eth0 { type filter hook egress device \"eth0\" "
	"priority 500; policy accept; }\n"
	"flush chain netdev postern_guard egress_eth0\n"
	"add rule netdev postern_guard egress_eth0 ip6 daddr 2001:db8:c::/48 counter drop\n";

static void lawfixture_offer(struct batchfile *f)
{
	struct batchfile_grant *grant = calloc(1, sizeof(*grant));
	struct ip6_prefix *nets = calloc(2, sizeof(*nets));

	if (!grant || !nets)
		abort();
	snprintf(grant->name, sizeof(grant->name), "ssh");
	grant->max_s = 3600;
	grant->n_nets = 2;
	nets[0] = (struct ip6_prefix){ { .s6_addr = { 0x20, 0x01, 0x0d, 0xb8 } }, 32 };
	nets[1] = (struct ip6_prefix){ { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 10 } },
				       96 + 8 };
	grant->nets = nets;
	f->grants = grant;
	f->n_grants = 1;
}

void lawfixture_make(unsigned int n, struct batchfile *ret)
{
	struct compilewire_request q = { .n_devices = 1, .devices = { "eth0" } };
	struct compilewire_reply reply = { 0 };
	char text[sizeof(lawfixture_text) + 32];

	policyfixture_use_build();
	snprintf(text, sizeof(text), lawfixture_text, n, n);
	q.text = text;
	q.text_len = strlen(text);
	*ret = (struct batchfile){ 0 };
	if (compiler_run(&q, &reply) < 0)
		tap_fail(__FILE__, __LINE__, "%s", reply.error);
	snprintf(ret->about, sizeof(ret->about), "policy %u", n);
	ret->batch = steal_ptr(reply.batch);
	ret->batch_len = reply.batch_len;
	ret->expected = reply.expected;
	reply.expected = (struct kdump){ 0 };
	ret->page = strdup("{\"page\":1}");
	ret->page_len = ret->page ? strlen(ret->page) : 0;
	lawfixture_offer(ret);
	compilewire_release_reply(&reply);
}

void lawfixture_write(const char *dir, const char *name, unsigned int n)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	char path[PATH_MAX + 64];

	lawfixture_make(n, &f);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CU_ASSERT_EQUAL(batchfile_write(path, &f), 0);
}

bool lawfixture_begin(struct lawfixture *f)
{
	*f = (struct lawfixture){ 0 };
	tmpdir_path(f->dir, "state");
	tmpdir_path(f->socket, "daemon.sock");
	tmpdir_path(f->log, "daemon.log");
	lawfixture_end(f);
	if (!netns_fresh())
		return false;
	netns_run("mkdir -m 0700 %s && ip link add eth0 type veth", f->dir);
	return true;
}

static void lawfixture_exec(const struct lawfixture *f, const char *option)
{
	const char *build = getenv("POSTERN_TEST_BUILD");
	char program[PATH_MAX + 64];
	int fd = open(f->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	snprintf(program, sizeof(program), "%s/netpolicy/netpolicyd", build ? build : ".");
	dup2(fd, STDERR_FILENO);
	execl(program, program, "--state-dir", f->dir, "--socket", f->socket, option, (char *)NULL);
	_exit(127);
}

/* A short pause between two looks at something that another process does. */
static void lawfixture_breathe(void)
{
	(void)poll(NULL, 0, 5);
}

void lawfixture_start(struct lawfixture *f, const char *option)
{
	const struct ctlwire_request q = { .op = CTLWIRE_STATUS };
	static struct ctlwire_answer a;
	uint64_t end_ns = clk_now_ns() + LAWFIXTURE_PATIENCE_NS;
	int r = -1, status;

	fflush(NULL);
	f->pid = fork();
	if (f->pid == 0)
		lawfixture_exec(f, option);
	while (r != 0 && clk_now_ns() < end_ns) {
		if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
			tap_fail(__FILE__, __LINE__, "it ended with %x", (unsigned int)status);
			f->pid = 0;
			return;
		}
		r = ctlwire_call(f->socket, &q, 5000, &a);
		if (r != 0)
			lawfixture_breathe();
	}
	CU_ASSERT_EQUAL(r, 0);
}

int lawfixture_stop(struct lawfixture *f, int signal)
{
	int status = 0;

	if (!f->pid)
		return -1;
	kill(f->pid, signal);
	waitpid(f->pid, &status, 0);
	f->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

const struct ctlwire_answer *lawfixture_ask(struct lawfixture *f, const struct ctlwire_request *q)
{
	static struct ctlwire_answer a;
	int r;

	a = (struct ctlwire_answer){ .result = -ENOTCONN };
	r = ctlwire_call(f->socket, q, 60000, &a);
	if (r != 0)
		tap_fail(__FILE__, __LINE__, "operation %d: %s", q->op, strerror(-r));
	return &a;
}

const struct ctlwire_answer *lawfixture_do(struct lawfixture *f, enum ctlwire_op op,
					   unsigned int seconds)
{
	const struct ctlwire_request q = { .op = op, .seconds = seconds };

	return lawfixture_ask(f, &q);
}

void lawfixture_wait(const char *command)
{
	uint64_t end_ns = clk_now_ns() + LAWFIXTURE_PATIENCE_NS;
	char line[512];
	bool is_done = false;

	snprintf(line, sizeof(line), "%s && echo yes", command);
	while (!is_done && clk_now_ns() < end_ns) {
		char *text = netns_output(line);

		is_done = text && strstr(text, "yes");
		free(text);
		if (!is_done)
			lawfixture_breathe();
	}
	if (!is_done)
		tap_fail(__FILE__, __LINE__, "never: %s", command);
}

const struct ctlwire_status *lawfixture_status(struct lawfixture *f)
{
	return &lawfixture_do(f, CTLWIRE_STATUS, 0)->status;
}

bool lawfixture_said(struct lawfixture *f, const char *words)
{
	_cleanup_(files_freep) uint8_t *text = NULL;
	size_t len;

	return files_read(f->log, 16 * 1024 * 1024, &text, &len) == 0 &&
	       strstr((const char *)text, words);
}

void lawfixture_write_again(struct lawfixture *f, const struct batchfile *law)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/policy.next", f->dir);
	CU_ASSERT_EQUAL(batchfile_write(path, law), 0);
}

void lawfixture_end(struct lawfixture *f)
{
	lawfixture_stop(f, SIGKILL);
	netns_run("rm -rf %s %s %s", f->dir, f->socket, f->log);
}
