/* compose - see compose.h. */
#include "core/msg/compose.h"

#include "core/base/mem.h"
#include "core/msg/addr_repair.h"
#include "core/msg/mime.h"

#define LINE_MAX_BYTES 998             /* RFC 5322 section 2.1.1 */
#define FOLD_AT 76

enum encoding { ENCODING_7BIT, ENCODING_8BIT, ENCODING_QP, ENCODING_BASE64 };
static const char *const encoding_words[] = { "7bit", "8bit", "quoted-printable", "base64" };

static const struct { const char *end, *type; } types[] = {
	{ ".txt", "text/plain" }, { ".log", "text/plain" }, { ".conf", "text/plain" }, { ".md", "text/markdown" },
	{ ".csv", "text/csv" }, { ".html", "text/html" }, { ".htm", "text/html" }, { ".css", "text/css" },
	{ ".ics", "text/calendar" }, { ".vcf", "text/vcard" }, { ".xml", "application/xml" }, { ".json", "application/json" },
	{ ".pdf", "application/pdf" }, { ".zip", "application/zip" }, { ".gz", "application/gzip" }, { ".tgz", "application/gzip" },
	{ ".tar", "application/x-tar" }, { ".xz", "application/x-xz" }, { ".zst", "application/zstd" },
	{ ".7z", "application/x-7z-compressed" }, { ".bz2", "application/x-bzip2" },
	{ ".png", "image/png" }, { ".jpg", "image/jpeg" }, { ".jpeg", "image/jpeg" }, { ".gif", "image/gif" },
	{ ".svg", "image/svg+xml" }, { ".webp", "image/webp" }, { ".mp3", "audio/mpeg" }, { ".ogg", "audio/ogg" },
	{ ".mp4", "video/mp4" }, { ".eml", "message/rfc822" }, { ".pem", "application/x-pem-file" },
	{ ".doc", "application/msword" }, { ".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
	{ ".xls", "application/vnd.ms-excel" }, { ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
	{ ".odt", "application/vnd.oasis.opendocument.text" }, { ".ods", "application/vnd.oasis.opendocument.spreadsheet" },
	{ ".patch", "text/x-diff" }, { ".diff", "text/x-diff" }, { ".sh", "text/x-shellscript" }, { ".py", "text/x-python" },
};

static bool is_binary(struct str s)
{
	return s.n && (memchr(s.p, '\0', s.n) || !str_is_utf8(s));
}

const char *compose_type(const char *name, struct str content)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		/* base64 must not be used on message/rfc822 (RFC 2046 section 5.2.1), so mail travels as a file */
		if (str_iends(str_of(name), str_of(types[i].end)))
			return strcmp(types[i].type, "message/rfc822") ? types[i].type : "application/octet-stream";
	return is_binary(content) ? "application/octet-stream" : "text/plain";
}

static size_t field_name_length(struct str s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] > 32 && s.p[i] < 127 && s.p[i] != ':')
		i++;
	return i < s.n && s.p[i] == ':' ? i : 0;
}

bool compose_is_field(struct str s)
{
	size_t n = field_name_length(s);

	/* a path with a colon is not meant as a field */
	return n && str_chr(str_head(s, n), '/') < 0;
}

/* --- header ----------------------------------------------------------------------------------------------------- */

/* without_controls - line ends and other controls made blanks */
static struct str without_controls(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, s.n + 1);

	for (size_t i = 0; copy && i < s.n; i++)
		copy[i] = ascii_is_control(s.p[i]) ? ' ' : s.p[i];
	return copy ? str_trim(str_make(copy, s.n)) : STR_EMPTY;
}

/* add_mailbox - one mailbox, its display name encoded where it is not ASCII: the phrase, or as of old the comment behind it */
static void add_mailbox(struct buf *out, const struct mailbox *m, size_t column)
{
	ptrdiff_t open = str_chr(m->raw, '('), close = str_rchr(m->raw, ')');
	struct str written = m->name.n || close < open + 1 || open < 0 ? m->name :
		str_make(m->raw.p + open + 1, (size_t)(close - open - 1));
	struct buf name;

	if (!written.n || str_is_ascii(m->raw)) {
		buf_str(out, str_trim(m->raw));
		return;
	}
	buf_init(&name, written.n + 1);
	for (size_t i = 0; i < written.n; i++) {
		if (written.p[i] == '"')
			continue;
		if (written.p[i] == '\\' && i + 1 < written.n)
			i++;
		buf_byte(&name, written.p[i]);
	}
	if (m->name.n && str_is_ascii(m->name))
		buf_str(out, m->name);
	else
		mime_phrase(out, buf_view(&name), column);
	buf_fini(&name);
	buf_printf(out, " <%.*s>", STR_ARG(m->addr.full));
}

/* add_repaired - a mailbox that only addr_repair could read: its name in quotes, its address as it is understood */
static void add_repaired(struct buf *out, const struct mailbox *m, size_t column)
{
	struct str name = str_trim(m->name);

	if (!name.n) {
		buf_str(out, m->addr.full);
		return;
	}
	if (str_is_ascii(name)) {
		buf_byte(out, '"');
		buf_escaped(out, name);
		buf_byte(out, '"');
	} else {
		mime_phrase(out, name, column);
	}
	buf_printf(out, " <%.*s>", STR_ARG(m->addr.full));
}

/* is_strict - RFC 5322 has a reading for all of the list */
static bool is_strict(struct arena *a, struct str list)
{
	struct mailbox m;
	int got;

	while ((got = addr_list_next(a, &list, &m)) == 1)
		continue;
	return got == 0;
}

/* next_mailbox - of a strict list as written, else of what was read with repairs */
struct mailboxes { struct arena *arena; struct str rest; bool strict; struct addr_element *v; size_t n, at; };
static bool next_mailbox(struct mailboxes *b, struct mailbox *m)
{
	if (b->strict)
		return addr_list_next(b->arena, &b->rest, m) == 1;
	while (b->at < b->n && !b->v[b->at].good)
		b->at++;
	if (b->at == b->n)
		return false;
	*m = b->v[b->at++].mailbox;
	return true;
}

/* add_addresses - an address list, folded between mailboxes; what is no address is left out, whoever sends says so */
static void add_addresses(struct arena *a, struct buf *out, const char *name, struct str list)
{
	struct str clean = without_controls(a, list);
	struct mailboxes all = { .arena = a, .rest = clean, .strict = is_strict(a, clean) };
	struct mailbox m;
	size_t column = strlen(name) + 2, start = out->n, before;
	int n = 0;

	if (!all.strict)
		all.n = addr_repair(a, clean, &all.v);
	buf_printf(out, "%s: ", name);
	while (next_mailbox(&all, &m)) {
		if (n++)
			column += 2;
		if (n > 1 && column + m.raw.n > FOLD_AT) {
			buf_z(out, ",\r\n ");
			column = 1;
		} else if (n > 1) {
			buf_z(out, ", ");
		}
		before = out->n;
		(all.strict ? add_mailbox : add_repaired)(out, &m, column);
		column += out->n - before;
	}
	mem_free(all.v);
	if (n)
		buf_z(out, "\r\n");
	else
		buf_truncate(out, start);
}

/* add_field - line ends and other controls in the value become blanks (mime_header_text), so it stays one field */
static void add_field(struct buf *out, struct str name, struct str value)
{
	buf_printf(out, "%.*s: ", STR_ARG(name));
	mime_header_text(out, value, name.n + 2);
	buf_z(out, "\r\n");
}

static bool has_field(const struct compose *m, const char *name)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (str_ieq(str_head(m->fields[i], field_name_length(m->fields[i])), str_of(name)))
			return true;
	return false;
}

static bool is_content_field(struct str field)
{
	return str_istarts(field, STR("content-"));
}

/* add_fields - the fields given by the user: those about content, or the others */
static int add_fields(struct buf *out, const struct compose *m, bool about_content, struct buf *why)
{
	for (size_t i = 0; i < m->n_fields; i++) {
		size_t n = field_name_length(m->fields[i]);

		if (is_content_field(m->fields[i]) != about_content)
			continue;
		if (!n) {
			buf_printf(why, "\"%.*s\" is not a header field (Name: value)", STR_ARG(str_head(m->fields[i], 100)));
			return -1;
		}
		add_field(out, str_head(m->fields[i], n), str_trim(str_from(m->fields[i], n + 1)));
	}
	return 0;
}

/* --- body --------------------------------------------------------------------------------------------------------- */

static enum encoding choose_encoding(struct str text)
{
	size_t high = 0, longest = 0, start = 0;
	bool nul = false;

	for (size_t i = 0; i < text.n; i++) {
		high += (unsigned char)text.p[i] >= 128;
		nul = nul || !text.p[i];
		if (text.p[i] == '\n' || i + 1 == text.n) {
			size_t n = i + 1 - start;

			longest = n > longest ? n : longest;
			start = i + 1;
		}
	}
	if (nul || (longest > LINE_MAX_BYTES + 2 && high > text.n / 4))
		return ENCODING_BASE64;
	if (longest > LINE_MAX_BYTES + 2)
		return ENCODING_QP;
	return high ? ENCODING_8BIT : ENCODING_7BIT;
}

static void add_encoded(struct buf *out, struct str text, enum encoding e)
{
	if (e == ENCODING_BASE64)
		mime_base64(out, text, FOLD_AT);
	else if (e == ENCODING_QP)
		mime_quoted_printable(out, text);
	else
		buf_str(out, text);
}

static void add_text_header(struct buf *out, const struct compose *m, enum encoding e)
{
	const char *charset = m->charset ? m->charset : str_is_utf8(m->text) ? "utf-8" : "unknown-8bit";

	if (!has_field(m, "Content-Type"))
		buf_printf(out, "Content-Type: text/plain; charset=%s\r\n", str_is_ascii(m->text) ? "us-ascii" : charset);
	if (!has_field(m, "Content-Transfer-Encoding"))
		buf_printf(out, "Content-Transfer-Encoding: %s\r\n", encoding_words[e]);
}

static void add_file(struct buf *out, const struct compose *m, const struct compose_file *f)
{
	const char *type = f->type ? f->type : compose_type(f->name, f->content);
	bool text = str_starts(str_of(type), STR("text/"));

	buf_printf(out, "\r\n--%s\r\nContent-Type: %s", m->boundary, type);
	if (text && !is_binary(f->content))
		buf_printf(out, "; charset=%s", str_is_ascii(f->content) ? "us-ascii" : "utf-8");
	buf_z(out, "\r\nContent-Disposition: attachment");
	mime_parameter(out, "filename", str_of(f->name));
	buf_z(out, "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	mime_base64(out, f->content, FOLD_AT);
}

static int add_body(struct buf *out, const struct compose *m, struct buf *why)
{
	/* a transfer encoding that the user names is the user's work */
	enum encoding e = has_field(m, "Content-Transfer-Encoding") ? ENCODING_8BIT : choose_encoding(m->text);

	if (!has_field(m, "MIME-Version"))
		buf_z(out, "MIME-Version: 1.0\r\n");
	if (m->n_files)
		buf_printf(out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n", m->boundary, m->boundary);
	if (add_fields(out, m, true, why) < 0)
		return -1;
	add_text_header(out, m, e);
	buf_z(out, "\r\n");
	add_encoded(out, m->text, e);
	for (size_t i = 0; i < m->n_files; i++)
		add_file(out, m, &m->files[i]);
	if (m->n_files)
		buf_printf(out, "\r\n--%s--\r\n", m->boundary);
	return 0;
}

/* unless - an option's text, unless the same field was given in full */
static struct str unless(const struct compose *m, const char *name, struct str text)
{
	return has_field(m, name) ? STR_EMPTY : text;
}

int compose_fields(struct arena *a, struct buf *out, const struct compose *m, struct buf *why)
{
	struct str subject = unless(m, "Subject", m->subject);

	add_addresses(a, out, "From", unless(m, "From", m->from));
	add_addresses(a, out, "To", m->to);
	add_addresses(a, out, "Cc", m->cc);
	add_addresses(a, out, "Reply-To", unless(m, "Reply-To", m->reply_to));
	if (subject.n)
		add_field(out, STR("Subject"), subject);
	return add_fields(out, m, false, why);
}

int compose_message(struct arena *a, struct buf *out, const struct compose *m, struct buf *why)
{
	if (compose_fields(a, out, m, why) < 0 || add_body(out, m, why) < 0)
		return -1;
	if (out->overflow) {
		buf_z(why, "the message is too big");
		return -1;
	}
	return 0;
}
