/* inject - see inject.h. The header section is read twice: first for what must be known of all fields (which recipient
 * fields count, is there a From), then to copy it. */
#include "core/msg/inject.h"

#include "core/base/mem.h"
#include "core/msg/addr_repair.h"
#include "core/msg/header.h"
#include "core/msg/mime.h"

#define BAD_NAMED 5                    /* wrong addresses that are named in a message, and how much of each */
#define BAD_SHOWN 100

struct str inject_skip_from_lines(struct str message)
{
	while (str_starts(message, STR("From ")) || str_starts(message, STR(">From "))) {
		ptrdiff_t end = str_chr(message, '\n');

		message = str_from(message, end < 0 ? message.n : (size_t)end + 1);
	}
	return message;
}

static void add_rcpt(struct arena *a, struct inject_rcpts *r, struct str addr)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 16;
		struct str *v = ARENA_ARRAY(a, struct str, cap);

		if (!v)
			return;
		if (r->n)
			memcpy(v, r->v, r->n * sizeof(*v));
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = addr;
}

/* add_bad - name it; one that begins with "-" would look like a mistyped option, so that is said */
static void add_bad(struct arena *a, struct inject_rcpts *r, const char *where, struct str text)
{
	const char *why = str_starts(text, STR("-")) ? " begins with -" : "";

	r->n_bad++;
	if (r->n_bad <= BAD_NAMED)
		r->bad = arena_z(a, arena_printf(a, "%s%s%s: \"%.*s\"%s", r->bad ? r->bad : "", r->bad ? ", " : "", where,
			STR_ARG(str_head(text, BAD_SHOWN)), why));
	else if (r->n_bad == BAD_NAMED + 1)
		r->bad = arena_z(a, arena_printf(a, "%s …", r->bad));
}

void inject_add_list(struct arena *a, struct inject_rcpts *r, const char *where, struct str list)
{
	struct addr_element *v;
	size_t n = addr_repair(a, list, &v);

	for (size_t i = 0; i < n; i++) {
		struct mailbox *m = &v[i].mailbox;

		if (v[i].good && !str_starts(m->addr.full, STR("-")))
			add_rcpt(a, r, m->addr.full);
		else
			add_bad(a, r, where, m->raw);
	}
	mem_free(v);
}

static bool is_listed(const char *list, struct str name)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, ", \t\r\n", &word))
		if (str_ieq(word, name))
			return true;
	return false;
}

#define RECIPIENT_FIELDS "to cc bcc"
#define RESENT_FIELDS "resent-to resent-cc resent-bcc"
/* what else makes a message one that was resent */
#define RESENT_MARKS "resent-from resent-sender resent-reply-to resent-date resent-message-id"

struct survey {
	bool from, resent_from;
	bool resent_to;                /* … names recipients */
	bool resent;
};
static struct survey survey_of(struct str headers)
{
	struct survey s = { .resent = false };
	struct header h;

	while (header_next(&headers, &h) == 1) {
		s.from = s.from || str_ieq(h.name, STR("from"));
		s.resent_from = s.resent_from || str_ieq(h.name, STR("resent-from"));
		s.resent_to = s.resent_to || is_listed(RESENT_FIELDS, h.name);
		s.resent = s.resent || s.resent_to || is_listed(RESENT_MARKS, h.name);
	}
	return s;
}

static bool has_high_byte(struct str s)
{
	return !str_is_ascii(s);
}

/* add_from - "From: Full Name <sender>"; the receiving side gives a bare name its domain. Who resends is said by Resent-From, which also
 * marks a message whose only other mark is a Resent-Bcc that is left out */
static void add_from(struct buf *out, const struct inject_options *o, const char *field)
{
	struct str name = str_of(o->full_name);
	bool special = false;

	if (!o->sender.n || !name.n)
		return;
	for (size_t i = 0; i < name.n; i++) {
		if ((unsigned char)name.p[i] < 32 || name.p[i] == 127)
			return;
		special = special || strchr("()<>[]:;@\\,.\"", name.p[i]);
	}
	buf_z(out, field);
	if (!str_is_ascii(name)) {
		mime_phrase(out, name, strlen(field));
	} else if (special) {
		buf_byte(out, '"');
		buf_escaped(out, name);
		buf_byte(out, '"');
	} else {
		buf_str(out, name);
	}
	buf_printf(out, " <%.*s>\r\n", STR_ARG(o->sender));
}

void inject_message(struct arena *a, struct str message, const struct inject_options *o, struct buf *out,
	struct inject_rcpts *r, struct inject_report *report)
{
	size_t split = header_body_split(message);
	struct str headers = str_head(message, split), body = str_from(message, split), rest = headers;
	struct survey s = survey_of(headers);
	const char *wanted = s.resent_to ? RESENT_FIELDS : RECIPIENT_FIELDS;
	struct buf value;
	struct header h;

	buf_init(&value, message.n + 1);
	while (header_next(&rest, &h) == 1) {
		if (o->extract && is_listed(wanted, h.name)) {
			buf_clear(&value);
			header_unfold(h.value, &value);
			inject_add_list(a, r, arena_z(a, h.name), arena_str(a, buf_view(&value)));
		}
		if (is_listed(o->drop, h.name))
			continue;
		report->utf8_header = report->utf8_header || has_high_byte(h.raw);
		buf_str(out, h.raw);
	}
	buf_fini(&value);
	if (!s.from && (!s.resent || o->author))
		add_from(out, o, "From: ");
	if (s.resent && !s.resent_from)
		add_from(out, o, "Resent-From: ");
	buf_z(out, "\r\n");
	buf_str(out, body);
	report->eight_bit = has_high_byte(body);
}
