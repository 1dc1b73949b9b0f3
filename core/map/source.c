/* source - see source.h. An entry on one physical line is a view into the caller's text; only continued lines are
 * copied, so that a table of a million lines is read without a copy. Text from a descriptor comes through a window that
 * moves only when no view into it is held, or after the held line was copied. */
#include "core/map/source.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"

#define SOURCE_WINDOW (256 * 1024)         /* and so the longest physical line, comments included */
#define SOURCE_FIRST (4 * 1024)            /* most tables are small; those that are not get there soon */

void source_init(struct source *s, struct str text, enum source_form form)
{
	memset(s, 0, sizeof(*s));
	s->rest = text;
	s->form = form;
	s->next_line = 1;
	s->fd = -1;
	buf_init(&s->logical, LIMIT_MAP_VALUE);
	buf_init(&s->window, SOURCE_WINDOW);
}

void source_init_fd(struct source *s, int fd, enum source_form form)
{
	source_init(s, STR_EMPTY, form);
	s->fd = fd;
}

void source_fini(struct source *s)
{
	buf_fini(&s->logical);
	buf_fini(&s->window);
}

static int bad(struct source *s, const char *why)
{
	snprintf(s->error, sizeof(s->error), "%s", why);
	return -1;
}

/* widen - a window that was not enough for the text, until it is as wide as it gets */
static void widen(struct source *s)
{
	if (s->room == SOURCE_WINDOW)
		return;
	s->room = s->room ? 4 * s->room : SOURCE_FIRST;
	buf_reserve(&s->window, s->room - s->window.n);
}

/* fill - up to its room, or the end of the text */
static void fill(struct source *s)
{
	while (s->fd >= 0 && !s->read_errno && s->window.n < s->room) {
		ssize_t got = read(s->fd, s->window.p + s->window.n, s->room - s->window.n);

		if (got > 0)
			s->window.n += (size_t)got;
		else if (got == 0)
			s->fd = -1;
		else if (errno != EINTR)
			s->read_errno = errno;
	}
}

/* bring a whole line into the window; a line that does not fit ends the text with EFBIG */
static void refill(struct source *s)
{
	if (s->rest.n)
		memmove(s->window.p, s->rest.p, s->rest.n);
	s->window.n = s->rest.n;
	do {
		widen(s);
		fill(s);
	} while (s->fd >= 0 && !s->read_errno && s->room < SOURCE_WINDOW && !memchr(s->window.p, '\n', s->window.n));
	s->rest = buf_view(&s->window);
	if (s->fd >= 0 && !s->read_errno && !memchr(s->rest.p, '\n', s->rest.n))
		s->read_errno = EFBIG;
	if (s->read_errno) {
		s->rest = STR_EMPTY;
		s->fd = -1;
	}
}

/* the end of the next physical line, or NULL where the text ends without one; moves the window if it must */
static const char *line_end(struct source *s)
{
	const char *nl = s->rest.n ? memchr(s->rest.p, '\n', s->rest.n) : NULL;

	if (nl || s->fd < 0)
		return nl;
	refill(s);
	return s->rest.n ? memchr(s->rest.p, '\n', s->rest.n) : NULL;
}

/* the next physical line without its end; false at the end of the text */
static bool take_physical(struct source *s, struct str *line)
{
	const char *nl = line_end(s);
	size_t n = nl ? (size_t)(nl - s->rest.p) : s->rest.n;

	if (!s->rest.n)
		return false;
	*line = str_head(s->rest, n);
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	s->rest = str_from(s->rest, nl ? n + 1 : n);
	s->next_line++;
	return true;
}

static bool is_blank_or_comment(struct str line)
{
	size_t i = 0;

	while (i < line.n && ascii_is_space(line.p[i]))
		i++;
	return i == line.n || line.p[i] == '#';
}

/* whether the next line surely starts an entry, so that looking at it moves nothing */
static bool is_plain_ahead(const struct source *s)
{
	return s->rest.n && !ascii_is_space(s->rest.p[0]) && s->rest.p[0] != '#';
}

/* whether the text ahead still belongs to this entry; comments and blank lines on the way are skipped for good */
static bool more_ahead(struct source *s)
{
	for (;;) {
		struct str before, line;
		unsigned number = s->next_line;

		if (is_plain_ahead(s))
			return false;
		line_end(s);
		before = s->rest;
		if (!take_physical(s, &line))
			return false;
		if (is_blank_or_comment(line))
			continue;
		s->rest = before;
		s->next_line = number;
		return ascii_is_space(line.p[0]);
	}
}

/* 1 with the next logical line, 0 at the end, -1: too long */
static int take_logical(struct source *s, struct str *line)
{
	struct str more;

	do {
		s->line = s->next_line;
		if (!take_physical(s, line))
			return 0;
	} while (is_blank_or_comment(*line));
	if (is_plain_ahead(s) || !(s->rest.n || s->fd >= 0))
		return line->n > s->logical.max ? bad(s, "line too long") : 1;
	buf_clear(&s->logical);
	buf_str(&s->logical, *line);
	while (more_ahead(s)) {
		take_physical(s, &more);
		buf_str(&s->logical, more);
	}
	if (s->logical.overflow)
		return bad(s, "line too long");
	*line = buf_view(&s->logical);
	return 1;
}

/* `key whitespace value`; the key ends at white space outside double quotes, and keeps its quotes */
static int split_table(struct source *s, struct str line, struct str *key, struct str *value)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < line.n; i++) {
		char c = line.p[i];

		if (c == '"')
			quoted = !quoted;
		else if (c == '\\' && i + 1 < line.n)
			i++;
		else if (!quoted && ascii_is_space(c))
			break;
	}
	if (quoted)
		return bad(s, "unbalanced '\"'");
	*key = str_head(line, i);
	*value = str_trim(str_from(line, i));
	if (!key->n || !value->n)
		return bad(s, "expected format: key whitespace value");
	return 1;
}

/* a quoted alias name loses its quotes; the bytes move inside s->logical */
static int unquote_key(struct source *s, struct str line, struct str *key, size_t *end)
{
	size_t i;
	struct str copy;

	if (s->logical.p != line.p) {
		buf_clear(&s->logical);
		buf_str(&s->logical, line);
	}
	copy = str_make(s->logical.p, 0);
	for (i = 1; i < line.n && s->logical.p[i] != '"'; i++) {
		if (s->logical.p[i] == '\\' && ++i == line.n)
			break;
		s->logical.p[copy.n++] = s->logical.p[i];
	}
	if (i >= line.n)
		return bad(s, "unbalanced '\"'");
	*key = copy;
	*end = i + 1;
	return 1;
}

/* `name: value` */
static int split_alias(struct source *s, struct str line, struct str *key, struct str *value)
{
	size_t end = 0;
	struct str after;

	if (line.p[0] == '"') {
		if (unquote_key(s, line, key, &end) < 0)
			return -1;
		line.p = s->logical.p;
	} else {
		ptrdiff_t colon = str_chr(line, ':');

		end = colon < 0 ? line.n : (size_t)colon;
		*key = str_trim(str_head(line, end));
		if (str_chr(*key, '@') >= 0)
			return bad(s, "name must be local");
	}
	after = str_trim(str_from(line, end));
	if (!key->n || !after.n || after.p[0] != ':')
		return bad(s, "expected format: name: value");
	*value = str_trim(str_from(after, 1));
	if (!value->n)
		return bad(s, "expected format: name: value");
	return 1;
}

/* is_alias - has the line a colon behind its name? */
static bool is_alias(struct str line)
{
	size_t n = 0;

	if (line.p[0] == '"')
		for (n = 1; n < line.n && line.p[n] != '"'; n++)
			n += line.p[n] == '\\';
	while (n < line.n && !ascii_is_space(line.p[n]) && line.p[n] != ':')
		n++;
	return str_starts(str_trim(str_from(line, n)), STR(":"));
}

/* take_mark - a byte order mark before the first line would be part of its key; true: it was there, and is gone */
static bool take_mark(struct source *s)
{
	if (s->begun)
		return false;
	s->begun = true;
	line_end(s);
	if (!str_starts(s->rest, STR("\xef\xbb\xbf")))
		return false;
	s->rest = str_from(s->rest, 3);
	s->line = 1;
	return true;
}

int source_next(struct source *s, struct str *key, struct str *value)
{
	struct str line;
	int got;

	if (take_mark(s))
		return bad(s, "the file begins with a byte order mark, which is skipped: save it as UTF-8 without one");
	got = take_logical(s, &line);
	if (got <= 0)
		return got;
	while (ascii_is_space(line.p[line.n - 1]))
		line.n--;
	if (memchr(line.p, '\0', line.n))
		return bad(s, "the line holds a NUL byte");
	if (ascii_is_space(line.p[0]))
		return bad(s, "logical line must not start with whitespace");
	switch (s->form) {
	case SOURCE_TABLE:
	case SOURCE_ROUTE:
	case SOURCE_SECRETS:
	case SOURCE_LOGINS:
		return split_table(s, line, key, value);
	case SOURCE_ALIAS_TEXT:
		if (!is_alias(line))
			return split_table(s, line, key, value);
		/* fall through */
	case SOURCE_ALIAS:
		return split_alias(s, line, key, value);
	case SOURCE_LINES:
		*key = STR_EMPTY;
		*value = line;
		return 1;
	}
	return bad(s, "unknown form");
}

/* One read of the size that fstat gave, and more only if the file grew or has no size (a pipe, /proc) */
static int load_fd(int fd, struct buf *text, const struct stat *st)
{
	size_t want = S_ISREG(st->st_mode) && st->st_size > 0 ? (size_t)st->st_size + 1 : 4096;

	for (;;) {
		ssize_t got;

		if (!buf_reserve(text, want)) {
			errno = EFBIG;
			return -1;
		}
		got = read(fd, text->p + text->n, want);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -1 : 0;
		text->n += (size_t)got;
		text->p[text->n] = '\0';
		want = want > (size_t)got ? want - (size_t)got : 64 * 1024;
	}
}

int source_load(const char *path, struct buf *text, struct stat *st)
{
	int fd = fs_open_table(path), result = -1, saved;

	if (fd < 0)
		return -1;
	buf_clear(text);
	if (fstat(fd, st) == 0) {
		if (S_ISDIR(st->st_mode))
			errno = EISDIR;
		else
			result = load_fd(fd, text, st);
	}
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}
