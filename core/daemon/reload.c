/* reload - a new generation of settings beside the old one, and the end of the old one once nobody refers to it any more.
 *
 * What refers to settings: inbound sessions to their service, outbound ones and destinations to a transport, and what is
 * done within a tick to the settings then in force. A session that began with one generation may use the later ones, too,
 * so they end in order, the oldest first. */
#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/daemon/listener.h"
#include "core/daemon/relay.h"
#include "core/daemon/session.h"

#define SETTLE (5 * USEC_PER_SEC)      /* for what was begun and put off to the next tick, many times over */

/* --- a new one -------------------------------------------------------------------------------------------------------- */

void relay_log_findings(const struct conf_diag *diag)
{
	for (size_t i = 0; i < diag->n; i++) {
		const struct conf_finding *f = &diag->v[i];
		enum log_severity severity = f->severity == CONF_ERROR ? LOG_SEV_ERROR : LOG_SEV_WARNING;

		if (f->line)
			log_text(severity, "master", 0, NULL, "%s:%u: %s", f->file, f->line, f->text);
		else
			log_text(severity, "master", 0, NULL, "%s%s%s", f->file ? f->file : "", f->file ? ": " : "", f->text);
	}
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
	return listener_open_all(r, s) == 0 ? NULL : "not every port can be had";
}

static void take_over(struct relay *r, struct settings *s)
{
	deliver_reconfigure(r->deliver, s->conf, &s->master, s->router, s->profiles);
	schedule_reconfigure(r->schedule, s->conf, &s->master);
	verify_reconfigure(r->verify, s->conf);
	/* what waits between two deliveries was closed; the rest goes with relay_forget_settings */
	deliver_profiles_free(r->settings->profiles);
	r->settings->profiles = NULL;
	settings_succeed(s, r->settings);
	r->settings->over = loop_now(r->loop);
	list_push(&r->generations, &s->link);
	r->settings = s;
	listener_look_again(r);
}

bool relay_reload(struct relay *r)
{
	struct conf_diag diag;
	struct settings *s;
	const char *no;

	if (log_reopen() != 0)
		log_error("master", "maillog_file %s: cannot be opened again: %s: the log goes on in the file that was renamed; let %s "
			"write into the folder, or restart relayd", r->settings->conf->maillog_file, strerror(errno), r->settings->conf->mail_owner);
	conf_diag_init(&diag);
	s = settings_load(r->directory, r->extra, &diag);
	relay_log_findings(&diag);
	no = s ? refuse_reload(r, s) : "the configuration has errors";
	if (no) {
		log_error("master", "reload refused: %s; what was in force stays in force", no);
		settings_free(s);
	} else {
		take_over(r, s);
		log_info("master", "reload -- version %s, configuration %s", RELAYBOX_VERSION, r->directory);
	}
	conf_diag_fini(&diag);
	return !no;
}

/* --- the old ones ----------------------------------------------------------------------------------------------------- */

static bool is_used(const struct relay *r, const struct settings *s)
{
	return session_any_of(r, s) || schedule_uses(r->schedule, &s->master) || deliver_uses(r->deliver, &s->master);
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
