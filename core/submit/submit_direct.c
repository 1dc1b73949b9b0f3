/* submit_direct - see submit_direct.h. What relayd would do to local mail is done here: addresses get their domain, the header is
 * completed, each recipient is routed. Nothing is delivered here: mail for this host goes where all other goes. A configuration
 * that cannot work (no such host, wrong password) is EX_TEMPFAIL, never a refusal of the mail. */
#include "core/submit/submit_direct.h"

#include <sysexits.h>
#include <unistd.h>

#include "core/base/format.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/cleanup.h"
#include "core/conf/conf_log.h"
#include "core/submit/submit_judge.h"
#include "core/submit/submit_road.h"

struct direct {
	struct conf *conf;             /* the given one, for a host without mailboxes */
	struct master master;
	struct router *router;
	struct checks *checks;
	struct arena arena;
	struct envelope envelope;      /* addresses completed */
	struct buf message;            /* header completed */
	uint64_t id;
	struct road_hop *hops;
};

/* --- the settings ------------------------------------------------------------------------------------------------------ */

static bool open_settings(struct direct *d, const struct conf *c, struct buf *why)
{
	/* tables of local delivery are neither opened nor complained about */
	static const char *const no_local[] = { "alias_maps=", "local_recipient_maps=", "mydestination=", NULL };
	struct conf_diag diag;
	bool good;

	conf_diag_init(&diag);
	d->conf = conf_overlay(c, no_local, NULL, 0, &diag);
	if (d->conf && master_load(d->conf, &d->master, &diag) == 0)
		d->router = router_new(d->conf, &d->master, &diag);
	if (d->router)
		d->checks = checks_of_incoming(d->conf, &diag);
	if (!d->router || diag.errors)
		buf_printf(why, "%s", diag.n ? diag.v[diag.n - 1].text : "the configuration cannot be used");
	good = d->router && !diag.errors;
	conf_diag_fini(&diag);
	return good;
}

/* open_log - where relayd would log, if this user may write there, else syslog, else nowhere: standard error is for people */
static void open_log(const struct conf *c)
{
	struct conf_log l;

	if (log_is_open())
		return;
	conf_log(c, LOG_TO_SYSLOG, &l);
	if (l.also.sink == LOG_TO_STDERR || l.also.sink == LOG_TO_STDOUT)
		l.config.also = NULL;
	if (l.config.sink == LOG_TO_STDERR || l.config.sink == LOG_TO_STDOUT)
		l.config.sink = LOG_TO_SYSLOG;
	if (log_open(&l.config) == 0 || log_is_open())
		return;
	l.config.sink = LOG_TO_SYSLOG;
	l.config.path = NULL;
	l.config.also = NULL;
	if (log_open(&l.config) == 0)
		return;
	l.config.sink = LOG_TO_NOTHING;
	(void)log_open(&l.config);
}

/* --- the message ------------------------------------------------------------------------------------------------------- */

struct cleaned { struct direct *d; struct reply reply; };

/* completed addresses are not good any longer than this call */
static void on_clean(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct cleaned *x = ctx;
	struct envelope *e = &x->d->envelope;

	(void)m;
	x->reply = *reply;
	e->sender = arena_str(&x->d->arena, e->sender);
	for (size_t i = 0; i < e->n_rcpts; i++) {
		e->rcpts[i].addr = arena_str(&x->d->arena, e->rcpts[i].addr);
		e->rcpts[i].orig = arena_str(&x->d->arena, e->rcpts[i].orig);
	}
}

static bool copy_recipients(struct direct *d, const struct envelope *e)
{
	d->envelope = *e;
	d->envelope.rcpts = ARENA_ARRAY(&d->arena, struct rcpt, e->n_rcpts);
	if (d->envelope.rcpts)
		memcpy(d->envelope.rcpts, e->rcpts, e->n_rcpts * sizeof(*e->rcpts));
	return d->envelope.rcpts != NULL;
}

/* clean - what the daemon would do to it, on its way into memory; false with the refusal */
static bool clean(struct direct *d, const struct envelope *e, struct str content, struct reply *refusal)
{
	struct cleanup_memory memory = { .header = { .max = LIMIT_HEADER }, .body = { .max = content.n + 2 } };
	struct cleanup_options o = {
		.source = CLEANUP_DIRECT, .sink = cleanup_to_memory(&memory), .router = d->router, .conf = d->conf, .local = true,
		.now = e->arrival, .checks = d->checks,
	};
	struct cleaned answer = { .d = d };
	struct cleanup *c;

	if (!copy_recipients(d, e)) {
		reply_set(refusal, 452, "4.5.3", "too many recipients");
		return false;
	}
	/* the same at each try of a message that is kept: whoever gets it twice must be able to tell */
	d->id = (uint64_t)(e->arrival / USEC_PER_SEC) << 32 |
		(uint32_t)hash_siphash((uint64_t)e->arrival, (uint64_t)e->uid, content.p, content.n);
	qid_format(memory.qid, d->id);
	c = cleanup_begin(&o, &d->envelope);
	cleanup_add(c, content);
	cleanup_end(c, on_clean, &answer);
	buf_init(&d->message, memory.header.n + memory.body.n);
	buf_str(&d->message, buf_view(&memory.header));
	buf_str(&d->message, buf_view(&memory.body));
	d->envelope.size = d->message.n;
	d->envelope.header_size = memory.header.n;
	buf_fini(&memory.header);
	buf_fini(&memory.body);
	*refusal = answer.reply;
	if (answer.reply.code == 250 && d->arena.overflow)
		reply_set(refusal, 452, "4.5.3", "too many recipients");
	return refusal->code == 250;
}

/* --- where to ------------------------------------------------------------------------------------------------------------ */

/* is_routed - somebody said where mail goes. Straight to the recipients' servers is for who has a queue */
static bool is_routed(const struct conf *c)
{
	return strspn(c->relayhost, ", \t\r\n") < strlen(c->relayhost) || *c->transport_maps || *c->sender_dependent_relayhost_maps ||
		*c->sender_dependent_default_transport_maps || strchr(c->default_transport, ':');
}

static void find_hops(struct direct *d)
{
	d->hops = mem_array(NULL, d->envelope.n_rcpts, sizeof(*d->hops));
	for (size_t i = 0; i < d->envelope.n_rcpts; i++) {
		struct road_hop *hop = &d->hops[i];
		struct route to;

		route_resolve(d->router, &d->arena, d->envelope.sender, d->envelope.rcpts[i].addr, &to, NULL);
		*hop = (struct road_hop){ .failed = to.failed, .transport = to.transport };
		if (to.failed.code)
			continue;
		hop->nexthop = str_of(arena_z(&d->arena, to.nexthop));
		if (to.transport->program == MASTER_LOCAL)
			reply_set(&hop->failed, 451, "4.3.5", "mail for mailboxes of this host waits for a relayd");
	}
}

/* --- all of it -------------------------------------------------------------------------------------------------------- */

/* log_begin_of - who sends what: relayd's pickup and qmgr lines in one */
static void log_begin_of(const struct direct *d)
{
	const struct envelope *e = &d->envelope;
	char qid[QID_MAX];
	struct log_line l;

	qid_format(qid, d->id);
	log_begin(&l, "sendmail", (unsigned)getpid(), qid);
	log_key(&l, "event", STR("accept"));
	log_number(&l, "uid", e->uid);
	log_addr(&l, "from", e->sender);
	log_number(&l, "size", (int64_t)e->size);
	log_number(&l, "nrcpt", (int64_t)e->n_rcpts);
	log_end(&l);
}

static int send_all(struct direct *d, const struct submit_options *o, struct submit_result *out, enum verdict *verdicts, struct buf *why)
{
	struct submit_road road = { .conf = d->conf, .master = &d->master, .router = d->router, .options = o,
		.content = buf_view(&d->message), .id = d->id, .socket = -1 };
	struct delivery_result *results = mem_array(NULL, d->envelope.n_rcpts, sizeof(*results));
	int code = EX_TEMPFAIL;

	log_begin_of(d);
	find_hops(d);
	if (submit_road_run(&road, &d->envelope, d->hops, results, why) == 0)
		code = submit_judge(&d->envelope, results, out, verdicts);
	mem_free(results);
	return code;
}

/* refuse - the message as a whole: for good is the answer about all recipients */
static int refuse(const struct reply *refusal, size_t n, enum verdict *verdicts, struct buf *why)
{
	buf_z(why, refusal->text);
	for (size_t i = 0; i < n; i++)
		verdicts[i] = reply_verdict(refusal);
	return reply_verdict(refusal) == VERDICT_NEVER ? EX_UNAVAILABLE : EX_TEMPFAIL;
}

/* dropped - a rule wants it to be as if the message had been sent */
static int dropped(size_t n, enum verdict *verdicts)
{
	for (size_t i = 0; i < n; i++)
		verdicts[i] = VERDICT_DONE;
	return EX_OK;
}

static void close_all(struct direct *d)
{
	router_free(d->router);
	checks_unref(d->checks);
	master_fini(&d->master);
	conf_free(d->conf);
	mem_free(d->hops);
	buf_fini(&d->message);
	arena_fini(&d->arena);
}

int submit_direct(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out, enum verdict *verdicts)
{
	struct direct d = { .conf = NULL };
	int code = EX_TEMPFAIL;
	struct reply refusal;
	struct buf why;

	if (!is_routed(c)) {
		format_text(out->why, sizeof(out->why), "no relayhost is set (main.cf, or RELAYHOST in the environment)");
		return SUBMIT_NOT_THERE;
	}
	for (size_t i = 0; i < e->n_rcpts; i++)
		verdicts[i] = VERDICT_LATER;
	arena_init(&d.arena, 8 * LIMIT_SESSION_ARENA);
	buf_init(&why, LIMIT_MAP_VALUE);
	if (open_settings(&d, c, &why)) {
		open_log(d.conf);
		if (clean(&d, e, content, &refusal))
			code = d.message.n ? send_all(&d, o, out, verdicts, &why) : dropped(e->n_rcpts, verdicts);
		else
			code = refuse(&refusal, e->n_rcpts, verdicts, &why);
		log_finish();
	}
	if (why.n)
		format_text(out->why, sizeof(out->why), "%s", buf_cstr(&why));
	buf_fini(&why);
	close_all(&d);
	return code;
}
