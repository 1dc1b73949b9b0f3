/* mxcheck_dkim - which keys sign mail that leaves this host: those of each transport of its configuration. */
#include <string.h>

#include "applets/applet.h"
#include "applets/mxcheck.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"

static bool signs(const struct master_transport *t)
{
	return t->program == MASTER_SMTP && (*t->conf->dkim_key_directory || *t->conf->dkim_key_table || *t->conf->dkim_signing_table);
}

static bool same(const struct conf *a, const struct conf *b)
{
	return !strcmp(a->dkim_key_directory, b->dkim_key_directory) && !strcmp(a->dkim_selector, b->dkim_selector) &&
		!strcmp(a->dkim_key_table, b->dkim_key_table) && !strcmp(a->dkim_signing_table, b->dkim_signing_table);
}

static bool is_new(const struct master *m, size_t at)
{
	size_t i = 0;

	while (!signs(&m->transports[i]) || !same(m->transports[i].conf, m->transports[at].conf))
		i++;
	return i == at;
}

static int add_keys(struct mxcheck *k, const struct conf *c)
{
	struct dkim_options o = { .folder = c->dkim_key_directory, .selectors = c->dkim_selector, .key_table = c->dkim_key_table,
		.signing_table = c->dkim_signing_table, .faulty = true };
	struct dkim_keys *keys;
	struct buf why;
	int code = EX_OK;

	buf_init(&why, LIMIT_REPLY_TEXT);
	keys = dkim_keys_open(&o, &why);
	if (!keys)
		code = applet_fail(EX_CONFIG, "%s: %s", *o.folder ? "dkim_key_directory" : "dkim_signing_table", buf_cstr(&why));
	buf_fini(&why);
	if (!keys)
		return code;
	k->keys = mem_array(k->keys, k->n_keys + 2, sizeof(*k->keys));
	k->keys[k->n_keys++] = keys;
	k->keys[k->n_keys] = NULL;
	return EX_OK;
}

/* what is wrong elsewhere in the configuration does no harm here */
static int read_conf(struct mxcheck *k, const char *directory, const char *selector)
{
	char text[300];
	const char *extra[] = { selector ? text : NULL, NULL };
	struct conf_diag diag;
	struct master m;
	struct conf *c;
	int code = EX_OK;

	snprintf(text, sizeof(text), "dkim_selector=%s", selector ? selector : "");
	conf_diag_init(&diag);
	c = conf_load_whole(directory, extra, &diag);
	master_load_whole(c, &m, &diag);
	for (size_t i = 0; i < m.n_transports && !code; i++)
		if (signs(&m.transports[i]) && is_new(&m, i))
			code = add_keys(k, m.transports[i].conf);
	master_fini(&m);
	conf_free(c);
	conf_diag_fini(&diag);
	return code;
}

static void add_domain(void *ctx, struct str domain)
{
	struct mxcheck *k = ctx;

	for (size_t i = 0; i < k->n; i++)
		if (str_eq(str_of(k->targets[i]), domain))
			return;
	mxcheck_add_target(k, domain);
}

int mxcheck_dkim_open(struct mxcheck *k)
{
	const char *directory = conf_default_directory(k->directory);
	bool all = !k->n;
	int code = EX_OK;

	for (const char *const *selector = k->opt.selectors; !code && (*selector || selector == k->opt.selectors); selector++) {
		code = read_conf(k, directory, *selector);
		if (!*selector)
			break;
	}
	if (!code && !k->n_keys)
		code = applet_fail(EX_CONFIG, "%s: this configuration signs no mail: set dkim_key_directory", directory);
	for (size_t i = 0; all && !code && i < k->n_keys; i++)
		probe_dkim_domains(k->keys[i], add_domain, k);
	if (!code && !k->n)
		code = applet_fail(EX_USAGE, "the keys sign for any domain: name those that matter");
	k->opt.keys = k->keys;
	return code;
}

void mxcheck_dkim_close(struct mxcheck *k)
{
	for (size_t i = 0; i < k->n_keys; i++)
		dkim_keys_unref(k->keys[i]);
	mem_free(k->keys);
}
