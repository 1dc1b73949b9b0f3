/* reload - a new generation of settings beside the old one, and the end of the old one once nobody refers to it any more.
 *
 * What refers to settings: inbound sessions to their service, outbound ones and destinations to a transport, and what is
 * done within a tick to the settings then in force. A session that began with one generation may use the later ones, too,
 * so they end in order, the oldest first. */
#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/daemon/admission.h"
#include "core/daemon/listener.h"
#include "core/daemon/pressure.h"
#include "core/daemon/relay.h"
#include "core/daemon/session.h"

#define SETTLE (5 * USEC_PER_SEC)      /* for what was begun and put off to the next tick, many times over */

/* --- a new one -------------------------------------------------------------------------------------------------------- */

void relay_log_findings(const struct conf_diag *diag)
{
	for (size_t i = 0; i < diag->n; i++) {
		const struct conf_finding *f = &diag->v[i];
		enum log_severity severity = f->severity == CONF_ERROR ? LOG_SEV_ERROR : f->severity == CONF_NOTE ? LOG_SEV_INFO : LOG_SEV_WARNING;

		if (f->line)
			log_text(severity, "master", 0, NULL, "%s:%u: %s", f->file, f->line, f->text);
		else
			log_text(severity, "master", 0, NULL, "%s%s%s", f->file ? f->file : "", f->file ? ": " : "", f->text);
	}
}

void relay_log_serves(const struct relay *r, const char *event, const char *words)
{
	struct log_line l;

	log_begin(&l, "master", 0, NULL);
	log_event(&l, LOG_SEV_INFO, event, "%s -- version %s, configuration %s", words, RELAYBOX_VERSION, r->directory);
	log_key(&l, "version", STR(RELAYBOX_VERSION));
	log_key(&l, "configuration", str_of(r->directory));
	log_end(&l);
}

/* change_log - the form changes at once; the places were opened by who might */
static void change_log(const struct conf *before, const struct conf *c)
{
	log_set_form(c->log_format == CONF_LOG_JSON, c->log_also_format == CONF_LOG_JSON, (enum log_mask)c->log_address_mask);
	if (strcmp(before->maillog_file, c->maillog_file) != 0 || strcmp(before->log_also, c->log_also) != 0)
		log_warn("master", "maillog_file, log_also: another place needs a restart; the log goes on where it was");
}

/* NULL, or why s cannot take over from what runs */
static const char *refuse_reload(struct relay *r, const struct settings *s)
{
	const struct conf *before = r->settings->conf;

	if (before->has_file && !s->conf->has_file)
		return "main.cf is gone";
	if (strcmp(before->queue_directory, s->conf->queue_directory) != 0)
		return "another queue_directory needs a restart";
	/* half a renewal: what runs has a working one */
	if (s->certificate_unusable && !r->settings->certificate_unusable)
		return "a certificate cannot be used";
	if (!sandbox_fits(&r->sandbox, s))
		return "a new port needs a restart where sandbox = required";
	return listener_open_all(r, s) == 0 ? NULL : "not every port can be had";
}

static void take_over(struct relay *r, struct settings *s)
{
	change_log(r->settings->conf, s->conf);
	deliver_reconfigure(r->deliver, s->conf, &s->master, s->router, s->profiles, s->templates);
	schedule_reconfigure(r->schedule, s->conf, &s->master);
	verify_reconfigure(r->verify, s->conf);
	/* what waits between two deliveries was closed; the rest goes with relay_forget_settings */
	deliver_profiles_free(r->settings->profiles);
	r->settings->profiles = NULL;
	settings_succeed(s, r->settings);
	r->settings->over = loop_now(r->loop);
	list_push(&r->generations, &s->link);
	r->settings = s;
	session_auth_prepare(r);
	admission_move(r, LIST_ITEM(s->link.next, struct settings, link));
	admission_look(r);
	pressure_set(r);
}

/* too_many - generations that something still refers to: a session of each is enough, and each has all its tables in memory */
static bool too_many(struct relay *r)
{
	size_t n = 0;

	LIST_EACH(&r->generations, it, tmp)
		n++;
	return n >= LIMIT_GENERATIONS;
}

static bool reload(struct relay *r)
{
	const struct conf *c = r->settings->conf;
	struct conf_diag diag;
	struct settings *s;
	const char *no;

	if (log_reopen() != 0)
		log_error("master", "maillog_file %s%s%s: cannot be opened again: %s: the log goes on in the file that was renamed; let %s "
			"write into the folder, or restart relayd", c->maillog_file, *c->log_also ? ", log_also " : "", c->log_also, strerror(errno),
			c->mail_owner);
	if (r->stopping) {
		log_error("master", "reload refused: shutting down");
		return false;
	}
	if (too_many(r)) {
		log_error("master", "reload refused: %d earlier configurations are still in use by sessions or deliveries; try again when these have ended",
			LIMIT_GENERATIONS);
		return false;
	}
	conf_diag_init(&diag);
	s = settings_load(r->directory, r->extra, &diag);
	relay_log_findings(&diag);
	no = s ? refuse_reload(r, s) : "the configuration has errors";
	if (no) {
		log_error("master", "reload refused: %s; what was in force stays in force", no);
		settings_free(s);
	} else {
		take_over(r, s);
		listener_keep(r);
		relay_log_serves(r, "reload", "reload");
	}
	conf_diag_fini(&diag);
	return !no;
}

bool relay_reload(struct relay *r)
{
	bool taken;

	notify_reloading(&r->notify);
	taken = reload(r);
	notify_reloaded(&r->notify, taken);
	return taken;
}

void relay_look_at_secrets(struct relay *r)
{
	if (!conf_secrets_changed(r->settings->conf))
		return;
	log_info("master", "a file that the environment names has changed");
	relay_reload(r);
}

/* --- the old ones ----------------------------------------------------------------------------------------------------- */

/* a message under checks may have lost its session */
static bool is_checking(const struct settings *s)
{
	for (size_t i = 0; i < s->n_incoming; i++)
		if (checks_in_use(s->incoming[i].checks))
			return true;
	return false;
}

static bool is_used(const struct relay *r, const struct settings *s)
{
	return s->n_users || is_checking(s) || session_any_of(r, s) || schedule_uses(r->schedule, &s->master) || deliver_uses(r->deliver, &s->master);
}

void relay_forget_settings(struct relay *r)
{
	for (;;) {
		struct settings *oldest = LIST_ITEM(r->generations.prev, struct settings, link);

		if (oldest == r->settings || loop_now(r->loop) < oldest->over + SETTLE || is_used(r, oldest))
			return;
		list_remove(&oldest->link);
		settings_free(oldest);
	}
}
