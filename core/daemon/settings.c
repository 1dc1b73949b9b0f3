/* settings - load one generation: every table opened, every list compiled, every certificate read before anything starts,
 * so that a mistake is told at start or reload and never at the first mail. service.c opens what a listener serves. */
#include "core/daemon/settings.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/conf/conf_log.h"
#include "core/daemon/service.h"
#include "core/route/luser.h"

/* open_incoming - main.cf's first; then what lines of cleanup say otherwise */
static void open_incoming(struct settings *s, struct conf_diag *diag)
{
	s->incoming = mem_alloc((s->master.n_cleanups + 1) * sizeof(*s->incoming));
	s->incoming[s->n_incoming++] = (struct incoming){ "cleanup", s->conf, checks_of_incoming(s->conf, diag) };
	for (size_t i = 0; i < s->master.n_cleanups; i++) {
		const struct master_cleanup *m = &s->master.cleanups[i];
		struct conf_diag found;

		conf_diag_part(&found, diag);
		s->incoming[s->n_incoming++] = (struct incoming){ m->name, m->conf, checks_of_incoming(m->conf, &found) };
		conf_diag_take(diag, &found, m->conf);
	}
}

void settings_succeed(struct settings *s, const struct settings *before)
{
	service_succeed(&s->submit, &before->submit);
	for (size_t i = 0; i < s->n_services; i++)
		for (size_t k = 0; k < before->n_services; k++)
			if (s->services[i].port == before->services[k].port && !strcmp(s->services[i].host, before->services[k].host))
				service_succeed(&s->services[i], &before->services[k]);
}

/* take_listener - the service of one line, unless it has to stay out */
static void take_listener(struct settings *s, const struct master_listener *l, struct conf_diag *diag)
{
	struct service *v = &s->services[s->n_services];
	struct conf_diag found;

	conf_diag_part(&found, diag);
	service_open(s, v, l, &found);
	conf_diag_take(diag, &found, l->conf);
	if (v->stays_out) {
		service_fini(v);
		*v = (struct service){ .conf = NULL };
	} else {
		s->n_services++;
	}
}

/* open_http - services for http_listen: health checks */
static void open_http(struct settings *s, struct conf_diag *diag)
{
	struct str rest = str_of(s->conf->http_listen), word, host;
	struct buf why;
	uint16_t port;

	buf_init(&why, 1024);
	while (str_word(&rest, ", \t\r\n", &word)) {
		if (!master_parse_endpoint(word, &host, &port, &why)) {
			conf_diag_add(diag, CONF_ERROR, NULL, 0, "http_listen: %s", buf_cstr(&why));
			buf_clear(&why);
			continue;
		}
		s->services = mem_array(s->services, s->n_services + 1, sizeof(*s->services));
		s->services[s->n_services++] = (struct service){ .conf = s->conf, .host = str_dup(host), .port = port, .http = true, .name = "http" };
	}
	buf_fini(&why);
}

static void check_luser(const struct conf *c, struct conf_diag *diag)
{
	struct buf why;

	buf_init(&why, 400);
	if (!luser_check(c->luser_relay, &why))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "luser_relay: %s", buf_cstr(&why));
	buf_fini(&why);
}

static void check_drain(const struct settings *s, struct conf_diag *diag)
{
	const struct master_transport *t = master_find_transport(&s->master, STR("smtp"));
	struct buf why;

	buf_init(&why, 400);
	if (!nexthop_check(str_of(s->conf->drain_relay), &why))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "drain_relay: %s", buf_cstr(&why));
	else if (*s->conf->drain_relay && (!t || t->program != MASTER_SMTP))
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "drain_relay: mail goes there through the transport smtp, which master.cf makes another program");
	buf_fini(&why);
}

/* tell_closed - a file of ours by its rights that cannot be opened: the sandbox was closed without its folder */
static void tell_closed(const struct reads *r, struct conf_diag *diag)
{
	for (size_t i = 0; i < r->n; i++) {
		int fd = access(r->v[i], R_OK) < 0 ? -1 : fs_open_table(r->v[i]);

		if (fd >= 0)
			fs_close(fd);
		else if (errno == EACCES && access(r->v[i], R_OK) == 0)
			conf_diag_add(diag, CONF_ERROR, r->v[i], 0, "nothing in its folder was read when relayd was started, so the sandbox hides it: "
				"restart relayd");
	}
}

struct settings *settings_load(const char *directory, const char *const *extra, struct conf_diag *diag)
{
	struct settings *s = MEM_NEW(struct settings);

	list_init(&s->link);
	diag->advice = true;
	fs_watch_tables(reads_add, &s->reads);
	/* all that is wrong is told at once, so an error stops nothing before the end */
	s->conf = conf_load_whole(directory, extra, diag);
	master_load_whole(s->conf, &s->master, diag);
	if (access("/etc/resolv.conf", R_OK) != 0)
		conf_diag_add(diag, CONF_WARNING, "/etc/resolv.conf", 0, "%s: names are looked up at 127.0.0.1; in a container, mount it", strerror(errno));
	check_luser(s->conf, diag);
	check_drain(s, diag);
	s->router = router_new(s->conf, &s->master, diag);
	open_incoming(s, diag);
	s->services = mem_alloc((s->master.n_listeners + 1) * sizeof(*s->services));
	for (size_t i = 0; i < s->master.n_listeners; i++)
		take_listener(s, &s->master.listeners[i], diag);
	if (s->master.n_listeners && !s->n_services && !diag->errors)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "no listener is left: see above why TLS is not available (smtpd_tls_cert_file, smtpd_tls_key_file)");
	open_http(s, diag);
	conf_log_check(s->conf, diag);
	service_open_submit(s, diag);
	for (size_t i = 0; i < s->n_services; i++)
		service_begin(&s->services[i], s);
	service_begin(&s->submit, s);
	s->profiles = deliver_profiles_new(&s->master, diag);
	s->templates = bounce_templates_new(s->conf, diag);
	if (diag->errors == 0)
		settings_lint(s, diag);
	fs_watch_tables(NULL, NULL);
	tell_closed(&s->reads, diag);
	conf_diag_locate(diag, s->conf);
	if (diag->errors == 0)
		return s;
	settings_free(s);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_services; i++)
		service_fini(&s->services[i]);
	service_fini(&s->submit);
	mem_free(s->services);
	deliver_profiles_free(s->profiles);
	for (size_t i = 0; i < s->n_incoming; i++)
		checks_unref(s->incoming[i].checks);
	mem_free(s->incoming);
	bounce_templates_free(s->templates);
	if (s->router)
		router_free(s->router);
	master_fini(&s->master);
	if (s->conf)
		conf_free(s->conf);
	reads_fini(&s->reads);
	mem_free(s);
}

void settings_refresh(struct settings *s, usec now_mono)
{
	router_refresh(s->router, now_mono);
	for (size_t i = 0; i < s->n_incoming; i++)
		checks_refresh(s->incoming[i].checks, now_mono);
	for (size_t i = 0; i < s->n_services; i++)
		service_refresh(&s->services[i], now_mono);
}
