/* log - see log.h. Both forms of a record are built at once; log_end gives each place the one that it wants.
 *
 * One rule keeps the wire out of the log: every value passes clean_text or clean_json, whatever its origin. A record's
 * text is cut at LIMIT_LOG_LINE; its JSON form holds the cut values, so it is always whole JSON. */
#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/format.h"
#include "core/base/limits.h"
#include "core/base/log_mask.h"
#include "core/base/log_repeat.h"
#include "core/base/log_sink.h"
#include "core/base/mem.h"

/* a byte becomes at most \u00xx, and each may be there twice (its field, the message) */
#define JSON_MAX (16 * LIMIT_LOG_LINE)
#define PLACES 2

int log_verbose;

static struct {
	char program[32];
	char name[64];     /* syslog_name */
	char host[64];
	bool json;         /* somewhere */
	enum log_mask mask;
	struct log_out out[PLACES];
	unsigned pid;      /* 0: not asked yet */
	int64_t second;    /* that `stamp` is for */
	char stamp[24];
	struct buf text, json_spare, whole, masked; /* memory kept between records */
	bool echo;
} state = { .program = "relaybox", .second = -1, .out = { { .fd = -1 }, { .fd = -1 } }, .masked = { .max = 4 * LIMIT_LOG_LINE } };

enum { SYSLOG_MAIL = 2 << 3 };

static const char *const severity_word[] = { "info", "warning", "error", "fatal", "panic" };

static void set(char *to, size_t size, const char *from)
{
	format_text(to, size, "%s", from ? from : "");
}

static struct log_out *end_of_places(void)
{
	return state.out + PLACES;
}

void log_set_form(bool json, bool also_json, enum log_mask mask)
{
	state.out[0].json = json;
	state.out[1].json = also_json;
	state.json = json || also_json;
	state.mask = mask;
}

int log_open(const struct log_config *c)
{
	int r = 0;

	if (log_out_open(&state.out[0], c->sink, c->path) < 0)
		return -1;
	if (c->also)
		r = log_out_open(&state.out[1], c->also->sink, c->also->path);
	else
		log_out_close(&state.out[1]);
	log_set_form(c->json, c->also && c->also->json, c->mask);
	state.pid = 0;
	set(state.name, sizeof(state.name), c->syslog_name ? c->syslog_name : "postfix");
	set(state.host, sizeof(state.host), c->host ? c->host : "localhost");
	return r;
}

bool log_has_json(void)
{
	return state.json;
}

bool log_is_open(void)
{
	return state.out[0].open;
}

void log_echo(bool on)
{
	state.echo = on;
}

int log_reopen(void)
{
	int r = 0, saved = 0;

	for (struct log_out *o = state.out; o < end_of_places(); o++) {
		log_out_flush(o);
		if (log_out_reopen(o) < 0) {
			saved = errno;
			r = -1;
		}
	}
	errno = r ? saved : errno;
	return r;
}

static void flush_all(void)
{
	for (struct log_out *o = state.out; o < end_of_places(); o++)
		log_out_flush(o);
}

/* tell_repeats - how often was said what is not written any more; all: although its time is not over */
static void tell_repeats(bool all)
{
	struct log_said s;
	struct log_line l;

	while (log_repeat_take(all ? INT64_MAX : clock_mono(), &s)) {
		log_begin(&l, s.service, 0, NULL);
		log_event(&l, s.severity, "repeated", "%s (%u times more within a minute)", s.text, s.more);
		log_key_number(&l, "repeated", s.more);
		log_end(&l);
	}
}

void log_flush(void)
{
	for (struct log_out *o = state.out; o < end_of_places(); o++) {
		unsigned long lost = log_out_take_lost(o);
		int away = log_out_take_away(o);

		if (lost)
			log_text(LOG_SEV_WARNING, "log", 0, NULL, "%lu log records lost: the reader was too slow or the disk full", lost);
		if (away)
			log_text(LOG_SEV_WARNING, "log", 0, NULL, "log server %s: %s: records wait, up to %d bytes", o->path, strerror(away),
				LIMIT_LOG_BUFFER);
	}
	if (log_repeat_waiting())
		tell_repeats(false);
	flush_all();
}

void log_finish(void)
{
	tell_repeats(true);
	for (struct log_out *o = state.out; o < end_of_places(); o++)
		log_out_finish(o);
}

void log_set_program(const char *name)
{
	set(state.program, sizeof(state.program), name);
}

/* --- cleaning ---------------------------------------------------------------------------------------------------- */

/* in_address - does what stands at s.p + at belong to an address? Those are between angle brackets; only there more than ASCII is
 * kept, for elsewhere nothing needs it */
static bool in_address(struct str s, size_t at)
{
	while (at--)
		if (s.p[at] == '<' || s.p[at] == '>' || s.p[at] == ' ')
			return s.p[at] == '<';
	return false;
}

/* clean - ASCII, and in addresses (all: s is one) what is visible of UTF-8; for anything else `mark` */
static void clean(struct buf *b, struct str s, bool all, bool json, const char *mark)
{
	struct str rest = s;

	while (rest.n) {
		size_t run = 0, step;

		while (run < rest.n && ascii_is_print(rest.p[run]) && !(json && (rest.p[run] == '"' || rest.p[run] == '\\')))
			run++;
		buf_str(b, str_head(rest, run));
		rest = str_from(rest, run);
		if (!rest.n)
			break;
		step = str_utf8_step(rest);
		if (step == 1 && ascii_is_print(rest.p[0]))
			buf_printf(b, "\\%c", rest.p[0]);
		else if (str_visible_step(rest) > 1 && (all || in_address(s, s.n - rest.n)))
			buf_str(b, str_head(rest, step));
		else
			buf_z(b, mark);
		rest = str_from(rest, step ? step : 1);
	}
}

static void clean_text(struct buf *b, struct str s, bool all)
{
	clean(b, s, all, false, "?");
}

/* masked - s with its addresses masked, good until the next call; whole: s is one */
static struct str masked(struct str s, bool whole)
{
	if (!state.mask || str_chr(s, '@') < 0)
		return s;
	buf_clear(&state.masked);
	log_mask(&state.masked, s, state.mask, whole);
	return buf_view(&state.masked);
}

static void clean_json(struct buf *b, struct str s, bool all)
{
	clean(b, s, all, true, "\\ufffd");
}

static void json_value(struct buf *b, const char *key, struct str value, bool is_addr)
{
	buf_byte(b, ',');
	buf_byte(b, '"');
	clean_json(b, str_of(key), false);
	buf_z(b, "\":\"");
	clean_json(b, value, is_addr);
	buf_byte(b, '"');
}

/* cut - s, shortened to what still fits in the record's text */
static struct str cut(const struct log_line *l, struct str s)
{
	size_t room = l->text.n < LIMIT_LOG_LINE ? LIMIT_LOG_LINE - l->text.n : 0;

	return str_head(s, room);
}

/* --- building ---------------------------------------------------------------------------------------------------- */

static void take_memory(struct buf *to, struct buf *from, size_t max)
{
	*to = *from;
	buf_init(from, 0);
	to->max = max;
	buf_clear(to);
}

static void give_memory(struct buf *from, struct buf *to)
{
	if (to->p) {
		buf_fini(from);
		return;
	}
	*to = *from;
	buf_init(from, 0);
}

/* own_pid - asked once: a record is written too often for a system call each. log_open asks again. */
static unsigned own_pid(void)
{
	if (!state.pid)
		state.pid = (unsigned)getpid();
	return state.pid;
}

void log_begin(struct log_line *l, const char *service, unsigned pid, const char *qid)
{
	*l = (struct log_line){ .service = service, .pid = pid ? pid : own_pid(), .qid = qid };
	take_memory(&l->text, &state.text, LIMIT_LOG_LINE + 256);
	take_memory(&l->json, &state.json_spare, JSON_MAX);
	if (qid) {
		clean_text(&l->text, str_head(str_of(qid), 64), false);
		buf_z(&l->text, ": ");
	}
}

/* put_field - value as the text form has it; in the JSON form, too, or json if that is not empty, as it stands */
static void put_field(struct log_line *l, const char *key, struct str value, struct str json, bool is_addr)
{
	value = cut(l, value);
	if (l->fields++)
		buf_z(&l->text, l->spaced ? " " : ", ");
	buf_z(&l->text, key);
	buf_z(&l->text, is_addr ? "=<" : "=");
	clean_text(&l->text, value, is_addr);
	if (is_addr)
		buf_byte(&l->text, '>');
	if (json.n)
		log_key_json(l, key, json);
	else if (state.json)
		json_value(&l->json, key, value, is_addr);
}

static void add_field(struct log_line *l, const char *key, struct str value, bool is_addr)
{
	put_field(l, key, masked(value, is_addr), STR_EMPTY, is_addr);
}

/* format - printf into a record-sized array; what is longer is cut */
#define FORMAT(array, fmt, view) do { \
		va_list ap_; \
		int n_; \
		va_start(ap_, fmt); \
		n_ = format_vtext((array), sizeof(array), (fmt), ap_); \
		va_end(ap_); \
		(view) = str_make((array), n_ < 0 ? 0 : (size_t)n_ < sizeof(array) ? (size_t)n_ : sizeof(array) - 1); \
	} while (0)

void log_str(struct log_line *l, const char *key, struct str value)
{
	add_field(l, key, value, false);
}

void log_addr(struct log_line *l, const char *key, struct str addr)
{
	add_field(l, key, addr, true);
}

void log_id(struct log_line *l, const char *key, struct str value)
{
	put_field(l, key, value, STR_EMPTY, false);
}

void log_literal(struct log_line *l, const char *key, struct str value, struct str json)
{
	put_field(l, key, value, json, false);
}

void log_number(struct log_line *l, const char *key, int64_t value)
{
	char text[24];
	int n = format_text(text, sizeof(text), "%lld", (long long)value);

	log_literal(l, key, str_make(text, (size_t)n), str_make(text, (size_t)n));
}

void log_note(struct log_line *l, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE];
	struct str value;

	FORMAT(text, fmt, value);
	value = cut(l, masked(value, false));
	buf_z(&l->text, l->fields ? " (" : "(");
	clean_text(&l->text, value, false);
	buf_byte(&l->text, ')');
	if (state.json)
		json_value(&l->json, "text", value, false);
}

void log_words(struct log_line *l, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE];
	struct str value;

	FORMAT(text, fmt, value);
	clean_text(&l->text, cut(l, masked(value, false)), false);
}

void log_event_str(struct log_line *l, enum log_severity sev, const char *event, struct str text)
{
	l->severity = sev;
	if (sev != LOG_SEV_INFO) {
		buf_z(&l->text, severity_word[sev]);
		buf_z(&l->text, ": ");
	}
	clean_text(&l->text, cut(l, masked(text, false)), false);
	if (event)
		log_key(l, "event", str_of(event));
}

void log_event(struct log_line *l, enum log_severity sev, const char *event, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE];
	struct str value;

	FORMAT(text, fmt, value);
	log_event_str(l, sev, event, value);
}

void log_say(enum log_severity sev, const char *service, unsigned pid, const char *qid, const char *event, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE];
	struct log_line l;
	struct str value;

	FORMAT(text, fmt, value);
	log_begin(&l, service, pid, qid);
	log_event_str(&l, sev, event, value);
	log_end(&l);
}

void log_key(struct log_line *l, const char *key, struct str value)
{
	if (state.json)
		json_value(&l->json, key, cut(l, masked(value, false)), false);
}

void log_key_number(struct log_line *l, const char *key, int64_t value)
{
	if (state.json)
		buf_printf(&l->json, ",\"%s\":%lld", key, (long long)value);
}

void log_key_json(struct log_line *l, const char *key, struct str json)
{
	if (state.json)
		buf_printf(&l->json, ",\"%s\":%.*s", key, STR_ARG(json));
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static const char *stamp(usec now)
{
	time_t t = (time_t)(now / USEC_PER_SEC);
	struct tm tm;

	if (state.second != (int64_t)t) {
		state.second = (int64_t)t;
		localtime_r(&t, &tm);
		strftime(state.stamp, sizeof(state.stamp), "%b %e %H:%M:%S", &tm);
	}
	return state.stamp;
}

/* iso_time - with the zone: 2026-11-22T10:00:00.123Z */
static void iso_time(struct buf *b, usec now)
{
	time_t t = (time_t)(now / USEC_PER_SEC);
	struct tm tm;
	char date[32];

	gmtime_r(&t, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%03dZ", date, (int)(now % USEC_PER_SEC / 1000));
}

static void json_record(struct buf *b, const struct log_line *l, usec now)
{
	buf_z(b, "{\"time\":\"");
	iso_time(b, now);
	buf_byte(b, '"');
	json_value(b, "host", str_of(state.host), false);
	json_value(b, "service", str_of(l->service), false);
	buf_printf(b, ",\"pid\":%u", l->pid);
	json_value(b, "severity", str_of(severity_word[l->severity]), false);
	if (l->qid)
		json_value(b, "queue_id", str_of(l->qid), false);
	buf_str(b, buf_view(&l->json));
	json_value(b, "message", buf_view(&l->text), false);
	buf_byte(b, '}');
}

/* put_tag - the program behind a record: "postfix/smtpd[12]: "; every line has one, so no format is read for it */
static void put_tag(struct buf *b, const struct log_line *l)
{
	buf_byte(b, ' ');
	buf_z(b, state.name);
	buf_byte(b, '/');
	buf_z(b, l->service);
	buf_byte(b, '[');
	buf_u64(b, l->pid);
	buf_z(b, "]: ");
}

/* head - what stands before a record: syslog's on this host knows the host (RFC 3164), a log server is told (RFC 5424) */
static void head(struct buf *b, const struct log_out *o, const struct log_line *l, usec now)
{
	static const int priority[] = { 6, 4, 3, 2, 2 };
	bool local = log_out_is_syslog(o);

	if (local)
		buf_printf(b, "<%d>", SYSLOG_MAIL | priority[l->severity]);
	if (o->remote) {
		buf_z(b, "1 ");
		iso_time(b, now);
		buf_printf(b, " %s %s/%s %u - - ", state.host, state.name, l->service, l->pid);
	} else if (local) {
		buf_z(b, stamp(now));
		put_tag(b, l);
	} else if (!o->json) {
		buf_z(b, stamp(now));
		buf_byte(b, ' ');
		buf_z(b, state.host);
		put_tag(b, l);
	}
}

static void write_record(struct log_out *o, const struct log_line *l, usec now)
{
	struct buf whole;

	take_memory(&whole, &state.whole, 2 * JSON_MAX);
	head(&whole, o, l, now);
	if (o->json)
		json_record(&whole, l, now);
	else
		buf_str(&whole, buf_view(&l->text));
	log_out_line(o, buf_view(&whole));
	give_memory(&whole, &state.whole);
}

void log_end(struct log_line *l)
{
	bool open = log_is_open();
	usec now = open ? clock_wall() : 0;

	for (struct log_out *o = state.out; o < end_of_places(); o++)
		if (o->open)
			write_record(o, l, now);
	if (!open || (state.echo && l->severity >= LOG_SEV_ERROR))
		fprintf(stderr, "%s: %s\n", state.program, buf_cstr(&l->text));
	give_memory(&l->text, &state.text);
	give_memory(&l->json, &state.json_spare);
	if (l->severity >= LOG_SEV_WARNING)
		flush_all();
}

static _Thread_local struct buf *aside;

void log_aside(struct buf *b)
{
	aside = b;
}

void log_text(enum log_severity sev, const char *service, unsigned pid, const char *qid, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE];
	struct log_line l;
	struct str value;

	FORMAT(text, fmt, value);
	if (aside) {
		buf_str(aside, value);
		buf_byte(aside, '\n');
		return;
	}
	/* of a message or a session each is wanted */
	if (!pid && !qid && log_is_open() && log_repeat_is_enough(sev, service, value, clock_mono()))
		return;
	log_begin(&l, service, pid, qid);
	log_event_str(&l, sev, NULL, value);
	log_end(&l);
}

void log_seconds(struct buf *b, int64_t us)
{
	/* digits after the point: two significant ones, but never finer than 0.01 */
	static const struct { int64_t below, step; int digits; } rows[] = {
		{ 1000000, 10000, 2 }, { 10000000, 100000, 1 }, { INT64_MAX, 1000000, 0 },
	};
	int64_t value, whole, part;
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i < 2 && us + rows[i].step / 2 >= rows[i].below)
		i++;
	value = us / rows[i].step + (us % rows[i].step >= rows[i].step / 2);
	whole = value * (rows[i].step / 10000) / 100;
	part = value * (rows[i].step / 10000) % 100;
	buf_u64(b, (uint64_t)whole);
	if (!part)
		return;
	buf_byte(b, '.');
	buf_byte(b, (char)('0' + part / 10));
	if (part % 10)
		buf_byte(b, (char)('0' + part % 10));
}

void log_delays(struct log_line *l, int64_t total, const int64_t parts[LOG_DELAYS])
{
	struct buf text, json;

	buf_init(&text, 200);
	buf_init(&json, 200);
	log_seconds(&text, total);
	log_literal(l, "delay", buf_view(&text), buf_view(&text));
	buf_clear(&text);
	for (size_t i = 0; i < LOG_DELAYS; i++) {
		buf_z(&text, i ? "/" : "");
		log_seconds(&text, parts[i]);
	}
	for (size_t i = 0; state.json && i < LOG_DELAYS; i++) {
		buf_byte(&json, i ? ',' : '[');
		log_seconds(&json, parts[i]);
	}
	if (json.n)
		buf_byte(&json, ']');
	log_literal(l, "delays", buf_view(&text), buf_view(&json));
	buf_fini(&text);
	buf_fini(&json);
}
