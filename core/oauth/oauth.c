/* oauth - see oauth.h. */
#include "core/oauth/oauth.h"

#include <errno.h>
#include <string.h>

#include "core/base/format.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/oauth/endpoint.h"
#include "core/oauth/source.h"
#include "core/oauth/state.h"
#include "core/oauth/work.h"

#define RENEW_AHEAD (5 * 60 * USEC_PER_SEC)    /* a token that ends so soon is renewed, or in the last quarter of its life … */
#define UNUSABLE 10                            /* … and in a tenth of that time no longer used */
#define LIVES_UNSAID (50 * 60 * USEC_PER_SEC)  /* an hour is what all give */
#define NEW_FOR (60 * USEC_PER_SEC)            /* a token so young cannot have ended */
#define RETRY_FIRST (15 * USEC_PER_SEC)
#define RETRY_LONGEST (15 * 60 * USEC_PER_SEC)

struct entry {
	struct list link;
	struct oauth *oauth;
	char *file;                    /* or the credential itself, which no log may have … */
	const char *name;              /* … but this */
	uint8_t source[32];            /* digest of the file as it was read */
	uint8_t state[32];             /* … and of what is kept, as we know it (state.h) */
	char *access_token, *refresh_token;    /* "" where there is none */
	usec expiry;                   /* wall */
	usec lives;                    /* of the last one that we had; 0: none */
	usec had_at;                   /* mono; 0: not by us */
	usec retry_at, retry_wait;     /* mono; after a failure */
	char why[LIMIT_OAUTH_WHY];     /* of the last failure */
	struct fetch *fetch;
	struct oauth_work *work;       /* the request is signed */
	struct oauth_work *save;       /* what we know is written, the last of it; nobody has a new token before, and what is on the disk is older */
	char *endpoint;                /* of the request that is signed */
	struct list waits;
};
struct oauth_wait {
	struct list link;              /* of the entry, or of those who are told at the end of this tick */
	struct oauth *oauth;
	oauth_fn fn;
	void *ctx;
	char *token, *why;             /* once known */
	struct loop_task task;
};
struct oauth {
	struct oauth_options o;
	struct list entries;
	struct list told;
	struct tls_context *tls;
	char *ca_file;                 /* tls was made with */
};

struct oauth *oauth_new(const struct oauth_options *options)
{
	struct oauth *o = MEM_NEW(struct oauth);

	o->o = *options;
	o->o.directory = o->o.directory && *o->o.directory ? mem_dupz(o->o.directory) : NULL;
	list_init(&o->entries);
	list_init(&o->told);
	return o;
}

static void forget(char **secret)
{
	mem_free_secret(*secret);
	*secret = NULL;
}

static void keep(char **secret, struct str s)
{
	forget(secret);
	*secret = str_dup(s);
}

static void wait_free(struct oauth_wait *w)
{
	loop_task_cancel(&w->task);
	list_remove(&w->link);
	forget(&w->token);
	mem_free(w->why);
	mem_free(w);
}

void oauth_cancel(struct oauth_wait *w) { wait_free(w); }

/* stop_asking - what is under way is for nobody any more; what is written is written all the same */
static void stop_asking(struct entry *e)
{
	if (e->fetch)
		fetch_cancel(e->fetch);
	oauth_work_forget(e->work);
	oauth_work_forget(e->save);
	e->fetch = NULL;
	e->work = e->save = NULL;
}

void oauth_free(struct oauth *o)
{
	LIST_EACH(&o->entries, it, tmp) {
		struct entry *e = LIST_ITEM(it, struct entry, link);

		stop_asking(e);
		mem_free(e->endpoint);
		LIST_EACH(&e->waits, wit, wtmp)
			wait_free(LIST_ITEM(wit, struct oauth_wait, link));
		forget(&e->access_token);
		forget(&e->refresh_token);
		forget(&e->file);
		mem_free(e);
	}
	LIST_EACH(&o->told, it, tmp)
		wait_free(LIST_ITEM(it, struct oauth_wait, link));
	if (o->tls)
		tls_context_unref(o->tls);
	mem_free(o->ca_file);
	mem_free((char *)(uintptr_t)o->o.directory);
	mem_free(o);
}

static usec ahead(const struct entry *e)
{
	return e->lives && e->lives / 4 < RENEW_AHEAD ? e->lives / 4 : RENEW_AHEAD;
}

static bool is_usable(const struct entry *e, usec now) { return *e->access_token && e->expiry > now + ahead(e) / UNUSABLE; }

/* --- telling -------------------------------------------------------------------------------------------------------------- */

static void on_tell(struct loop_task *t)
{
	struct oauth_wait *w = LIST_ITEM(t, struct oauth_wait, task);
	oauth_fn fn = w->fn;
	void *ctx = w->ctx;
	char *token = w->token, *why = w->why;

	w->token = w->why = NULL;
	wait_free(w);
	fn(ctx, str_of(token ? token : ""), why ? why : "");
	forget(&token);
	mem_free(why);
}

static void tell(struct oauth_wait *w, const char *token, const char *why)
{
	list_remove(&w->link);
	list_append(&w->oauth->told, &w->link);
	w->token = mem_dupz(token);
	w->why = mem_dupz(why);
	loop_defer(w->oauth->o.loop, &w->task);
}

static void tell_all(struct entry *e)
{
	const char *why = *e->access_token || *e->why ? e->why : "the access token was refused meanwhile";

	LIST_EACH(&e->waits, it, tmp)
		tell(LIST_ITEM(it, struct oauth_wait, link), e->access_token, why);
}

static bool is_asking(const struct entry *e) { return e->fetch || e->work; }

/* --- what outlives us --------------------------------------------------------------------------------------------------- */

/* has_place - what the environment gave has no file beside which it could be kept */
static bool has_place(const struct entry *e)
{
	return e->oauth->o.directory || e->name == e->file;
}

static void on_saved(void *ctx, bool good, struct str text, const char *why)
{
	struct entry *e = ctx;

	(void)text;
	(void)why;
	e->save = NULL;
	if (!good && !*e->why)
		log_warn("smtp", "the token of %s cannot be written: it is lost with this process", e->name);
	if (!is_asking(e))
		tell_all(e);
}

/* state_save - then all who wait are told, but for those who wait for an answer. Saves of one credential are done in their order */
static void state_save(struct entry *e)
{
	struct oauth *o = e->oauth;
	struct oauth_state state = { .access_token = str_of(e->access_token), .refresh_token = str_of(e->refresh_token), .why = str_of(e->why),
		.expiry = e->expiry };
	char path[OAUTH_STATE_PATH];
	struct buf text;

	if (!has_place(e)) {
		on_saved(e, true, STR_EMPTY, "");
		return;
	}
	oauth_state_path(o->o.directory, e->file, path);
	buf_init(&text, LIMIT_OAUTH_TEXT * 2);
	oauth_state_format(&state, e->source, &text);
	tls_sha256(e->state, text.p, text.n);
	oauth_work_forget(e->save);
	e->save = oauth_work_save(o->o.loop, o->o.pool, (uint64_t)(uintptr_t)e, &(struct oauth_save){ o->o.directory, path, e->file }, buf_view(&text),
		on_saved, e);
	buf_wipe(&text);
}

/* state_take - what is kept, if it is not what we know; true: it has other tokens. What we are about to write over is older than what we know */
static bool state_take(struct entry *e)
{
	struct oauth_state state;
	uint8_t digest[32];
	struct buf text;
	char path[OAUTH_STATE_PATH];
	bool other = false;

	if (!has_place(e) || e->save)
		return false;
	oauth_state_path(e->oauth->o.directory, e->file, path);
	buf_init(&text, LIMIT_OAUTH_TEXT * 2);
	if (fs_read_file(path, &text) == 0) {
		tls_sha256(digest, text.p, text.n);
		if (memcmp(digest, e->state, sizeof(digest)) != 0 && oauth_state_parse(buf_view(&text), e->source, &state)) {
			other = !str_eq(state.refresh_token, str_of(e->refresh_token)) || !str_eq(state.access_token, str_of(e->access_token));
			memcpy(e->state, digest, sizeof(digest));
			keep(&e->access_token, state.access_token);
			keep(&e->refresh_token, state.refresh_token);
			e->expiry = state.expiry;
		}
	}
	buf_wipe(&text);
	return other;
}

/* --- entries -------------------------------------------------------------------------------------------------------------- */

uint16_t oauth_port(struct str password)
{
	struct oauth_credential c;
	struct str host, path;
	struct arena arena;
	struct buf text, why;
	uint16_t port = 0;

	arena_init(&arena, 4 * LIMIT_OAUTH_TEXT);
	buf_init(&text, LIMIT_OAUTH_TEXT);
	buf_init(&why, LIMIT_OAUTH_WHY);
	if (oauth_source_read(password, &text) && credential_read(buf_view(&text), &arena, &c, &why) && fetch_split(c.endpoint, &host, &port, &path))
		port = fetch_port(host, port);
	buf_wipe(&text);
	buf_fini(&why);
	arena_fini(&arena);
	return port;
}

static struct entry *entry_of(struct oauth *o, struct str file)
{
	struct entry *e;

	if (str_starts(file, STR("file:")))
		file = str_from(file, 5);
	LIST_EACH(&o->entries, it, tmp) {
		e = LIST_ITEM(it, struct entry, link);
		if (str_eq(str_of(e->file), file))
			return e;
	}
	e = MEM_NEW(struct entry);
	e->oauth = o;
	e->file = str_dup(file);
	e->name = credential_is(file) ? "the environment's credential" : e->file;
	e->access_token = mem_dupz("");
	e->refresh_token = mem_dupz("");
	list_init(&e->waits);
	list_append(&o->entries, &e->link);
	return e;
}

/* read_credential - the file as it is now; one that somebody changed counts for more than what we had kept */
static bool read_credential(struct entry *e, struct buf *text, struct arena *a, struct oauth_credential *c, struct buf *why)
{
	uint8_t digest[32];

	if (!oauth_source_read(str_of(e->file), text)) {
		buf_printf(why, "%s: %s", e->name, text->n ? "no JSON object" : strerror(errno));
		return false;
	}
	buf_printf(why, "%s: ", e->name);
	if (!credential_read(buf_view(text), a, c, why))
		return false;
	buf_clear(why);
	tls_sha256(digest, text->p, text->n);
	if (memcmp(digest, e->source, sizeof(digest)) != 0) {
		memcpy(e->source, digest, sizeof(digest));
		keep(&e->access_token, c->expiry ? c->access_token : STR_EMPTY);
		keep(&e->refresh_token, c->refresh_token);
		e->expiry = c->expiry;
		e->retry_at = e->retry_wait = 0;
		/* what the endpoint answers to the old one is not for this one */
		stop_asking(e);
		memset(e->state, 0, sizeof(e->state));
		(void)state_take(e);
	} else if (e->expiry <= loop_wall(e->oauth->o.loop) + ahead(e)) {
		/* another process may have had a new one */
		(void)state_take(e);
	}
	if (e->oauth->o.fresh && !e->had_at) {
		keep(&e->access_token, STR_EMPTY);
		e->expiry = 0;
	}
	if (*e->refresh_token)
		c->refresh_token = str_of(e->refresh_token);
	return true;
}

/* --- asking the endpoint ---------------------------------------------------------------------------------------------------- */

static void failed(struct entry *e, const char *why)
{
	struct oauth *o = e->oauth;

	bool same = !strcmp(e->why, why);

	/* what another process was given meanwhile must not be written over */
	(void)state_take(e);
	format_text(e->why, sizeof(e->why), "%s", why);
	e->retry_wait = e->retry_wait ? 2 * e->retry_wait : RETRY_FIRST;
	if (e->retry_wait > RETRY_LONGEST)
		e->retry_wait = RETRY_LONGEST;
	e->retry_at = loop_now(o->o.loop) + e->retry_wait;
	log_warn("smtp", "no access token for %s: %s", e->name, e->why);
	/* the old one may still be good for those who wait */
	if (!is_usable(e, loop_wall(o->o.loop)))
		keep(&e->access_token, STR_EMPTY);
	/* kept for who asks what is wrong, relayctl */
	if (!same)
		state_save(e);
	else if (!e->save)
		tell_all(e);
}

/* overtaken - another process has spent our refresh token, and kept what it was given in its place: that is ours, too */
static void overtaken(struct entry *e)
{
	if (is_usable(e, loop_wall(e->oauth->o.loop)))
		tell_all(e);
	else
		failed(e, "the refresh token was spent by another process: the next try has the one that it was given");
}

static void taken(struct entry *e, const struct oauth_answer *a)
{
	struct oauth *o = e->oauth;

	/* an answer without a refresh token does not undo one that another process was given */
	(void)state_take(e);
	keep(&e->access_token, a->access_token);
	if (a->refresh_token.n)
		keep(&e->refresh_token, a->refresh_token);
	e->lives = a->lives ? a->lives : LIVES_UNSAID;
	e->expiry = loop_wall(o->o.loop) + e->lives;
	e->had_at = loop_now(o->o.loop);
	e->retry_at = e->retry_wait = 0;
	e->why[0] = 0;
	log_info("smtp", "new access token for %s, good for %lld s", e->name, (long long)((e->expiry - loop_wall(o->o.loop)) / USEC_PER_SEC));
	state_save(e);
}

static void on_answer(void *ctx, const struct fetch_answer *answer)
{
	struct entry *e = ctx;
	struct oauth_answer a;
	struct arena arena;
	char text[LIMIT_OAUTH_WHY];

	e->fetch = NULL;
	arena_init(&arena, 4 * LIMIT_OAUTH_TEXT);
	if (endpoint_hear(answer, loop_wall(e->oauth->o.loop), &arena, &a, text, sizeof(text)))
		taken(e, &a);
	else if (str_eq(a.error, STR("invalid_grant")) && state_take(e))
		overtaken(e);
	else
		failed(e, text);
	arena_fini(&arena);
}

/* trust - the authorities: oauth_tls_CAfile, or the system's where that is empty */
static struct tls_context *trust(struct oauth *o, const struct conf *c, struct buf *why)
{
	struct tls_context *made;

	if (o->tls && !strcmp(o->ca_file, c->oauth_tls_CAfile))
		return o->tls;
	made = fetch_trust(c->oauth_tls_CAfile, why);
	if (!made)
		return NULL;
	if (o->tls)
		tls_context_unref(o->tls);
	mem_free(o->ca_file);
	o->tls = made;
	o->ca_file = mem_dupz(c->oauth_tls_CAfile);
	return made;
}

static void post(struct entry *e, struct str endpoint, struct str body)
{
	struct oauth *o = e->oauth;

	e->fetch = endpoint_post(&(struct endpoint){ o->o.loop, o->o.dns, o->tls }, endpoint, body, on_answer, e);
}

static void on_signed(void *ctx, bool good, struct str body, const char *why)
{
	struct entry *e = ctx;

	e->work = NULL;
	if (good)
		post(e, str_of(e->endpoint), body);
	else
		failed(e, why);
}

/* fetch - a request that has to be signed is signed first */
static bool fetch(struct entry *e, const struct oauth_credential *c, const struct conf *conf, struct buf *why)
{
	struct oauth *o = e->oauth;
	struct str host, path;
	struct buf body;
	uint16_t port;
	bool good;

	if (!trust(o, conf, why) || !fetch_split(c->endpoint, &host, &port, &path))
		return false;
	if (c->grant == OAUTH_JWT) {
		mem_free(e->endpoint);
		e->endpoint = str_dup(c->endpoint);
		e->work = oauth_work_sign(o->o.loop, o->o.pool, (uint64_t)(uintptr_t)e, c, loop_wall(o->o.loop), on_signed, e);
		return true;
	}
	buf_init(&body, LIMIT_OAUTH_TEXT);
	good = credential_ask(c, loop_wall(o->o.loop), &body, why);
	if (good)
		post(e, c->endpoint, buf_view(&body));
	buf_wipe(&body);
	return good;
}

struct oauth_wait *oauth_ask(struct oauth *o, struct str file, const struct conf *conf, oauth_fn fn, void *ctx)
{
	struct entry *e = entry_of(o, file);
	struct oauth_wait *w = MEM_NEW(struct oauth_wait);
	struct oauth_credential c;
	struct arena arena;
	struct buf text, why;
	usec now = loop_wall(o->o.loop);
	bool good;

	*w = (struct oauth_wait){ .oauth = o, .fn = fn, .ctx = ctx };
	loop_task_init(&w->task, on_tell);
	list_append(&e->waits, &w->link);
	arena_init(&arena, 4 * LIMIT_OAUTH_TEXT);
	buf_init(&text, LIMIT_OAUTH_TEXT);
	buf_init(&why, LIMIT_OAUTH_WHY);
	good = read_credential(e, &text, &arena, &c, &why);
	if (good && !is_asking(e) && e->expiry <= now + ahead(e) && loop_now(o->o.loop) >= e->retry_at && !fetch(e, &c, conf, &why)) {
		failed(e, buf_cstr(&why));
	} else if (!good) {
		tell(w, "", buf_cstr(&why));
	} else if (!is_asking(e) && !e->save) {
		if (!is_usable(e, now))
			keep(&e->access_token, STR_EMPTY);
		tell_all(e);
	} else if (!e->save && is_usable(e, now)) {
		tell(w, e->access_token, "");
	}
	buf_wipe(&text);
	buf_fini(&why);
	arena_fini(&arena);
	return w;
}

bool oauth_refused(struct oauth *o, struct str file, struct str token)
{
	struct entry *e = entry_of(o, file);
	bool young = e->had_at && loop_now(o->o.loop) - e->had_at < NEW_FOR;

	if (!str_eq(str_of(e->access_token), token) || state_take(e))
		return true;
	keep(&e->access_token, STR_EMPTY);
	e->expiry = 0;
	/* asked for just now: another one would be no better */
	if (young) {
		format_text(e->why, sizeof(e->why), "a new access token was refused by the server");
		e->retry_wait = e->retry_wait ? 2 * e->retry_wait : RETRY_FIRST;
		e->retry_at = loop_now(o->o.loop) + e->retry_wait;
	}
	/* nor shall the next process use it */
	if (!is_asking(e))
		state_save(e);
	return !young;
}
