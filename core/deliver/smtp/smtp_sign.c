/* smtp_sign - see smtp_sign.h. */
#include "core/deliver/smtp/smtp_sign.h"

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/pool.h"
#include "core/dkim/sign.h"

struct smtp_sign {
	struct pool_job job;
	struct pool *pool;
	struct dkim_keys *keys;
	struct dkim_signing *signing;
	struct smtp_client_wire *wire;
	void (*told)(void *ctx, enum smtp_sign_step step, struct str field);
	void *ctx;
	bool at_work, left;            /* the pool has the piece; … and nobody waits for it */
	/* the piece, and what came of it */
	struct buf piece, text, field;
	bool last;
	uint64_t now;                  /* Unix seconds */
	enum smtp_sign_step step;
};

static bool is_ours(const struct smtp_sign_options *o)
{
	const struct envelope *e = o->envelope;
	struct ipaddr client;

	if ((e->flags & ENVELOPE_LOCAL) || e->sasl_user.n)
		return true;
	if (!o->router || !ipaddr_parse(e->client_addr, &client))
		return false;
	return route_is_own_address(o->router, &client) || match_address(o->router->mynetworks, &client) == MAP_FOUND;
}

static enum smtp_sign_step step_of(struct smtp_sign *x)
{
	/* content that cannot be converted is refused when it is sent */
	if (!smtp_client_wire_add(x->wire, buf_view(&x->piece), x->last, &x->text))
		return SMTP_SIGN_OVER;
	if (x->text.overflow)
		return SMTP_SIGN_FAILED;
	if (!dkim_signing_add(x->signing, buf_view(&x->text)))
		return SMTP_SIGN_OVER;
	if (!x->last)
		return SMTP_SIGN_MORE;
	return dkim_signing_end(x->signing, x->now, &x->field) ? SMTP_SIGN_OVER : SMTP_SIGN_FAILED;
}

static void work(struct pool_job *j)
{
	struct smtp_sign *x = LIST_ITEM(j, struct smtp_sign, job);

	buf_clear(&x->text);
	x->step = step_of(x);
}

static void release(struct smtp_sign *x)
{
	dkim_signing_free(x->signing);
	smtp_client_wire_free(x->wire);
	dkim_keys_unref(x->keys);
	buf_fini(&x->piece);
	buf_fini(&x->text);
	buf_fini(&x->field);
	mem_free(x);
}

static void done(struct pool_job *j)
{
	struct smtp_sign *x = LIST_ITEM(j, struct smtp_sign, job);

	x->at_work = false;
	if (x->left)
		release(x);
	else
		x->told(x->ctx, x->step, buf_view(&x->field));
}

struct smtp_sign *smtp_sign_new(const struct smtp_sign_options *o)
{
	struct smtp_sign *x;

	if (!is_ours(o))
		return NULL;
	x = MEM_NEW(struct smtp_sign);
	x->pool = o->pool;
	x->keys = o->keys;
	x->keys->refs++;
	x->signing = dkim_signing_new(o->keys);
	x->wire = smtp_client_wire_new(o->client);
	x->told = o->told;
	x->ctx = o->ctx;
	buf_init(&x->piece, 8 * LIMIT_HEADER);
	buf_init(&x->text, 32 * LIMIT_HEADER);
	buf_init(&x->field, LIMIT_DKIM_FIELD);
	return x;
}

void smtp_sign_free(struct smtp_sign *x)
{
	if (!x)
		return;
	if (x->at_work && !pool_take_back(x->pool, &x->job))
		x->left = true;
	else
		release(x);
}

void smtp_sign_add(struct smtp_sign *x, struct str piece, bool last)
{
	buf_clear(&x->piece);
	buf_str(&x->piece, piece);
	x->last = last;
	x->now = (uint64_t)(clock_wall() / USEC_PER_SEC);
	x->at_work = x->pool;
	x->job = (struct pool_job){ .work = work, .done = done };
	if (x->pool) {
		pool_run(x->pool, &x->job);
		return;
	}
	work(&x->job);
	done(&x->job);
}
