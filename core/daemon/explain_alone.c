/* explain_alone - explain.h without relayd: the configuration is read as relayd would, and a resolver of our own asked. */
#include <errno.h>
#include <string.h>

#include "core/base/pool.h"
#include "core/daemon/explain.h"

struct alone {
	struct loop *loop;
	struct buf *rows, *why;
	bool told, failed;
};

static void on_explained(void *ctx, struct str rows, const char *problem)
{
	struct alone *a = ctx;

	a->told = true;
	a->failed = problem;
	buf_str(a->rows, rows);
	if (problem)
		buf_z(a->why, problem);
	loop_stop(a->loop);
}

static struct settings *load(const char *directory, struct buf *why)
{
	struct conf_diag diag;
	struct settings *s;

	conf_diag_init(&diag);
	s = settings_load(directory, NULL, &diag);
	for (size_t i = 0; i < diag.n && !s; i++)
		if (diag.v[i].severity == CONF_ERROR)
			buf_printf(why, "%s%s", why->n ? "; " : "", diag.v[i].text);
	conf_diag_fini(&diag);
	return s;
}

int explain_alone(const char *directory, struct str request, struct buf *rows, struct buf *why)
{
	struct alone a = { .rows = rows, .why = why, .failed = true };
	struct settings *s = load(directory, why);
	struct deliver *d;
	struct pool *pool;
	struct dns *dns;

	if (!s)
		return -1;
	a.loop = loop_new();
	dns = a.loop ? dns_new(a.loop, &(struct dns_options){ 0 }) : NULL;
	if (!dns) {
		buf_printf(why, "cannot wait for events: %s", strerror(errno));
		settings_free(s);
		return -1;
	}
	pool = pool_new(1);
	d = deliver_new(&(struct deliver_options){ .loop = a.loop, .pool = pool, .dns = dns, .conf = s->conf, .master = &s->master, .router = s->router,
		.profiles = s->profiles, .templates = s->templates, .helper_fd = -1, .silent = true });
	if (explain_begin(&(struct explain_world){ s, d, dns, dns }, request, on_explained, &a))
		loop_run(a.loop);
	deliver_free(d);
	dns_free(dns);
	pool_free(pool);
	loop_free(a.loop);
	settings_free(s);
	return a.failed ? -1 : 0;
}
