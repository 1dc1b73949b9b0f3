/* log - Postfix's log lines, or one JSON object per event with the same fields, behind one set of calls.
 *
 * A record is a service ("smtpd", "qmgr"), a pid (per session a pseudo pid, so that analysers can pair lines), a
 * queue id or NULL, and either fields or free text. There are two places to write to at most, each in its form. Text form
 * (docs/man/relaybox-log.5):
 *   Nov 22 10:00:00 host postfix/smtp[12]: 8DE012082C: to=<a@b>, relay=none, delay=30, ..., status=deferred (why)
 * JSON form: {"time":…,"host":…,"service":"smtp","pid":12,"queue_id":"…","to":"a@b",…,"text":"why","message":"<the text form after the prefix>"}
 * Nothing raw passes: what is not printable ASCII becomes '?', U+FFFD in JSON; in addresses visible characters of UTF-8 stay
 * (str_visible_step), where they are not masked (log_mask.h). What the daemon itself says again and again is counted instead
 * (log_repeat.h); what is about one message or one session is not.
 * Lines are gathered and written by log_flush (the loop calls it once a tick, warnings and worse flush at once).
 * Only the loop thread logs. Before log_open everything goes to stderr as `applet: text`. */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include "core/base/buf.h"

enum log_severity { LOG_SEV_INFO, LOG_SEV_WARNING, LOG_SEV_ERROR, LOG_SEV_FATAL, LOG_SEV_PANIC };
enum log_sink { LOG_TO_STDERR, LOG_TO_STDOUT, LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TO_NOTHING };

enum log_mask { LOG_MASK_NONE, LOG_MASK_SMART, LOG_MASK_PARANOID, LOG_MASK_HASH };

struct log_config {
	enum log_sink sink;
	const char *path;         /* LOG_TO_FILE: opened for append, again by log_reopen. LOG_TO_SYSLOG: a name of log_sink.h; NULL: syslog */
	bool json;
	const struct log_config *also; /* a second place: these three; NULL: none */
	enum log_mask mask;       /* of addresses */
	const char *syslog_name;  /* "postfix" */
	const char *host;         /* short host name in the prefix */
};

/* log_open - 0, or -1 with errno: the second place may be open then, and counts. May be called again */
int log_open(const struct log_config *c);
void log_set_form(bool json, bool also_json, enum log_mask mask);      /* of what is open: after a reload */
bool log_is_open(void);
bool log_has_json(void);                               /* does anybody read keys? */
void log_echo(bool on);                                /* errors also to stderr: until a daemon serves, somebody waits there */
int log_reopen(void);                                  /* after rotation; 0, or -1 with errno: the old file goes on */
/* log_set_opener - who opens a file again where we may not (a descriptor, or -1 with errno); NULL: nobody */
void log_set_opener(int (*opener)(void *ctx, const char *path), void *ctx);
void log_flush(void);
void log_finish(void);                                 /* the last flush: tell what is counted, wait a moment for slow readers */
void log_set_program(const char *name);                /* prefix for stderr lines before log_open */
extern int log_verbose;                                /* -v count */

struct log_line {
	const char *service;
	unsigned pid;
	const char *qid;
	enum log_severity severity;
	unsigned fields;
	bool spaced;              /* set after log_begin: fields are separated by a space only, as pickup's are */
	struct buf text, json;
};
/* build one record: begin, add fields in order, end */
void log_begin(struct log_line *l, const char *service, unsigned pid, const char *qid);
void log_str(struct log_line *l, const char *key, struct str value);
void log_number(struct log_line *l, const char *key, int64_t value);
void log_literal(struct log_line *l, const char *key, struct str value, struct str json); /* json: what it is there, as it stands */
void log_id(struct log_line *l, const char *key, struct str value);       /* log_str of what is no address, though it looks like one */
void log_addr(struct log_line *l, const char *key, struct str addr);      /* key=<addr> ; JSON: bare */
void log_note(struct log_line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* " (text)" ; JSON key "text" */
void log_words(struct log_line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* free text, in place of a field */
/* log_key and its kin - a key of the JSON form only: what the text form says in its words */
void log_key(struct log_line *l, const char *key, struct str value);
void log_key_number(struct log_line *l, const char *key, int64_t value);
void log_key_json(struct log_line *l, const char *key, struct str json);
void log_end(struct log_line *l);
/* log_event - one record of free text with a name: "event" in the JSON form (NULL: added later), and log_key may add to it before log_end */
void log_event(struct log_line *l, enum log_severity sev, const char *event, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void log_event_str(struct log_line *l, enum log_severity sev, const char *event, struct str text);
/* log_say - that in one call */
void log_say(enum log_severity sev, const char *service, unsigned pid, const char *qid, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/* one record of free text; warning and worse get Postfix's "warning: " / "error: " / "fatal: " / "panic: " prefix */
void log_text(enum log_severity sev, const char *service, unsigned pid, const char *qid, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* log_aside - what this thread says from now on goes to the end of b, a line each, for the loop thread to log; NULL: no more. Only
 * log_text and what is made of it */
void log_aside(struct buf *b);
#define log_info(service, ...) log_text(LOG_SEV_INFO, service, 0, NULL, __VA_ARGS__)
#define log_warn(service, ...) log_text(LOG_SEV_WARNING, service, 0, NULL, __VA_ARGS__)
#define log_error(service, ...) log_text(LOG_SEV_ERROR, service, 0, NULL, __VA_ARGS__)
/* log_debug - only with -v */
#define log_debug(service, ...) do { if (log_verbose) log_text(LOG_SEV_INFO, service, 0, NULL, __VA_ARGS__); } while (0)
/* log_delays - delay= and delays=a/b/c/d of a delivery: numbers, and a list of them, in the JSON form */
#define LOG_DELAYS 4
void log_delays(struct log_line *l, int64_t total, const int64_t parts[LOG_DELAYS]);
/* log_seconds - "0.05", "2.3", "30": Postfix's two significant digits (delay=, delays=) */
void log_seconds(struct buf *b, int64_t us);

#endif
