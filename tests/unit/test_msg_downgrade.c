/* test_msg_downgrade.c - 8-bit content in 7 bits. Rows marked with P are what Postfix 3.7's client makes of them. */
#include <stdlib.h>

#include "core/msg/downgrade.h"
#include "tests/unit/t.h"

#define MIME "MIME-Version: 1.0\r\n"
#define QP "Content-Transfer-Encoding: quoted-printable\r\n"
#define BIT8 "Content-Transfer-Encoding: 8bit\r\n"
#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n"
#define TEN "0123456789"

static const struct row {
	const char *name, *in, *out; /* out NULL: cannot be done */
} rows[] = {
	{ "P: text", MIME BIT8 "A: b\r\n\r\n\xc3\xbc=\r\n", MIME "A: b\r\n" QP "\r\n=C3=BC=3D\r\n" },
	{ "P: ASCII that says 8bit", MIME BIT8 "\r\nplain\r\n", MIME QP "\r\nplain\r\n" },
	{ "P: blanks at the end of a line", MIME BIT8 "\r\na \r\nb\t\r\n", MIME QP "\r\na=20\r\nb=09\r\n" },
	{ "P: a long line", MIME BIT8 "\r\n" TEN TEN TEN TEN TEN TEN TEN "0123456\xe4\r\n",
		MIME QP "\r\n" TEN TEN TEN TEN TEN TEN TEN "012=\r\n3456=E4\r\n" },
	{ "P: multipart", MIME MULTI BIT8 "\r\n--b\r\nContent-Type: text/plain\r\n" BIT8 "\r\n\xe4\r\n--b\r\n" QP "\r\n=E4\r\n--b--\r\n",
		MIME MULTI "Content-Transfer-Encoding: 7bit\r\n\r\n--b\r\nContent-Type: text/plain\r\n" QP "\r\n=E4\r\n--b\r\n" QP
		"\r\n=E4\r\n--b--\r\n" },
	{ "P: an attached message", MIME MULTI BIT8 "\r\n--b\r\nContent-Type: message/rfc822\r\n" BIT8 "\r\nSubject: x\r\n" BIT8
		"\r\n\xe4\r\n--b--\r\n", MIME MULTI "Content-Transfer-Encoding: 7bit\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n"
		"Content-Transfer-Encoding: 7bit\r\n\r\nSubject: x\r\n" QP "\r\n=E4\r\n--b--\r\n" },
	{ "P: signed is gone into", MIME "Content-Type: multipart/signed; boundary=b\r\n" BIT8 "\r\n--b\r\n" BIT8 "\r\n\xe4\r\n--b--\r\n",
		MIME "Content-Type: multipart/signed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--b\r\n" QP "\r\n=E4\r\n--b--\r\n" },
	{ "P: 7 bits stay", MIME "Content-Type: text/plain\r\n\r\nplain =\r\n", MIME "Content-Type: text/plain\r\n\r\nplain =\r\n" },
	{ "P: binary", MIME "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n",
		MIME "Content-Type: image/png\r\n" QP "\r\n=89PNG\r\n" },
	{ "no MIME", "Subject: x\r\n\r\n\xe4\r\n", "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" QP
		"\r\n=E4\r\n" },
	{ "says 7bit and is not", MIME "Content-Transfer-Encoding: 7bit\r\n\r\na\r\n\xe4\r\n", MIME QP "\r\na\r\n=E4\r\n" },
	{ "says nothing and is not", MIME MULTI "\r\n--b\r\n\r\n\xe4\r\n--b\r\n\r\nplain\r\n--b--\r\n",
		MIME MULTI "\r\n--b\r\n" QP "\r\n=E4\r\n--b\r\n\r\nplain\r\n--b--\r\n" },
	{ "around the parts", MIME MULTI "\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n\xe4\r\n", MIME MULTI "\r\n?\r\n--b\r\n\r\nx\r\n--b--\r\n?\r\n" },
	{ "a digest's parts", MIME "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\n\xe4\r\n--b--\r\n",
		MIME "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n" QP "\r\n=E4\r\n--b--\r\n" },
	{ "base64 that is none", MIME "Content-Transfer-Encoding: base64\r\n\r\n\xe4\r\n", NULL },
	{ "no body", "Subject: x\r\n", "Subject: x\r\n" },
	{ "no body, no end", "Subject: x\r\n" BIT8, "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" QP },
	{ "nothing", "", "" },
	{ "a folded field", MIME "A: b\r\n\tc\r\n" BIT8 "\r\n\xe4", MIME "A: b\r\n\tc\r\n" QP "\r\n=E4\r\n" },
	{ "no empty line before the body", MIME BIT8 "body \xe4\r\n", MIME QP "\r\nbody =E4\r\n" },
	{ "NUL and DEL", MIME BIT8 "\r\n\x01\x7f\xe4\r\n", MIME QP "\r\n=01=7F=E4\r\n" },
};

static bool convert(struct str in, size_t step, struct buf *out)
{
	struct downgrade *d = downgrade_new();
	bool good = true;

	while (good && in.n > step) {
		good = downgrade_add(d, str_head(in, step), false, out);
		in = str_from(in, step);
	}
	good = good && downgrade_add(d, in, true, out);
	downgrade_free(d);
	return good;
}

T(downgrade_makes_valid_mime)
{
	static const size_t steps[] = { 100000, 1, 2, 3, 7, 50 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			struct buf out;

			ROW("%s, %zu at a time", rows[i].name, steps[k]);
			buf_init(&out, 1 << 20);
			CHECK_INT(convert(str_of(rows[i].in), steps[k], &out), rows[i].out != NULL);
			if (rows[i].out)
				CHECK_STR(buf_cstr(&out), rows[i].out);
			buf_fini(&out);
		}
}

/* long lines and parts too long to be looked through: bounded, and the same in any pieces */
T(downgrade_of_much)
{
	static const size_t steps[] = { 10000000, 4096, 100000 };

	for (int kind = 0; kind < 4; kind++) {
		struct buf in, out, first;

		buf_init(&in, 10 << 20);
		buf_init(&first, 10 << 20);
		buf_z(&in, kind & 1 ? MIME BIT8 "\r\n" : MIME "\r\n");
		for (int i = 0; i < 30000; i++)
			buf_printf(&in, "%d word of many%s", i, kind & 2 ? " " : "\r\n");
		buf_z(&in, "\xe4\r\n");
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			ROW("%d, %zu at a time", kind, steps[k]);
			buf_init(&out, 10 << 20);
			CHECK(convert(buf_view(&in), steps[k], k ? &out : &first));
			for (size_t i = 0; i < first.n; i++)
				if ((unsigned char)first.p[i] >= 0x80)
					t_fail(__FILE__, __LINE__, "8 bits at %zu", i);
			if (k)
				CHECK(str_eq(buf_view(&out), buf_view(&first)));
			buf_fini(&out);
		}
		buf_fini(&in);
		buf_fini(&first);
	}
}
