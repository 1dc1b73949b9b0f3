/* downgrade - see downgrade.h. mime_lines finds the parts, as Postfix does. */
#include "core/msg/downgrade.h"

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/mime.h"
#include "core/msg/mime_lines.h"

enum { QP_COLUMN = 72, LINE_PIECE = 8192 };

/* what the body that is running is */
enum body { BODY_ENCODED /* already */, BODY_OUTSIDE /* between parts */, BODY_HELD /* not known yet */, BODY_QUOTED };

struct downgrade {
	struct mime_lines lines;
	struct buf line;       /* what has come of a line that has not ended */
	struct buf *out;
	bool in_header, first; /* in a header section; in the message's own */
	bool is_mime;          /* the message's own header has MIME-Version */
	bool is_8bit, is_7bit, is_encoded; /* what a field of this section says */
	enum body body;
	struct buf held;       /* of a body that may turn out to be 8-bit: at most LIMIT_DOWNGRADE_HELD */
	bool part_of_line;     /* the text is no whole line: no line end after it */
	bool rest;             /* the line began already */
	bool failed;
	struct buf quoted;     /* the encoded line so far */
};

/* --- body ----------------------------------------------------------------------------------------------------------- */

static void quote(struct downgrade *d, struct str text, bool end)
{
	struct buf *b = &d->quoted;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (b->n > QP_COLUMN) {
			buf_str(d->out, buf_view(b));
			buf_z(d->out, "=\r\n");
			buf_clear(b);
		}
		if ((c < 32 && c != '\t') || c == '=' || c > 126)
			mime_code(b, '=', c);
		else
			buf_byte(b, (char)c);
	}
	if (!end)
		return;
	if (b->n && (b->p[b->n - 1] == ' ' || b->p[b->n - 1] == '\t')) {
		unsigned char c = (unsigned char)b->p[b->n - 1];

		buf_truncate(b, b->n - 1);
		mime_code(b, '=', c);
	}
	buf_str(d->out, buf_view(b));
	buf_z(d->out, "\r\n");
	buf_clear(b);
}

static bool has_8bit(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return true;
	return false;
}

static void plain(struct buf *out, struct str text, bool end)
{
	buf_str(out, text);
	if (end)
		buf_z(out, "\r\n");
}

static void say_encoding(struct downgrade *d, const char *encoding)
{
	if (d->first && !d->is_mime)
		buf_z(d->out, "MIME-Version: 1.0\r\n");
	if (d->first && !d->is_mime && !d->lines.typed)
		buf_z(d->out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
	buf_printf(d->out, "Content-Transfer-Encoding: %s\r\n", encoding);
}

/* the held body is known: it goes as it is, or encoded from its first line on */
static void release(struct downgrade *d, enum body as)
{
	struct str rest = buf_view(&d->held), line;

	if (d->body != BODY_HELD)
		return;
	d->body = as;
	if (as == BODY_QUOTED)
		say_encoding(d, "quoted-printable");
	else if (d->is_7bit)
		buf_z(d->out, "Content-Transfer-Encoding: 7bit\r\n");
	while (as == BODY_QUOTED && rest.n) {
		bool end = str_chr(rest, '\n') >= 0;

		str_cut(&rest, '\n', &line);
		quote(d, end ? str_head(line, line.n - 1) : line, end);
	}
	if (as != BODY_QUOTED)
		buf_str(d->out, rest);
	d->first = false;
	buf_clear(&d->held);
	buf_shrink(&d->held);
}

static void body_text(struct downgrade *d, struct str text, bool end)
{
	if (d->body == BODY_HELD && (has_8bit(text) || d->held.n + text.n > LIMIT_DOWNGRADE_HELD))
		release(d, BODY_QUOTED);
	switch (d->body) {
	case BODY_QUOTED:
		quote(d, text, end);
		return;
	case BODY_HELD:
		plain(&d->held, text, end);
		return;
	case BODY_OUTSIDE:
		for (size_t i = 0; i < text.n; i++)
			buf_byte(d->out, (unsigned char)text.p[i] < 0x80 ? text.p[i] : '?');
		plain(d->out, STR_EMPTY, end);
		return;
	case BODY_ENCODED:
		d->failed |= has_8bit(text);
		plain(d->out, text, end);
		return;
	}
}

/* --- header sections -------------------------------------------------------------------------------------------------- */

static void begin_section(struct downgrade *d)
{
	d->in_header = true;
	d->is_8bit = d->is_7bit = d->is_encoded = false;
	/* at a boundary mime_lines knows what the part is if it says nothing */
	if (!d->lines.at_boundary)
		d->lines.typed = d->lines.composite = false;
}

static bool is_named(struct str field, const char *name, struct str *value)
{
	ptrdiff_t colon = str_chr(field, ':');

	if (colon <= 0 || !str_ieq(str_head(field, (size_t)colon), str_of(name)))
		return false;
	*value = str_from(field, (size_t)colon + 1);
	return true;
}

/* the field is not passed on where it may say what will not be true any more */
static bool takes_encoding(struct downgrade *d, struct str field)
{
	struct str value, word;

	if (!is_named(field, "Content-Transfer-Encoding", &value))
		return false;
	if (!str_word(&value, " \t\r\n;(", &word))
		word = STR_EMPTY;
	d->is_8bit = str_ieq(word, STR("8bit")) || str_ieq(word, STR("binary"));
	d->is_7bit = str_ieq(word, STR("7bit"));
	d->is_encoded = !d->is_8bit && !d->is_7bit;
	return !d->is_encoded;
}

static void put_field(struct downgrade *d, struct str field)
{
	struct str line;

	while (str_cut(&field, '\n', &line)) {
		buf_str(d->out, line);
		buf_z(d->out, "\r\n");
	}
}

/* what the section's body is, from what its header said */
static void end_section(struct downgrade *d)
{
	d->in_header = false;
	if (d->lines.composite) {
		if (d->is_8bit || d->is_7bit || (d->first && !d->is_mime))
			say_encoding(d, "7bit");
		d->body = BODY_OUTSIDE;
	} else {
		d->body = d->is_encoded ? BODY_ENCODED : BODY_HELD;
	}
	if (d->is_8bit)
		release(d, BODY_QUOTED);
	if (d->body != BODY_HELD)
		d->first = false;
}

static void on_line(void *ctx, enum mime_line kind, struct str text)
{
	struct downgrade *d = ctx;
	struct str ignored;

	if (kind != MIME_LINE_BODY) {
		d->is_mime |= d->first && is_named(text, "MIME-Version", &ignored);
		if (!takes_encoding(d, text))
			put_field(d, text);
		return;
	}
	if (d->in_header) {
		end_section(d);
		/* a body that follows its header at once */
		if (text.n)
			body_text(d, STR_EMPTY, true);
	}
	if (d->lines.at_boundary) {
		release(d, BODY_OUTSIDE);
		d->body = BODY_OUTSIDE;
	}
	body_text(d, text, !d->part_of_line);
	if (!d->lines.in_body)
		begin_section(d);
}

/* --- lines ------------------------------------------------------------------------------------------------------------ */

struct downgrade *downgrade_new(void)
{
	struct downgrade *d = MEM_NEW(struct downgrade);

	mime_lines_init(&d->lines, true, on_line, d);
	d->lines.field_max = SIZE_MAX / 4;
	buf_init(&d->line, SIZE_MAX / 4);
	buf_init(&d->held, LIMIT_DOWNGRADE_HELD + 2);
	buf_init(&d->quoted, 100);
	d->first = true;
	begin_section(d);
	return d;
}

void downgrade_free(struct downgrade *d)
{
	if (!d)
		return;
	/* the last field may not have ended */
	buf_clear(&d->line);
	d->out = &d->line;
	mime_lines_end(&d->lines);
	buf_fini(&d->line);
	buf_fini(&d->held);
	buf_fini(&d->quoted);
	mem_free(d);
}

static void give(struct downgrade *d, struct str text, bool end)
{
	d->part_of_line = !end;
	if (d->rest)
		body_text(d, text, end);
	else
		mime_lines_add(&d->lines, text);
	d->rest = !end;
}

bool downgrade_add(struct downgrade *d, struct str piece, bool last, struct buf *out)
{
	d->out = out;
	while (piece.n && !d->failed) {
		ptrdiff_t end = str_chr(piece, '\n');
		size_t n = end < 0 ? piece.n : (size_t)end + 1;

		buf_str(&d->line, str_head(piece, n));
		piece = str_from(piece, n);
		if (end >= 0) {
			struct str line = str_head(buf_view(&d->line), d->line.n - 1);

			if (line.n && line.p[line.n - 1] == '\r')
				line.n--;
			give(d, line, true);
			buf_clear(&d->line);
		} else if (d->line.n > LINE_PIECE && d->lines.in_body) {
			/* its last byte may be the CR of the line's end */
			give(d, str_head(buf_view(&d->line), d->line.n - 1), false);
			buf_consume(&d->line, d->line.n - 1);
		}
	}
	if (last && !d->failed) {
		if (d->line.n || d->rest)
			give(d, buf_view(&d->line), true);
		buf_clear(&d->line);
		mime_lines_end(&d->lines);
		if (d->in_header)
			end_section(d);
		release(d, BODY_OUTSIDE);
		mime_lines_init(&d->lines, true, on_line, d);
	}
	buf_shrink(&d->line);
	return !d->failed;
}
