/* submit_log - see submit_log.h. The first record of a process opens the log; before that warnings are for standard error, and
 * those of a submission come before it. */
#include "core/submit/submit_log.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/log.h"

/* open_log - false: there is none for us */
static bool open_log(const struct conf *c)
{
	struct log_config l = { .sink = LOG_TO_SYSLOG, .path = c->maillog_file, .json = c->log_format == CONF_LOG_JSON,
		.syslog_name = c->syslog_name };
	static char host[256];

	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	l.host = host;
	/* /dev/stdout is relayd's; here it belongs to whoever sends */
	if (*c->maillog_file && strncmp(c->maillog_file, "/dev/", 5) != 0)
		l.sink = LOG_TO_FILE;
	if (l.sink == LOG_TO_FILE && access(c->maillog_file, W_OK) < 0 && (access(c->maillog_file, F_OK) == 0 || geteuid() != 0))
		return false;
	return (l.sink == LOG_TO_FILE || access("/dev/log", W_OK) == 0) && log_open(&l) == 0;
}

void submit_log(const struct conf *c, const struct envelope *e, size_t size, const struct submit_result *r, const enum verdict *verdicts)
{
	static const char *const words[] = { [VERDICT_DONE] = "sent", [VERDICT_LATER] = "deferred", [VERDICT_NEVER] = "bounced" };
	static const char *const dsn[] = { [VERDICT_DONE] = "2.0.0", [VERDICT_LATER] = "4.0.0", [VERDICT_NEVER] = "5.0.0" };
	struct log_line l;
	char qid[24];

	if (!open_log(c))
		return;
	snprintf(qid, sizeof(qid), "%016llX", (unsigned long long)e->arrival);
	log_begin(&l, "sendmail", (unsigned)getpid(), qid);
	log_field(&l, "uid", "%lld", (long long)e->uid);
	log_addr(&l, "from", e->sender);
	log_field(&l, "size", "%zu", size);
	log_field(&l, "nrcpt", "%zu", e->n_rcpts);
	log_end(&l);
	for (size_t i = 0; i < e->n_rcpts; i++) {
		enum verdict v = verdicts[i];

		log_begin(&l, "sendmail", (unsigned)getpid(), qid);
		log_addr(&l, "to", e->rcpts[i].addr);
		if (e->rcpts[i].orig.n)
			log_addr(&l, "orig_to", e->rcpts[i].orig);
		log_field(&l, "relay", "%s", c->relayhost);
		log_field(&l, "dsn", "%s", dsn[v]);
		log_field(&l, "status", "%s", words[v]);
		log_note(&l, "%s", v == VERDICT_DONE ? r->qid[0] ? r->qid : "taken" : r->why);
		log_end(&l);
	}
	log_flush();
}
