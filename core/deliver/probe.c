/* probe - may mail for this recipient be delivered? The question goes the way that mail would go: route, next hop, session,
 * RCPT, and no further (Postfix's verify(8)). The answer is logged like a delivery, under a queue id of its own. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/recipients.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_try.h"
#include "core/msg/received.h"
#include "core/route/local_user.h"

struct probe {
	struct list link;              /* deliver.probes */
	struct loop_task task;
	struct deliver *d;
	struct arena arena;
	struct delivery job;
	struct delivery_result result;
	struct dest dest;
	struct qmsg msg;
	struct envelope e;
	struct rcpt rcpt;
	const struct rcpt *rcpts[1];
	struct reply known;            /* answered without a session */
	struct smtp_try *try;
	void (*fn)(void *ctx, const struct reply *r);
	void *ctx;
};

static void probe_free(struct probe *p)
{
	list_remove(&p->link);
	list_remove(&p->task.link);
	if (p->dest.owner)
		deliver_dest_idle(p->d, &p->dest);
	arena_fini(&p->arena);
	mem_free(p);
}

static void probe_finish(struct deliver *d, struct delivery *job, struct delivery_facts *f)
{
	struct probe *p = job->ctx;
	char qid[QID_MAX];

	qid_format(qid, p->msg.id);
	f->qid = qid;
	f->now = loop_wall(d->o.loop);
	f->probe = true;
	delivery_log(job, f);
	log_say(LOG_SEV_INFO, "qmgr", 0, qid, "removed", "removed");
	p->fn(p->ctx, &p->result.reply);
	probe_free(p);
}

static void run_known(struct loop_task *task)
{
	struct probe *p = LIST_ITEM(task, struct probe, task);
	struct delivery_facts f = { .service = "local" };

	delivery_answer_all(&p->job, &p->known, p->known.code == 250 ? "local" : "none", "");
	if (p->dest.transport)
		f.service = master_programs[p->dest.transport->program].name;
	probe_finish(p->d, &p->job, &f);
}

static uint64_t new_id(struct deliver *d)
{
	uint64_t id = (uint64_t)(loop_wall(d->o.loop) / USEC_PER_MSEC);

	d->last_probe_id = id > d->last_probe_id ? id : d->last_probe_id + 1;
	return d->last_probe_id;
}

/* The size of the message that Postfix would queue for this: Received, Date, From and Message-Id and no body. It is never
 * sent, but a server that looks at SIZE (RFC 1870) shall see what a small mail has, and the log what log readers know. */
static uint64_t size_of_question(const struct probe *p, const char *qid, size_t message_id)
{
	static const char frame[] = "Received: by  ()\r\n\tid ; \r\nDate: \r\nFrom: \r\nMessage-Id: \r\n";
	static const char date[] = "Mon, 01 Jan 2024 00:00:00 +0000 (UTC)";
	const struct conf *c = p->d->o.conf;

	return sizeof(frame) - 1 + 2 * (sizeof(date) - 1) + strlen(c->myhostname) + strlen(c->mail_name) + strlen(qid) + p->e.sender.n +
		message_id;
}

static void fill(struct probe *p, struct str rcpt)
{
	struct deliver *d = p->d;
	const struct conf *c = d->o.conf;
	usec now = loop_wall(d->o.loop);
	char qid[QID_MAX];
	struct log_line l;
	struct buf id;
	struct str sender = str_of(c->address_verify_sender);

	if (str_eq(sender, STR("<>")))
		sender = STR_EMPTY;
	p->msg.id = new_id(d);
	p->rcpt.addr = arena_str(&p->arena, rcpt);
	recipient_complete(d->o.router, &p->arena, &p->rcpt);
	p->rcpts[0] = &p->rcpt;
	p->e = (struct envelope){
		.sender = sender.n ? rewrite_address(d->o.router, &p->arena, sender, true) : STR_EMPTY,
		.rcpts = &p->rcpt, .n_rcpts = 1, .flags = ENVELOPE_VERIFY | ENVELOPE_LOCAL, .arrival = now, .uid = -1,
	};
	p->e.flags |= addr_is_utf8(p->rcpt.addr) ? ENVELOPE_SMTPUTF8 : 0;
	p->job = (struct delivery){
		.dest = &p->dest, .msg = &p->msg, .envelope = &p->e, .n = 1, .rcpts = p->rcpts, .results = &p->result,
		.active_at = now, .start_at = now, .ctx = p,
	};
	qid_format(qid, p->msg.id);
	buf_init(&id, LIMIT_ADDRESS);
	message_id_format(&id, now, qid, c->myhostname);
	log_begin(&l, "cleanup", 0, qid);
	log_id(&l, "message-id", buf_view(&id));
	log_key(&l, "event", STR("message-id"));
	log_end(&l);
	p->e.size = size_of_question(p, qid, id.n);
	buf_fini(&id);
	log_begin(&l, "qmgr", 0, qid);
	log_addr(&l, "from", p->e.sender);
	log_number(&l, "size", (int64_t)p->e.size);
	log_number(&l, "nrcpt", 1);
	buf_z(&l.text, " (queue active)");
	log_key(&l, "event", STR("active"));
	log_end(&l);
}

static void answer_known(struct probe *p)
{
	loop_task_init(&p->task, run_known);
	loop_defer(p->d->o.loop, &p->task);
}

static void judge_other(struct probe *p)
{
	if (p->dest.transport->program == MASTER_LOCAL)
		local_user_check(p->d->o.router, p->rcpt.addr, &p->known);
	else
		simple_answer(p->dest.transport, str_of(p->dest.nexthop), &p->known);
	answer_known(p);
}

/* becomes - what cleanup would make of the recipient; false: that is the answer, in p->known (Postfix's words) */
static bool becomes(struct probe *p)
{
	struct recipients_rules rules = { .router = p->d->o.router, .maps = true };
	struct arena scratch;

	arena_init(&scratch, LIMIT_FORWARD_ARENA);
	recipients_become(&rules, &p->arena, &scratch, &p->e, &p->known);
	arena_fini(&scratch);
	if (!p->known.code && p->e.n_rcpts > 1)
		reply_set(&p->known, 250, "2.0.0", "aliased to multiple recipients");
	if (p->known.code)
		return false;
	p->rcpt = p->e.rcpts[0];
	p->e.rcpts = &p->rcpt;
	return true;
}

void deliver_probe(struct deliver *d, struct str rcpt, void (*fn)(void *ctx, const struct reply *r), void *ctx)
{
	struct probe *p = MEM_NEW(struct probe);
	struct route r;

	p->d = d;
	p->fn = fn;
	p->ctx = ctx;
	loop_task_init(&p->task, run_known);
	arena_init(&p->arena, LIMIT_SESSION_ARENA);
	list_append(&d->probes, &p->link);
	fill(p, rcpt);
	if (!becomes(p)) {
		p->e.rcpts = &p->rcpt;
		p->e.n_rcpts = 1;
		answer_known(p);
		return;
	}
	route_resolve(d->o.router, &p->arena, p->e.sender, p->rcpt.addr, &r, NULL);
	if (r.failed.code || !r.transport) {
		p->known = r.failed;
		answer_known(p);
		return;
	}
	p->dest.transport = r.transport;
	p->dest.nexthop = arena_z(&p->arena, r.nexthop);
	if (master_programs[r.transport->program].connects)
		p->try = smtp_try_start(d, &p->job, true, probe_finish);
	else
		judge_other(p);
}

bool probe_uses(const struct deliver *d, const struct master *m)
{
	LIST_EACH(&d->probes, it, tmp)
		if (master_owns(m, LIST_ITEM(it, struct probe, link)->dest.transport))
			return true;
	return false;
}

void probe_free_all(struct deliver *d)
{
	LIST_EACH(&d->probes, it, tmp) {
		struct probe *p = LIST_ITEM(it, struct probe, link);

		if (p->try)
			smtp_try_free(p->try);
		p->dest.owner = NULL;
		probe_free(p);
	}
}
