/*
 * dialog.h - SMTP transcripts for the pure machines: how a .chat file is read. test_dialog_server.c and test_dialog_client.c run them.
 *
 *	C: text     the client says "text" CRLF            R: text    the client sends these bytes, no line end
 *	S: text     the server says exactly this line      S~ text    a line that starts so (C~ likewise)
 *	E: text     the next event that the owner sees; a file with E lines must list all of them
 *	# word …    how the owner is set up and what it answers (see there); ## starts a comment
 *
 * Text knows the escapes \r \n \0 \t \\ and \xNN. Who is under test reads its peer's lines in groups: all that
 * stand together are one write. Then the dialogue runs again byte by byte, and (server) all in one write.
 */
#ifndef TESTS_UNIT_DIALOG_H
#define TESTS_UNIT_DIALOG_H

#include <stdio.h>

#include "core/base/buf.h"
#include "tests/unit/t.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
enum { DIALOG_BIG = 4 * 1024 * 1024 };

enum { DIALOG_STEPS = 400 };

struct dialog_step {
	char who;            /* 'C' 'S' 'R' 'E' '#' */
	bool prefix;
	struct buf text;     /* unescaped, without line end */
};
struct dialog {
	struct dialog_step steps[DIALOG_STEPS];
	size_t n;
	bool has_events;
};

static inline int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10 : -1;
}

static inline void dialog_unescape(struct buf *out, struct str in)
{
	static const char from[] = "rn0t\\", to[] = "\r\n\0\t\\";

	for (size_t i = 0; i < in.n; i++) {
		const char *known = i + 1 < in.n && in.p[i + 1] ? strchr(from, in.p[i + 1]) : NULL;

		if (in.p[i] == '\\' && i + 3 < in.n && in.p[i + 1] == 'x') {
			buf_byte(out, (char)(hex(in.p[i + 2]) * 16 + hex(in.p[i + 3])));
			i += 3;
		} else if (in.p[i] == '\\' && known) {
			buf_byte(out, to[known - from]);
			i++;
		} else {
			buf_byte(out, in.p[i]);
		}
	}
}

/* show bytes as text on one line */
static inline void dialog_escape(struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (c == '\r' || c == '\n')
			buf_z(out, c == '\r' ? "\\r" : "\\n");
		else if (c < 32 || c > 126 || (c == ' ' && i + 1 == in.n))
			buf_printf(out, "\\x%02x", c);
		else
			buf_byte(out, (char)c);
	}
}

/* false: the file cannot be read or is not a dialogue (the case is then failed) */
static inline bool dialog_read(struct dialog *d, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[8192];

	memset(d, 0, sizeof(*d));
	if (!f) {
		t_fail(__FILE__, __LINE__, "cannot read %s", path);
		return false;
	}
	while (fgets(line, sizeof(line), f) && d->n < DIALOG_STEPS) {
		struct dialog_step *s = &d->steps[d->n];
		struct str text = str_of(line);

		while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
			text.n--;
		if (text.n == 0 || str_starts(text, STR("##")))
			continue;
		if (text.n < 2 || !strchr("CSRE#", text.p[0]) || !strchr(":~ ", text.p[1])) {
			t_fail(path, (int)d->n, "not a dialogue line: %s", line);
			break;
		}
		s->who = text.p[0];
		s->prefix = text.p[1] == '~';
		buf_init(&s->text, DIALOG_BIG);
		text = str_from(text, s->who == '#' ? 2 : 3);
		if (s->who == 'E' || s->who == '#')
			buf_str(&s->text, text);
		else
			dialog_unescape(&s->text, text);
		d->has_events = d->has_events || s->who == 'E';
		d->n++;
	}
	fclose(f);
	return d->n > 0;
}

static inline void dialog_free(struct dialog *d)
{
	for (size_t i = 0; i < d->n; i++)
		buf_fini(&d->steps[i].text);
}

/* take the next CRLF line of what was said off *out and hold it against the step */
static inline bool dialog_take_line(struct str *out, const struct dialog_step *step)
{
	ptrdiff_t end = str_find(*out, STR("\r\n"));
	struct str line = end < 0 ? *out : str_head(*out, (size_t)end);
	struct str want = buf_view(&step->text);
	bool same = end >= 0 && (step->prefix ? str_starts(line, want) : str_eq(line, want));

	if (!same)
		t_fail(__FILE__, __LINE__, "got \"%.*s\", want \"%.*s\"", STR_ARG(str_head(line, 200)), STR_ARG(want));
	*out = str_from(*out, end < 0 ? out->n : (size_t)end + 2);
	return same;
}

/* the events that the file lists, one a line */
static inline void dialog_events(const struct dialog *d, struct buf *out)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->steps[i].who == 'E')
			buf_printf(out, "%s\n", buf_cstr(&d->steps[i].text));
}

enum mode { MODE_GROUPS, MODE_BYTES, MODE_WHOLE };
static const char *const mode_names[] = { "in groups", "byte by byte", "in one write" };

/* "# option" rows: a bool is on when it is named, "no" before it turns it off */
struct dialog_option {
	const char *name;
	char kind;           /* 'b' bool, 'u' unsigned, 'i' int64_t, 'n' size_t, 's' string */
	size_t offset;
};

static inline void dialog_option(const struct dialog_option *rows, size_t n, void *options, struct str text)
{
	struct str name = STR_EMPTY;

	str_word(&text, " ", &name);
	text = str_trim(text);
	for (size_t i = 0; i < n; i++) {
		char *at = (char *)options + rows[i].offset;
		uint64_t number = 0;
		bool off = str_istarts(name, STR("no-"));

		if (!str_eq(str_from(name, off ? 3 : 0), str_of(rows[i].name)))
			continue;
		str_to_u64(text, &number);
		if (rows[i].kind == 'b')
			*(bool *)at = !off;
		else if (rows[i].kind == 'u')
			*(unsigned *)at = (unsigned)number;
		else if (rows[i].kind == 'i')
			*(int64_t *)at = (int64_t)number;
		else if (rows[i].kind == 'n')
			*(size_t *)at = (size_t)number;
		else
			*(const char **)at = text.p; /* the rest of the step's text: it ends in NUL */
		return;
	}
	t_fail(__FILE__, __LINE__, "unknown option %.*s", STR_ARG(name));
}

#endif
