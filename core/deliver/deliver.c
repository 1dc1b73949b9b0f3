/* deliver - the dispatcher: a delivery goes to the program of its transport and comes back with an answer per recipient,
 * logged. Answers never come from inside deliver_start. */
#include "core/deliver/deliver_private.h"
#include "core/oauth/oauth.h"
#include "core/oauth/state.h"
#include "core/policy/sts.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/local/helper_client.h"
#include "core/deliver/smtp/smtp_try.h"
#include "core/deliver/tls_report.h"

static void (*const starts[MASTER_PROGRAMS])(struct deliver *d, struct delivery *job) = {
	[MASTER_SMTP] = smtp_start, [MASTER_LMTP] = smtp_start, [MASTER_LOCAL] = local_start, [MASTER_VIRTUAL] = simple_start,
	[MASTER_ERROR] = simple_start, [MASTER_RETRY] = simple_start, [MASTER_DISCARD] = simple_start,
};

void deliver_start(struct deliver *d, struct delivery *job)
{
	starts[job->dest->transport->program](d, job);
}

struct deliver *deliver_new(const struct deliver_options *o)
{
	struct deliver *d = MEM_NEW(struct deliver);
	char kept[OAUTH_STATE_PATH];

	d->o = *o;
	if (!d->o.content.open)
		d->o.content = content_of_store(o->store);
	list_init(&d->sessions);
	list_init(&d->tries);
	list_init(&d->local_jobs);
	list_init(&d->simple_jobs);
	list_init(&d->probes);
	list_init(&d->notices);
	table_init(&d->dests);
	/* not zeroed: a page of it counts once it is used */
	d->scratch = mem_array(NULL, LIMIT_CLIENT_PIECE, 1);
	d->oauth = oauth_new(&(struct oauth_options){ .loop = o->loop, .dns = o->dns, .pool = o->pool,
		.directory = o->store ? "oauth" : oauth_state_place(o->conf->queue_directory, false, kept) });
	/* what an earlier run counted is told even if nothing is sent any more */
	if (o->store && o->conf->smtp_tlsrpt_enable)
		d->report = tls_report_new(d);
	if (o->helper_fd >= 0)
		d->helper = helper_client_new(o->loop, o->helper_fd);
	return d;
}

void deliver_reconfigure(struct deliver *d, const struct conf *c, const struct master *m, struct router *r, struct deliver_profiles *p,
	const struct bounce_templates *templates)
{
	d->o.templates = templates;
	d->o.conf = c;
	d->o.master = m;
	d->o.router = r;
	d->o.profiles = p;
	smtp_pool_close_idle(d);
	deliver_ask_again(d);
}

void deliver_ask_again(struct deliver *d)
{
	dns_forget_all(d->o.dns);
	smtp_dead_forget_all(d);
}

bool deliver_uses(const struct deliver *d, const struct master *m)
{
	LIST_EACH(&d->sessions, it, tmp)
		if (master_owns(m, LIST_ITEM(it, struct smtp_session, link)->profile->transport))
			return true;
	LIST_EACH(&d->tries, it, tmp)
		if (master_owns(m, LIST_ITEM(it, struct smtp_try, link)->profile->transport))
			return true;
	return probe_uses(d, m);
}

void deliver_free(struct deliver *d)
{
	if (!d)
		return;
	d->closing = true;
	probe_free_all(d);
	LIST_EACH(&d->tries, it, tmp)
		smtp_try_free(LIST_ITEM(it, struct smtp_try, link));
	LIST_EACH(&d->sessions, it, tmp)
		smtp_session_drop(LIST_ITEM(it, struct smtp_session, link));
	local_free_all(d);
	simple_free_all(d);
	bounce_forget_all(d);
	oauth_free(d->oauth);
	tls_report_free(d->report);
	sts_free(d->sts);
	helper_client_free(d->helper);
	smtp_dest_free_all(d);
	table_fini(&d->dests);
	mem_free(d->scratch);
	mem_free(d);
}

void deliver_dest_idle(struct deliver *d, struct dest *dest)
{
	struct smtp_dest *x = dest->owner;

	if (!x)
		return;
	dest->owner = NULL;
	x->owners--;
	smtp_dest_release(x);
}

void deliver_save(struct deliver *d)
{
	tls_report_flush(d->report);
}

void deliver_close_idle(struct deliver *d)
{
	smtp_pool_close_idle(d);
}

size_t deliver_sessions(const struct deliver *d)
{
	return d->n_sessions;
}
