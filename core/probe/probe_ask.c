/* probe_ask - see probe_ask.h. Each target has a deliverer of its own: what one target's failures teach it about addresses
 * must not change how the next one is asked. */
#include "core/probe/probe_ask.h"

#include "core/base/mem.h"
#include "core/probe/probe_out.h"

#define LEAVE_TIME (2 * USEC_PER_SEC)  /* for QUIT */
#define LEAVE_LOOK (10 * USEC_PER_MSEC)

/* --- the configuration ------------------------------------------------------------------------------------------------ */

int probe_setup_open(struct probe_setup *s, const char *directory, const char *const *overrides, struct buf *why)
{
	struct conf_diag diag;

	conf_diag_init(&diag);
	arena_init(&s->arena, LIMIT_PROBE_OUTPUT);
	s->conf = conf_load(directory ? directory : "/nonexistent", overrides, &diag);
	if (s->conf && master_load(s->conf, &s->master, &diag) == 0)
		s->router = router_new(s->conf, &s->master, &diag);
	if (s->router)
		s->profiles = deliver_profiles_new(&s->master, &diag);
	for (size_t i = 0; i < diag.n && !s->profiles; i++)
		if (diag.v[i].severity == CONF_ERROR)
			buf_printf(why, "%s%s", why->n ? "; " : "", diag.v[i].text);
	conf_diag_fini(&diag);
	return s->profiles ? 0 : -1;
}

void probe_setup_close(struct probe_setup *s)
{
	mem_free(s->routes);
	deliver_profiles_free(s->profiles);
	router_free(s->router);
	master_fini(&s->master);
	if (s->conf)
		conf_free(s->conf);
	arena_fini(&s->arena);
}

/* --- what the sessions tell --------------------------------------------------------------------------------------------- */

static int find_host(struct probe *p, const char *name)
{
	for (size_t h = 0; h < p->n_hosts; h++)
		if (!strcmp(p->hosts[h].name, name))
			return (int)h;
	if (p->n_hosts == PROBE_HOSTS)
		return -1;
	snprintf(p->hosts[p->n_hosts].name, sizeof(p->hosts[0].name), "%s", name);
	return (int)p->n_hosts++;
}

static int find_address(struct probe_host *h, const struct deliver_step *s)
{
	char text[46] = "socket";

	if (s->address->family != AF_UNSPEC)
		ipaddr_format(s->address, text);
	for (size_t k = 0; k < h->n; k++)
		if (!strcmp(h->v[k]->text, text))
			return (int)k;
	if (h->n == PROBE_ADDRESSES)
		return -1;
	h->v[h->n] = MEM_NEW(struct probe_address);
	h->v[h->n]->ip = *s->address;
	memcpy(h->v[h->n]->text, text, sizeof(text));
	return (int)h->n++;
}

/* what the deliverer's words mean; the first that occurs */
static const struct { const char *words, *check, *advice; } failures[] = {
	{ "invalid_grant", "auth", "relayctl oauth login, into the same file" },
	{ "invalid_client", "auth", "correct client_id and client_secret in the token file" },
	{ "the token endpoint", "auth", "relayctl oauth test tries the token file by itself" },
	{ "to an access token that was had", "auth", "the token has ended or was revoked: ask again, and a new one is had" },
	{ "to a new access token", "auth", "the token is good, the login is not: the user must be the mailbox that agreed, and may have to be allowed SMTP AUTH" },
	{ "token file", "auth", "check the file that smtp_sasl_password_maps names" },
	{ "cannot authenticate", "auth", "no mechanism is left: look at smtp_sasl_security_options, _tls_security_options and the server's AUTH" },
	{ "authentication failed; server", "auth", "check user and password in smtp_sasl_password_maps" },
	{ "password_maps lookup", "auth", "check the table" },
	{ "was not offered", "tls", "another port (587, 465)? else the level of smtp_tls_security_level or the policy is too high" },
	{ "refused to start TLS", "tls", "ask the server's owner" },
	{ "not trusted", "tls", "name the authority in smtp_tls_CAfile" },
	{ "not verified", "tls", "the certificate's names do not match: check the next hop's name, smtp_tls_verify_cert_match" },
	{ "lost connection", "dialogue", "the server, or something before it, hung up: does it want TLS from the first byte?" },
	{ "handshake", "tls", "no common TLS version or cipher, or a port that speaks TLS at once: smtp_tls_wrappermode" },
	{ "TLS", "tls", "check the smtp_tls_ parameters" },
	{ "refused to talk", "banner", "the server refuses this machine's address" },
	{ "not accept mail", "mx", "its owner wants none" },
	{ "loops back", "address", "the next hop is this machine" },
	{ "Host or domain name", "address", "check the name; in brackets no MX records are looked up" },
	{ "Next hop", "address", "correct the next hop" },
	{ "No such file", "connect", "no such socket: check its path, and that its server runs" },
	{ "refused", "connect", "nothing listens on this port, or a firewall rejects it" },
	{ "timed out while", "dialogue", "the server is very slow" },
	{ "timed out", "connect", "a firewall drops it, or your provider blocks the port" },
	{ "unreachable", "connect", "this machine has no route to that address" },
	{ "", "dialogue", "look at the server's log" },
};

static void on_failed(struct probe *p, const struct reply *r, int h, int k)
{
	size_t i = 0;

	while (!strstr(r->text, failures[i].words))
		i++;
	probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), failures[i].check, failures[i].advice, "%.290s", r->text);
}

static void on_tls(struct probe *p, const struct deliver_step *s, int h, int k)
{
	const struct tls_info *t = s->tls;

	p->hosts[h].v[k]->tls = *t;
	p->hosts[h].v[k]->tls_done = true;
	probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "tls", NULL, "%s, level %s: %s with cipher %s (%d bits)", tls_trust_word(t->trust), s->level->word,
		t->version, t->cipher, t->bits);
	if (t->trust < TLS_TRUSTED && s->level->match == TLS_MATCH_NONE)
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "tls", "this level does not ask who the server is; verify or secure would",
			"the certificate is not verified%s%s", t->why_untrusted[0] ? ": " : "", t->why_untrusted);
}

static void on_step(void *ctx, struct delivery *job, const struct deliver_step *s)
{
	struct ask *a = job->ctx;
	struct probe *p = a->probe;
	int h = s->host ? find_host(p, s->host) : -1, k = h >= 0 ? find_address(&p->hosts[h], s) : -1;
	struct probe_address *x = k >= 0 ? p->hosts[h].v[k] : NULL;

	if (s->host && !x)
		return;
	if (s->kind == DELIVER_STEP_FAILED) {
		a->lost++;
		on_failed(p, s->reply, h, k);
	} else if (s->kind == DELIVER_STEP_CONNECTED) {
		x->connect_time = s->took ? s->took : 1;
		if (!a->silent)
			probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "connect", NULL, "port %u, %.0f ms", s->port, (double)s->took / USEC_PER_MSEC);
	} else if (s->kind == DELIVER_STEP_TLS && !a->silent) {
		on_tls(p, s, h, k);
	} else if (s->kind == DELIVER_STEP_AUTH && !a->silent) {
		probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "auth", NULL, "logged in (%s)", s->mechanism);
	} else if (s->kind == DELIVER_STEP_RCPT) {
		a->lost = 0;
		x->stage = PROBE_FINISHED;
		if (a->told)
			a->told(a, s, h, k);
	}
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */

static void free_ask(struct ask *a)
{
	struct probe *p = a->probe;

	deliver_free(a->deliver);
	arena_fini(&a->arena);
	mem_free(a);
	probe_release(p);
}

static void on_timer(struct loop_timer *t)
{
	struct ask *a = LIST_ITEM(t, struct ask, timer);

	if (deliver_sessions(a->deliver) && clock_mono() < a->give_up)
		loop_timer_set(a->probe->opt->loop, t, clock_mono() + LEAVE_LOOK);
	else
		free_ask(a);
}

void ask_end(struct ask *a)
{
	deliver_close_idle(a->deliver);
	a->give_up = clock_mono() + LEAVE_TIME;
	loop_timer_set(a->probe->opt->loop, &a->timer, clock_mono());
}

static void on_task(struct loop_task *t)
{
	struct ask *a = LIST_ITEM(t, struct ask, task);

	a->answered(a);
}

/* the deliverer is still on the stack */
static void on_done(void *ctx, struct delivery *job)
{
	struct ask *a = job->ctx;

	loop_defer(a->probe->opt->loop, &a->task);
}

struct ask *ask_begin(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *),
	void *ctx, bool every)
{
	struct ask *a = MEM_NEW(struct ask);
	const struct probe_setup *s = o->setup;
	struct deliver_options d = { .loop = o->loop, .dns = o->dns, .conf = s->conf, .master = &s->master, .router = s->router,
		.profiles = s->profiles, .done = on_done, .helper_fd = -1, .tap = { .step = on_step }, .ask = true, .as_said = true,
		.every_address = every };

	probe_init(p, o, target, done, ctx);
	probe_hold(p);
	a->probe = p;
	a->setup = s;
	arena_init(&a->arena, LIMIT_SESSION_ARENA);
	loop_task_init(&a->task, on_task);
	loop_timer_init(&a->timer, on_timer);
	a->deliver = deliver_new(&d);
	return a;
}

void ask_put(struct ask *a, const struct master_transport *t, struct str site, struct str sender, struct str rcpt)
{
	if (a->dest.owner)
		deliver_dest_idle(a->deliver, &a->dest);
	a->dest = (struct dest){ .transport = t, .nexthop = arena_z(&a->arena, site) };
	a->rcpt = (struct rcpt){ .addr = rcpt };
	a->rcpts[0] = &a->rcpt;
	a->envelope = (struct envelope){ .sender = sender, .rcpts = &a->rcpt, .n_rcpts = 1, .flags = ENVELOPE_VERIFY, .uid = -1 };
	a->msg = (struct qmsg){ .id = 1 };
	memset(&a->result, 0, sizeof(a->result));
	a->job = (struct delivery){ .dest = &a->dest, .msg = &a->msg, .envelope = &a->envelope, .n = 1, .rcpts = a->rcpts,
		.results = &a->result, .ctx = a };
	deliver_start(a->deliver, &a->job);
}
