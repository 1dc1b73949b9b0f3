/* judgements of msg at their numbers and one beyond: recipients of an envelope, tokens of a field, labels of a domain */
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/msg/addr.h"
#include "core/msg/envelope.h"
#include "core/msg/mime_lines.h"
#include "tests/unit/t.h"

T(envelope_of_a_stranger_has_recipients_and_not_too_many)
{
	static const struct { size_t n; bool good; } rows[] = { { 0, false }, { 1, true }, { 2, true }, { LIMIT_MESSAGE_RCPTS, true }, { LIMIT_MESSAGE_RCPTS + 1, false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rcpt *v = mem_alloc((rows[i].n + 1) * sizeof(*v));
		struct envelope e = { .sender = STR("s@x.test"), .rcpts = v, .n_rcpts = rows[i].n };
		struct arena a;

		ROW("%zu", rows[i].n);
		for (size_t k = 0; k < rows[i].n; k++)
			v[k].addr = STR("r@x.test");
		arena_init(&a, (size_t)1 << 28);
		CHECK_INT(envelope_judge(&a, &e, 5, 1700000000000000), rows[i].good);
		arena_fini(&a);
		mem_free(v);
	}
}

/* --- fields of attachments ------------------------------------------------------------------------------------------------ */

struct seen { unsigned headers, lines; };

static void on_line(void *ctx, enum mime_line kind, struct str text)
{
	struct seen *s = ctx;

	(void)text;
	s->headers += kind != MIME_LINE_BODY;
	s->lines += kind == MIME_LINE_BODY;
}

/* a boundary counts where it is one word behind one sign: then what follows it is the header of a part */
T(mime_boundary_is_one_word)
{
	static const struct { const char *type; bool part; } rows[] = {
		{ "multipart/mixed; boundary=abc", true }, { "multipart/mixed; boundary=\"abc\"", true }, { "multipart/mixed;boundary = abc", true },
		{ "multipart/mixed; charset=x; boundary=abc", true }, { "multipart/mixed; BOUNDARY=abc", true },
		/* more tokens than three: the first three count, as in Postfix */
		{ "multipart/mixed; boundary=abc def", true }, { "multipart/mixed; boundary=abc (c)", true }, { "multipart/mixed; boundary=abc d e f", true },
		{ "multipart/mixed; boundary", false }, { "multipart/mixed; boundary=", false }, { "multipart/mixed; boundary:abc", false },
		{ "multipart/mixed; xboundary=abc", false }, { "text/plain; boundary=abc", false }, { "multipart/mixed", false }, { "multipart", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_lines m;
		struct seen s = { 0, 0 };
		char field[200];

		ROW("%s", rows[i].type);
		mime_lines_init(&m, true, on_line, &s);
		snprintf(field, sizeof(field), "Content-Type: %s", rows[i].type);
		mime_lines_add(&m, str_of(field));
		mime_lines_add(&m, STR(""));
		mime_lines_add(&m, STR("--abc"));
		mime_lines_add(&m, STR("X-Part: y"));
		mime_lines_add(&m, STR(""));
		mime_lines_add(&m, STR("--abc--"));
		mime_lines_end(&m);
		CHECK_INT(s.headers, rows[i].part ? 2 : 1);
	}
}

/* --- domains ---------------------------------------------------------------------------------------------------------------- */

/* every byte in the middle of a label: letters, digits, hyphen and underscore, and all that is not ASCII or none of it */
T(domain_takes_the_bytes_of_a_label)
{
	bool high = addr_valid_domain(STR("a\xffz.test"));

	for (unsigned c = 1; c < 256; c++) {
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		char text[] = "aXz.test";

		ROW("%02x", c);
		text[1] = (char)c;
		CHECK_INT(addr_valid_domain(str_of(text)), c >= 0x80 ? high : letter || c == '-' || c == '_' || c == '.');
	}
}

/* letters of two bytes, in a label: whatever their last byte is */
T(domain_takes_what_is_not_ascii)
{
	bool good = addr_valid_domain(STR("a\xc3\xa9z.test"));

	for (unsigned c = 0x100; c < 0x180; c++) {
		char text[] = "aXXz.test";

		ROW("U+%04X", c);
		text[1] = (char)(0xc0 | c >> 6);
		text[2] = (char)(0x80 | (c & 0x3f));
		CHECK_INT(addr_valid_domain(str_of(text)), good);
	}
	CHECK(good);
}
