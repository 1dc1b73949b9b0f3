/* master - master.cf: `inet … smtpd` lines become listeners, `unix … smtp` and its like become transports, what relaybox
 * serves itself is passed over in silence, and what it cannot run is named in one warning. Without the file:
 * smtpd_listen and the built-in transports. */
#include <errno.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/master_private.h"

const struct master_program_row master_programs[MASTER_PROGRAMS] = {
	[MASTER_SMTP] = { .name = "smtp", .connects = true },
	[MASTER_LMTP] = { .name = "lmtp", .connects = true },
	[MASTER_LOCAL] = { .name = "local" },
	[MASTER_VIRTUAL] = { .name = "virtual" },
	[MASTER_ERROR] = { .name = "error", .answers = true },
	[MASTER_RETRY] = { .name = "retry", .answers = true },
	[MASTER_DISCARD] = { .name = "discard", .answers = true },
};

static const struct { const char *name; enum master_program program; } built_in[] = {
	{ "smtp", MASTER_SMTP }, { "relay", MASTER_SMTP }, { "lmtp", MASTER_LMTP }, { "local", MASTER_LOCAL },
	{ "virtual", MASTER_VIRTUAL }, { "error", MASTER_ERROR }, { "retry", MASTER_RETRY }, { "discard", MASTER_DISCARD },
};

/* programs whose work relayd does itself */
static const char served[] = "|pickup|cleanup|qmgr|oqmgr|nqmgr|tlsmgr|trivial-rewrite|bounce|verify|flush|proxymap|anvil|scache|"
	"showq|postlogd|tlsproxy|dnsblog|master|postscreen|smtpd|";

static bool in_words(const char *words, struct str word)
{
	struct str rest = str_of(words), item;

	while (str_word(&rest, "|", &item))
		if (str_eq(item, word))
			return true;
	return false;
}

const struct master_transport *master_find_transport(const struct master *m, struct str name)
{
	for (size_t i = 0; i < m->n_transports; i++)
		if (str_eq(str_of(m->transports[i].name), name))
			return &m->transports[i];
	return NULL;
}

bool master_owns(const struct master *m, const struct master_transport *t)
{
	for (size_t i = 0; i < m->n_transports; i++)
		if (&m->transports[i] == t)
			return true;
	return false;
}

void master_fini(struct master *m)
{
	for (size_t i = 0; i < m->n_listeners; i++) {
		mem_free(m->listeners[i].host);
		mem_free(m->listeners[i].name);
		conf_free(m->listeners[i].conf);
	}
	for (size_t i = 0; i < m->n_transports; i++) {
		mem_free(m->transports[i].name);
		conf_free(m->transports[i].conf);
	}
	for (size_t i = 0; i < m->n_cleanups; i++) {
		mem_free(m->cleanups[i].name);
		conf_free(m->cleanups[i].conf);
	}
	mem_free(m->listeners);
	mem_free(m->transports);
	mem_free(m->cleanups);
	buf_fini(&m->cleanup_names);
	*m = (struct master){ 0 };
}

/* session_limit - of a listener that names none: Postfix counts processes, which are dear; sessions are not, so only a limit that
 * somebody wrote down holds. 0: none */
static int64_t session_limit(const struct conf *c)
{
	return conf_is_set(c, "default_process_limit") ? c->default_process_limit : 0;
}

static void add_listener(struct master_load *ld, struct str host, uint16_t port, const struct master_line *l)
{
	struct master *m = ld->out;
	char *name = str_dup(l->service);
	struct conf *c = conf_transport_overlay(ld->conf, name, "smtpd", l->overrides, ld->path, l->number, ld->diag);

	mem_free(name);
	if (!c)
		return;
	for (size_t i = 0; i < m->n_listeners; i++) {
		if (m->listeners[i].port != port || !str_ieq(str_of(m->listeners[i].host), host))
			continue;
		conf_diag_add(ld->diag, CONF_ERROR, ld->path, l->number, "port %u is listened on twice: take one line out",
			port);
		conf_free(c);
		return;
	}
	m->listeners = mem_array(m->listeners, m->n_listeners + 1, sizeof(m->listeners[0]));
	m->listeners[m->n_listeners++] = (struct master_listener){ .host = str_dup(host), .port = port,
		.maxproc = l->maxproc >= 0 ? l->maxproc : session_limit(c), .conf = c,
		.name = str_dup(l->service), .line = l->number };
}

static void add_transport(struct master_load *ld, enum master_program program, const struct master_line *l)
{
	struct master *m = ld->out;
	char *name = str_dup(l->service);
	struct conf *c = conf_transport_overlay(ld->conf, name, master_programs[program].name, l->overrides, ld->path, l->number, ld->diag);

	if (!c) {
		mem_free(name);
		return;
	}
	m->transports = mem_array(m->transports, m->n_transports + 1, sizeof(m->transports[0]));
	m->transports[m->n_transports++] = (struct master_transport){ .name = name, .program = program,
		.maxproc = l->maxproc >= 0 ? l->maxproc : c->default_process_limit, .conf = c, .line = l->number };
}

static void add_cleanup(struct master_load *ld, const struct master_line *l)
{
	/* what one cleanup service may have for itself; the rest is the same for all mail */
	static const char own[] = "|header_checks|mime_header_checks|nested_header_checks|body_checks|body_checks_size_limit|header_size_limit|"
		"message_drop_headers|always_add_missing_headers|disable_mime_input_processing|mime_nesting_limit|mime_boundary_length_limit|"
		"strict_8bitmime|strict_8bitmime_body|strict_7bit_headers|strict_mime_encoding_domain|hopcount_limit|syslog_name|";
	struct master *m = ld->out;
	struct conf *c;
	char *name;

	buf_printf(&m->cleanup_names, "%.*s|", STR_ARG(l->service));
	if (!l->n_overrides)
		return;
	for (size_t i = 0; i < l->n_overrides; i++) {
		struct str over = str_of(l->overrides[i]);

		over = str_head(over, (size_t)str_chr(over, '='));
		if (!in_words(own, over))
			conf_diag_add(ld->diag, CONF_WARNING, ld->path, l->number, "%.*s has no effect in a line of cleanup: set it in main.cf",
				STR_ARG(over));
	}
	name = str_dup(l->service);
	c = conf_transport_overlay(ld->conf, name, "cleanup", l->overrides, ld->path, l->number, ld->diag);
	if (!c) {
		mem_free(name);
		return;
	}
	m->cleanups = mem_array(m->cleanups, m->n_cleanups + 1, sizeof(m->cleanups[0]));
	m->cleanups[m->n_cleanups++] = (struct master_cleanup){ .name = name, .conf = c, .line = l->number };
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void listener_line(struct master_load *ld, struct master_line *l)
{
	struct str host;
	struct buf why;
	uint16_t port;

	if (str_eq(l->program, STR("postscreen")))
		master_screen_line(ld, l);
	buf_init(&why, 300);
	if (master_parse_endpoint(l->service, &host, &port, &why))
		add_listener(ld, host, port, l);
	else
		conf_diag_add(ld->diag, CONF_ERROR, ld->path, l->number, "%s", buf_cstr(&why));
	buf_fini(&why);
}

/* transport_program - the program that serves it here; false if none does. Postfix runs error(8) as `retry` too. */
static bool transport_program(const struct master_line *l, enum master_program *out)
{
	bool is_retry = str_eq(l->service, STR("retry")) && str_eq(l->program, STR("error"));

	for (size_t i = 0; i < MASTER_PROGRAMS; i++) {
		if (!str_eq(l->program, str_of(master_programs[i].name)))
			continue;
		*out = is_retry ? MASTER_RETRY : (enum master_program)i;
		return true;
	}
	return false;
}

static bool is_network(const struct master_line *l)
{
	return str_eq(l->type, STR("inet"));
}

/* refers - does this value of main.cf name the service: as a transport, or by its socket? A policy service is told of where it is
 * asked */
static bool refers(struct str value, struct str service)
{
	bool is_policy = false;
	struct str word;

	while (str_word(&value, ", \t\r\n:;{}=[]?", &word)) {
		ptrdiff_t slash = str_rchr(word, '/');

		if (str_eq(word, STR("check_policy_service"))) {
			is_policy = true;
			continue;
		}
		if (is_policy) {
			is_policy = str_eq(word, STR("unix")) || str_eq(word, STR("inet"));
			continue;
		}
		if (str_eq(word, service))
			return true;
		if (slash > 0 && str_ends(str_head(word, (size_t)slash), STR("private")) && str_eq(str_from(word, (size_t)slash + 1), service))
			return true;
	}
	return false;
}

/* is_wanted - a stock master.cf has services that nobody uses; those of the network are used by others */
static bool is_wanted(const struct master_load *ld, const struct master_line *l)
{
	const struct conf_source *s = ld->conf->source;
	bool wanted = is_network(l);

	for (size_t i = 0; i < s->n && !wanted; i++)
		wanted = refers(str_of(s->v[i]->raw), l->service);
	return wanted;
}

static void not_run(struct master_load *ld, const struct master_line *l)
{
	if (!is_wanted(ld, l))
		return;
	buf_printf(&ld->not_run, "%s%.*s (%.*s, line %u)", ld->not_run.n ? ", " : "", STR_ARG(l->service), STR_ARG(l->program),
		l->number);
}

static void tell_not_run(struct master_load *ld)
{
	if (ld->not_run.n)
		conf_diag_add(ld->diag, CONF_WARNING, ld->path, 0, "relaybox does not run these services: %s; mail routed to one "
			"stays in the queue", buf_cstr(&ld->not_run));
	buf_clear(&ld->not_run);
}

void master_take_line(struct master_load *ld, struct master_line *l)
{
	enum master_program program;
	bool known = transport_program(l, &program);

	if (is_network(l) && (str_eq(l->program, STR("smtpd")) || str_eq(l->program, STR("postscreen")))) {
		listener_line(ld, l);
	} else if (!is_network(l) && known) {
		if (master_find_transport(ld->out, l->service))
			conf_diag_add(ld->diag, CONF_ERROR, ld->path, l->number, "service %.*s is there twice: take one line out",
				STR_ARG(l->service));
		else
			add_transport(ld, program, l);
	} else if (!is_network(l) && str_eq(l->program, STR("cleanup"))) {
		add_cleanup(ld, l);
	} else if (is_network(l) || !in_words(served, l->program)) {
		not_run(ld, l);
	}
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

static void read_lines(struct master_load *ld, struct str text)
{
	struct lines lines;
	struct master_line l;
	struct str line;
	struct buf why;

	if (str_starts(text, lines_mark))
		conf_diag_add(ld->diag, CONF_WARNING, ld->path, 1, "the file begins with a byte order mark, which is skipped here; in Postfix it "
			"spoils the first line: save it as UTF-8 without one");
	master_screen_find(ld, text);
	lines_init(&lines, text);
	buf_init(&why, 300);
	while (lines_next(&lines, &line)) {
		buf_clear(&why);
		if (master_line_parse(line, lines.line, &l, &why) && master_env_replaces(l.service, l.type))
			buf_clear(&why);
		else if (!why.n)
			master_take_line(ld, &l);
		else
			conf_diag_add(ld->diag, CONF_ERROR, ld->path, lines.line, "%s", buf_cstr(&why));
		master_line_fini(&l);
	}
	master_line_fini(&ld->behind);
	ld->behind = (struct master_line){ .maxproc = -1 };
	buf_fini(&why);
	lines_fini(&lines);
}

static void add_built_in(struct master_load *ld)
{
	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
		struct master_line l = { .service = str_of(built_in[i].name), .maxproc = -1 };

		if (!master_find_transport(ld->out, l.service))
			add_transport(ld, built_in[i].program, &l);
	}
}

static void listen_parameter(struct master_load *ld)
{
	struct str rest = str_of(ld->conf->smtpd_listen), word, host;
	struct master_line l = { .maxproc = -1 };
	struct buf why;
	uint16_t port;

	buf_init(&why, 300);
	while (str_word(&rest, ", \t\r\n", &word)) {
		l.service = word;
		buf_clear(&why);
		if (master_parse_endpoint(word, &host, &port, &why))
			add_listener(ld, host, port, &l);
		else
			conf_diag_add(ld->diag, CONF_ERROR, NULL, 0, "smtpd_listen (%s): %s", conf_where(ld->conf, "smtpd_listen"),
				buf_cstr(&why));
	}
	buf_fini(&why);
}

void master_load_whole(const struct conf *c, struct master *out, struct conf_diag *diag)
{
	struct master_load ld = { .conf = c, .out = out, .diag = diag, .behind = { .maxproc = -1 } };
	struct buf path, text;
	int r;

	*out = (struct master){ 0 };
	buf_init(&out->cleanup_names, LIMIT_CONF_VALUE);
	buf_z(&out->cleanup_names, "cleanup|");
	buf_init(&path, LIMIT_CONF_VALUE);
	buf_init(&text, LIMIT_CONF_FILE);
	buf_init(&ld.not_run, LIMIT_CONF_VALUE);
	buf_printf(&path, "%s/master.cf", c->config_directory);
	r = fs_read_file(buf_cstr(&path), &text);
	if (r == 0) {
		ld.path = buf_cstr(&path);
		read_lines(&ld, buf_view(&text));
		if (conf_is_set(c, "smtpd_listen"))
			conf_diag_add(diag, CONF_NOTE, ld.path, 0, "smtpd_listen has no effect, since there is a master.cf");
	} else if (errno == ENOENT || errno == ENOTDIR) {
		if (!master_env_replaces(STR("smtp"), STR("inet")))
			listen_parameter(&ld);
	} else {
		conf_diag_add(diag, CONF_ERROR, buf_cstr(&path), 0, "cannot read: %s", strerror(errno));
	}
	tell_not_run(&ld);
	master_env_lines(&ld);
	tell_not_run(&ld);
	ld.path = NULL;
	add_built_in(&ld);
	buf_fini(&ld.not_run);
	buf_fini(&path);
	buf_fini(&text);
}

int master_load(const struct conf *c, struct master *out, struct conf_diag *diag)
{
	size_t errors = diag->errors;

	master_load_whole(c, out, diag);
	if (diag->errors == errors)
		return 0;
	master_fini(out);
	return -1;
}
