/* A message as its writer gives it: lists, fields, and what fills in what a whole message lacks */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/msg/draft.h"
#include "tests/unit/t.h"

T(lists_are_parted_by_blanks_where_there_are_only_words)
{
	static const struct { const char *first, *second, *want; } rows[] = {
		{ "a@x", NULL, "a@x" }, { "a@x b@x", NULL, "a@x,b@x" }, { "a@x", "b@x", "a@x, b@x" }, { "a@x, b@x", NULL, "a@x, b@x" }, { "A B <a@x>", NULL, "A B <a@x>" },
		{ "\"A B\" a@x", NULL, "\"A B\" a@x" }, { "a@x\nb@x", NULL, "a@x,b@x" }, { "A\nB <a@x>\001", NULL, "A B <a@x> " }, { "g: a b;", NULL, "g: a b;" }, { "a (b c)", NULL, "a (b c)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;

		ROW("%s", rows[i].first);
		buf_init(&b, 1000);
		draft_add_list(&b, rows[i].first);
		if (rows[i].second)
			draft_add_list(&b, rows[i].second);
		CHECK_STR(buf_cstr(&b), rows[i].want);
		buf_fini(&b);
	}
}

T(fields_are_recipients_or_stand_once_where_they_must)
{
	struct draft d;

	draft_init(&d);
	draft_add_field(&d, "To: a@x");
	draft_add_field(&d, "CC: b@x");
	draft_add_field(&d, "bcc: c@x");
	draft_add_field(&d, "X-A: 1");
	draft_add_field(&d, "X-A: 2");
	draft_add_field(&d, "Subject: one");
	draft_add_field(&d, "subject: two");
	CHECK_STR(buf_cstr(&d.to), ",a@x");
	CHECK_STR(buf_cstr(&d.cc), ",b@x");
	CHECK_STR(buf_cstr(&d.bcc), ",c@x");
	CHECK_INT(d.n_fields, 3);
	CHECK_VIEW(d.fields[0], "X-A: 1");
	CHECK_VIEW(d.fields[1], "X-A: 2");
	CHECK_VIEW(d.fields[2], "subject: two");
	draft_fini(&d);
}

static const char *composed(struct draft *d, const char *text)
{
	static struct buf out;
	struct arena a;
	struct buf why;
	size_t n = 0;

	arena_init(&a, 1 << 20);
	buf_fini(&out);
	buf_init(&out, 100000);
	buf_init(&why, 1000);
	CHECK_INT(draft_compose(d, &a, str_of(text), &out, &why), 0);
	CHECK_STR(buf_cstr(&why), "");
	buf_fini(&why);
	arena_fini(&a);
	/* whichever line ends it has */
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i] != '\r')
			out.p[n++] = out.p[i];
	buf_truncate(&out, n);
	return buf_cstr(&out);
}

T(text_has_the_type_that_it_is_given)
{
	static const struct { const char *type, *want; } rows[] = {
		{ "text/html", "Content-Type: text/html; charset=utf-8\n" }, { "text/html; charset=x", "Content-Type: text/html; charset=x\n" }, { "application/json", "Content-Type: application/json\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct draft d;

		ROW("%s", rows[i].type);
		draft_init(&d);
		d.subject = "s";
		d.type = rows[i].type;
		CHECK(strstr(composed(&d, "hi\n"), rows[i].want) != NULL);
		draft_fini(&d);
	}
}

/* the text is the whole message: its fields stand, and what it lacks is filled in */
T(whole_message_keeps_its_fields)
{
	struct draft d;
	const char *out;

	draft_init(&d);
	d.with_headers = true;
	d.subject = "other";
	d.from = "me@x";
	draft_add_list(&d.to, "to@x");
	draft_add_list(&d.cc, "cc@x");
	out = composed(&d, "Subject: own\nCc: own@x\n\nhi\n");
	CHECK(strstr(out, "Subject: own\n") != NULL && strstr(out, "other") == NULL);
	CHECK(strstr(out, "Cc: own@x\n") != NULL && strstr(out, "cc@x\n") == NULL);
	CHECK(strstr(out, "From: me@x\n") != NULL);
	CHECK(strstr(out, "To: ") == NULL);
	CHECK(strstr(out, "\n\nhi\n") != NULL);
	out = composed(&d, "X: y\n\nhi\n");
	CHECK(strstr(out, "Subject: other\n") != NULL && strstr(out, "Cc: cc@x\n") != NULL && strstr(out, "X: y\n\nhi\n") != NULL);
	out = composed(&d, "From me Mon Jan\nX: y\n\nhi\n");
	CHECK(strstr(out, "From me") == NULL && strstr(out, "X: y\n\nhi\n") != NULL);
	draft_fini(&d);
}

T(all_lists_are_recipients)
{
	struct inject_rcpts r = { .n = 0 };
	struct draft d;
	struct arena a;

	arena_init(&a, 1 << 20);
	draft_init(&d);
	draft_add_list(&d.to, "a@x");
	draft_add_list(&d.cc, "B <b@x>");
	draft_add_list(&d.bcc, "c@x");
	draft_recipients(&d, &a, &r);
	CHECK_INT(r.n, 3);
	draft_fini(&d);
	arena_fini(&a);
}
