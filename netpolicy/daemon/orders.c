/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/orders.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "common/log.h"
#include "netpolicy/daemon/warden.h"

static void orders_say(struct ctlwire_answer *a, const char *fmt, ...) _printf_(2, 3);

/* Adds words; what does not fit is cut. */
static void orders_say(struct ctlwire_answer *a, const char *fmt, ...)
{
	size_t at = strlen(a->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->text + at, sizeof(a->text) - at, fmt, ap);
	va_end(ap);
}

static void orders_refuse(struct ctlwire_answer *a, int result, enum pst code, const char *why)
{
	a->result = result;
	a->pst = code;
	orders_say(a, "%s", why);
}

static void orders_status(struct warden *k, const struct ctlwire_request *q,
			  struct ctlwire_answer *a)
{
	struct ctlwire_status *s = &a->status;
	const struct enforcer *e = &k->enforcer;
	uint64_t now_ns = clk_now_ns();

	snprintf(s->about, sizeof(s->about), "%s",
		 e->mode == ENFORCER_BLIND ? "an unknown policy" : e->law.about);
	snprintf(s->boot_about, sizeof(s->boot_about), "%s", k->saved_about);
	s->is_intact = e->is_intact && !k->pace.due_ns;
	s->is_owner = e->is_owner;
	s->is_pending = k->trial.is_pending;
	s->is_trial = k->trial.is_trial;
	if (s->is_pending && k->trial.until_ns > now_ns)
		s->pending_left_s = (uint32_t)((k->trial.until_ns - now_ns) / CLK_NS_PER_S);
	if (kernio_generation(e->k, &s->generation) != 0)
		s->generation = 0;
	s->n_grants = (uint32_t)k->grantor.book.n;
	s->n_repairs = k->n_repairs;
	s->n_overruns = k->n_overruns;
	s->started_s = (int64_t)k->started_s;
	s->checked_s = (int64_t)e->looked_s;
}

static void orders_refuse_load(struct ctlwire_answer *a, int r,
			       const struct enforcer_report *report)
{
	orders_refuse(a, r, r == -EPERM ? PST_POLICY_OWNED : PST_POLICY_KERNEL,
		      report->error[0] ? report->error :
		      r == -EIO ? "the kernel shows something else than was loaded; the policy "
				  "before is back" :
				  strerror(-r));
}

static void orders_note(const struct warden *k, struct ctlwire_answer *a)
{
	const struct enforcer *e = &k->enforcer;

	for (size_t i = 0; i < e->n_pending; i++)
		orders_say(a, "no guard on %s yet: the interface does not exist\n", e->pending[i]);
	if (e->is_learned)
		orders_say(a, "this kernel shows the rules in another way than they were "
			      "recorded; they are watched as it shows them\n");
}

/* Saves what is enforced now, with its page. */
static int orders_save(struct warden *k, char *page, size_t page_len)
{
	struct batchfile whole = k->enforcer.law; /* borrows */
	int r;

	whole.page = page;
	whole.page_len = page_len;
	r = lawfile_save(k->options.state_dir, &whole);
	if (r == 0)
		memcpy(k->saved_about, whole.about, sizeof(k->saved_about));
	return r;
}

/* After loading: for good, or until somebody confirms. */
static int orders_keep(struct warden *k, const struct ctlwire_request *q, char *page,
		       size_t page_len)
{
	if (!q->seconds)
		return orders_save(k, page, page_len);
	/* It ends also when it cannot be kept for a confirmation. */
	k->trial = (struct warden_trial){ .is_pending = true, .is_trial = q->is_trial };
	k->trial.until_ns = clk_now_ns() + q->seconds * CLK_NS_PER_S;
	return lawfile_hold(k->options.state_dir);
}

static void orders_load(struct warden *k, const struct ctlwire_request *q, struct batchfile *f,
			struct ctlwire_answer *a)
{
	_cleanup_(files_freep) uint8_t *page = (uint8_t *)steal_ptr(f->page);
	size_t page_len = f->page_len;
	struct enforcer_report report;
	int r = warden_load(k, f, &report);

	if (r < 0) {
		orders_refuse_load(a, r, &report);
		return;
	}
	if (k->trial.is_pending)
		warden_end_trial(k);
	r = orders_keep(k, q, (char *)page, page_len);
	if (r < 0) {
		a->result = r;
		orders_say(a,
			   "the policy is enforced, but could not be saved (%s): %s the one "
			   "before\n",
			   strerror(-r),
			   q->seconds ? "it cannot be confirmed, and its time ends with" :
					"a restart or a reboot loads");
	}
	log_info("loaded%s: %s", q->seconds ? " for a while" : "", k->enforcer.law.about);
	orders_note(k, a);
}

static void orders_apply(struct warden *k, const struct ctlwire_request *q,
			 struct ctlwire_answer *a)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	char error[BATCH_ERROR_MAX] = "";
	int r;

	if (q->seconds > ORDERS_CONFIRM_MAX_S || (q->is_trial && !q->seconds)) {
		orders_refuse(a, -EINVAL, PST_NONE, "a time of 1 to 86400 seconds is needed");
		return;
	}
	r = q->is_trial ? lawfile_read_trial(k->options.state_dir, &f, error) :
			  lawfile_read(k->options.state_dir, LAWFILE_NEXT, &f, error);
	if (r != 0)
		orders_refuse(a, r > 0 ? -EBADMSG : r,
			      r > 0 ? PST_BATCH_REFUSED : PST_BATCH_UNREADABLE, error);
	else
		orders_load(k, q, &f, a);
}

static void orders_confirm(struct warden *k, const struct ctlwire_request *q,
			   struct ctlwire_answer *a)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	const struct batchfile *law = &k->enforcer.law;
	char error[BATCH_ERROR_MAX] = "";
	int r;

	if (!k->trial.is_pending) {
		orders_refuse(a, -ENOENT, PST_NONE, "no policy waits for confirmation");
		return;
	}
	if (k->trial.is_trial) {
		orders_refuse(a, -EPERM, PST_NONE,
			      "what is only tried cannot be kept; use 'netpolicy apply'");
		return;
	}
	r = lawfile_read(k->options.state_dir, LAWFILE_PENDING, &f, error);
	if (r == 0 &&
	    (f.batch_len != law->batch_len || memcmp(f.batch, law->batch, law->batch_len) != 0))
		r = -ESTALE;
	if (r == 0)
		r = orders_save(k, f.page, f.page_len);
	if (r != 0) {
		orders_refuse(a, r > 0 ? -EBADMSG : r, PST_NONE,
			      error[0] ? error : strerror(r > 0 ? EBADMSG : -r));
		return;
	}
	warden_end_trial(k);
	log_info("confirmed: %s", law->about);
}

static void orders_rollback(struct warden *k, const struct ctlwire_request *q,
			    struct ctlwire_answer *a)
{
	int r;

	if (k->trial.is_pending) {
		r = warden_leave_trial(k, "rolled back to");
	} else {
		r = lawfile_swap(k->options.state_dir);
		if (r < 0) {
			orders_refuse(a, r, PST_NONE, "there is no policy before this one");
			return;
		}
		r = warden_load_saved(k, "rolled back to");
		if (r < 0 && lawfile_swap(k->options.state_dir) == 0)
			warden_load_saved(k, "back to");
	}
	if (r < 0)
		orders_refuse(a, r, PST_POLICY_KERNEL,
			      "the policy before could not be loaded; the log says why");
	else
		orders_note(k, a);
}

/* A refusal of the grantor in words. */
static void orders_refuse_grant(const struct warden *k, int r, const char *name,
				struct ctlwire_answer *a)
{
	const struct batchfile_grant *offer = enforcer_grant(&k->enforcer, name);

	a->pst = r == -EPERM ? PST_POLICY_OWNED : PST_GRANT_REFUSED;
	a->result = r < 0 ? r : r == GRANTOR_E_THERE ? -EEXIST : -EINVAL;
	if (r == GRANTOR_E_UNKNOWN)
		orders_say(a, "the policy that is enforced offers no grant '%s'", name);
	else if (r == GRANTOR_E_NET)
		orders_say(a, "grant '%s' is for addresses of its net only", name);
	else if (r == GRANTOR_E_LENGTH)
		orders_say(a, "grant '%s' is for 1 to %u seconds", name, offer ? offer->max_s : 0);
	else if (r == GRANTOR_E_THERE)
		orders_say(a, "the address has grant %llu already; renew that",
			   (unsigned long long)a->id);
	else if (r == -ENOSPC)
		orders_say(a, "%d grants are all that there can be at a time", GRANTBOOK_MAX);
	else if (r == -ENOENT)
		orders_say(a, "there is no such grant");
	else if (r == -EPERM)
		orders_say(a, "the kernel lets another process only change inet postern");
	else
		orders_say(a, "%s", strerror(-r));
}

static void orders_grant_add(struct warden *k, const struct ctlwire_request *q,
			     struct ctlwire_answer *a)
{
	char addr[IP6_ADDR_TEXT];
	int r = grantor_add(&k->grantor, &k->enforcer, q, &a->id);

	if (r != 0)
		orders_refuse_grant(k, r, q->name, a);
	else
		log_info("grant %llu: %s for %s, %u s, given by %s%s%s", (unsigned long long)a->id,
			 q->name, ip6_format_addr(&q->addr, addr), q->seconds, q->who,
			 q->why[0] ? ": " : "", q->why);
}

static void orders_grant_renew(struct warden *k, const struct ctlwire_request *q,
			       struct ctlwire_answer *a)
{
	const struct grantbook_entry *e = grantbook_find(&k->grantor.book, q->id);
	int r = grantor_renew(&k->grantor, &k->enforcer, q->id, q->seconds);

	if (r != 0)
		orders_refuse_grant(k, r, e ? e->name : "", a);
	else
		log_info("grant %llu: renewed for %u s by %s", (unsigned long long)q->id,
			 q->seconds, q->who);
}

static void orders_grant_end(struct warden *k, const struct ctlwire_request *q,
			     struct ctlwire_answer *a)
{
	struct grantbook_entry ended = { 0 };
	int r = grantor_end(&k->grantor, &k->enforcer, q->id, &ended);

	if (ended.id)
		log_info("grant %llu ended by %s", (unsigned long long)q->id, q->who);
	if (r < 0)
		orders_refuse_grant(k, r, "", a);
}

static void orders_grant_list(struct warden *k, const struct ctlwire_request *q,
			      struct ctlwire_answer *a)
{
	a->n = (uint32_t)grantor_list(&k->grantor, &k->enforcer, q->id, a->grants);
}

static void orders_drift_list(struct warden *k, const struct ctlwire_request *q,
			      struct ctlwire_answer *a)
{
	a->n = (uint32_t)driftlog_list(&k->log, q->id, a->drifts);
}

static void (*const orders_table[])(struct warden *k, const struct ctlwire_request *q,
				    struct ctlwire_answer *a) = {
	[CTLWIRE_STATUS] = orders_status,         [CTLWIRE_APPLY] = orders_apply,
	[CTLWIRE_CONFIRM] = orders_confirm,       [CTLWIRE_ROLLBACK] = orders_rollback,
	[CTLWIRE_GRANT_ADD] = orders_grant_add,   [CTLWIRE_GRANT_RENEW] = orders_grant_renew,
	[CTLWIRE_GRANT_END] = orders_grant_end,   [CTLWIRE_GRANT_LIST] = orders_grant_list,
	[CTLWIRE_DRIFT_LIST] = orders_drift_list,
};

void orders_answer(void *user, const struct ctlwire_request *q, struct ctlwire_answer *answer)
{
	if (q->op >= ARRAY_SIZE(orders_table) || !orders_table[q->op])
		answer->result = -EINVAL;
	else
		orders_table[q->op](user, q, answer);
}
