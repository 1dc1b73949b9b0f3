/* bounce_template_file: what becomes of a file, row by row. Values are those that `postconf -b` of Postfix 3.7.11 shows. */
#include <stdio.h>

#include "core/deliver/bounce_template.h"
#include "tests/unit/t.h"

static const struct row { const char *file; enum bounce_text which; const char *text; unsigned errors, findings; const char *says; } rows[] = {
	{ "", BOUNCE_FAILURE, NULL, 0, 0, NULL },
	{ "# a comment\n\n  \nfailure_template = <<EOF\nSubject: x\n\nThis is $myhostname.\n  \\kept $$5\nEOF\n", BOUNCE_FAILURE,
		"This is mx.example.jp.\r\n  \\kept $5\r\n", 0, 0, NULL },
	{ "delay_template = <<XX\n\n$delay_warning_time_seconds ${delay_warning_time_minutes} $(delay_warning_time_hours)h "
		"$maximal_queue_lifetime_days $maximal_queue_lifetime_hours $maximal_queue_lifetime_weeks\nXX\n", BOUNCE_DELAY,
		"14400 240 4h 5 120 0\r\n", 0, 0, NULL },
	{ "failure_template=<<EOF\n\n${mail_name?{yes}:{no}}\nEOF\n", BOUNCE_FAILURE, "yes\r\n", 0, 0, NULL },
	/* the text begins behind the first empty line */
	{ "success_template = <<EOF\n\n\na\n\nb\nEOF\nfailure_template = <<EOF\n\nz\nEOF\n", BOUNCE_SUCCESS, "\r\na\r\n\r\nb\r\n", 0, 0, NULL },
	{ "failure_template = <<EOF\r\nSubject: x\r\n\r\ny\r\nEOF\r\n", BOUNCE_FAILURE, "y\r\n", 0, 0, NULL },
	{ "failure_template = <<EOF\nCharset: utf-8\n\nM\xc3\xbcll\nEOF\n", BOUNCE_FAILURE, "M\xc3\xbcll\r\n", 0, 0, NULL },
	/* passed by */
	{ "failure_template = <<EOF\nX-Other: x\n\ny\nEOF\n", BOUNCE_FAILURE, NULL, 0, 1, "no header of its kind" },
	{ "success_template = <<EOF\nPostmaster-Subject: x\n\ny\nEOF\n", BOUNCE_SUCCESS, NULL, 0, 1, "no header of its kind" },
	{ "failure_template = <<EOF\nwords\n\ny\nEOF\n", BOUNCE_FAILURE, NULL, 0, 1, "no header of its kind" },
	{ "failure_template = <<EOF\nSubject: \xc3\xbc\n\ny\nEOF\n", BOUNCE_FAILURE, NULL, 0, 1, "not ASCII" },
	{ "failure_template = <<EOF\n\nM\xc3\xbcll\nEOF\n", BOUNCE_FAILURE, NULL, 0, 1, "has no Charset" },
	{ "other_template = <<EOF\n\ny\nEOF\n", BOUNCE_FAILURE, NULL, 0, 1, "unknown template" },
	/* refused */
	{ "failure_template = <<EOF\n\n$nosuch\nEOF\n", BOUNCE_FAILURE, NULL, 1, 1, "undefined $name \"nosuch\"" },
	{ "failure_template = <<EOF\n\n$delay_warning_time_years\nEOF\n", BOUNCE_FAILURE, NULL, 1, 1, "unknown unit of \"delay_warning_time_years\"" },
	{ "failure_template = <<EOF\n\ny\n", BOUNCE_FAILURE, "y\r\n", 1, 1, "the end of a template is missing" },
	{ "failure_template = x\n", BOUNCE_FAILURE, NULL, 1, 1, "expected \"failure_template = <<EOF\"" },
	{ "failure_template = <<\n", BOUNCE_FAILURE, NULL, 1, 1, "expected \"failure_template = <<EOF\"" },
	{ "nonsense\n", BOUNCE_FAILURE, NULL, 1, 1, "found \"nonsense\"" },
};

static struct conf *load(const char *more, struct conf_diag *diag)
{
	const char *extra[] = { "myhostname=mx.example.jp", "compatibility_level=3.6", "delay_warning_time=4h", "mail_name=Postfix", more, NULL };

	return conf_load(t_tmpdir(), extra, diag);
}

T(template_rows)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_diag diag;
		struct conf *c;
		struct bounce_templates *t;
		const struct dsn_template *got;

		ROW("%zu %s", i, rows[i].file);
		conf_diag_init(&diag);
		c = load(NULL, &diag);
		CHECK_INT(diag.n, 0);
		t = bounce_templates_parse(c, "/x/bounce.cf", str_of(rows[i].file), &diag);
		got = bounce_template(t, rows[i].which);
		CHECK_INT(diag.errors, rows[i].errors);
		CHECK_INT(diag.n, rows[i].findings);
		if (rows[i].says && diag.n)
			CHECK(strstr(diag.v[0].text, rows[i].says) != NULL);
		if (CHECK(!got == !rows[i].text) && got)
			CHECK_VIEW(got->text, rows[i].text);
		bounce_templates_free(t);
		conf_free(c);
		conf_diag_fini(&diag);
	}
}

T(template_has_headers)
{
	struct conf_diag diag;
	struct bounce_templates *t;
	const struct dsn_template *got;
	struct conf *c;

	conf_diag_init(&diag);
	c = load(NULL, &diag);
	t = bounce_templates_parse(c, "x", STR("failure_template = <<EOF\ncharset: utf-8\nFROM: Robot <bounce>\nSubject:  Back \nPostmaster-Subject: Copy\n\ny\nEOF\n"),
		&diag);
	got = bounce_template(t, BOUNCE_FAILURE);
	if (CHECK(got != NULL)) {
		CHECK_VIEW(got->charset, "utf-8");
		CHECK_VIEW(got->from, "Robot <bounce>");
		CHECK_VIEW(got->subject, "Back");
		CHECK_VIEW(got->postmaster_subject, "Copy");
	}
	CHECK(bounce_template(t, BOUNCE_VERIFY) == NULL);
	bounce_templates_free(t);
	conf_free(c);
	conf_diag_fini(&diag);
}

T(template_file_that_is_not_there)
{
	struct conf_diag diag;
	struct conf *c;

	conf_diag_init(&diag);
	c = load("bounce_template_file=/nonexistent/x", &diag);
	bounce_templates_free(bounce_templates_new(c, &diag));
	CHECK_INT(diag.errors, 1);
	CHECK(strstr(diag.v[0].text, "bounce_template_file: /nonexistent/x: No such file") != NULL);
	conf_free(c);
	conf_diag_fini(&diag);
}
