/* master_screen - lines of postscreen: served as smtpd, as the smtpd behind it is set, with a warning that says what postscreen would do
 * and is not done here. */
#include <string.h>

#include "core/base/mem.h"
#include "core/conf/master_private.h"

/* value_of - as the line says with -o, else as main.cf does */
static const char *value_of(const struct master_load *ld, const struct master_line *l, const char *name)
{
	for (size_t i = l->n_overrides; i > 0; i--) {
		struct str value = str_of(l->overrides[i - 1]), found;

		if (str_cut(&value, '=', &found) && str_eq(str_trim(found), str_of(name)))
			return value.p;
	}
	return conf_get(ld->conf, name);
}

/* tell_screen - what of postscreen is asked for and not done */
static void tell_screen(struct master_load *ld, const struct master_line *l)
{
	static const struct { const char *name, *harmless, *instead; } tests[] = {
		{ "postscreen_greet_action", "ignore", "nobody has to wait for the greeting: reject_unauth_pipelining in smtpd_data_restrictions" },
		{ "postscreen_dnsbl_action", "ignore", "no score of lists is made: reject_rbl_client in smtpd_recipient_restrictions" },
		{ "postscreen_denylist_action", "ignore", NULL }, { "postscreen_blacklist_action", "ignore", NULL },
		{ "postscreen_access_list", "permit_mynetworks", "nobody is refused by it: check_client_access in smtpd_client_restrictions" },
		{ "postscreen_pipelining_enable", "no", NULL }, { "postscreen_non_smtp_command_enable", "no", NULL },
		{ "postscreen_bare_newline_enable", "no", "bare line feeds are put right for every client" },
	};
	struct buf lost;

	buf_init(&lost, 1000);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		const char *value = value_of(ld, l, tests[i].name);

		if (!value || str_ieq(str_trim(str_of(value)), str_of(tests[i].harmless)) || !*value)
			continue;
		buf_printf(&lost, "%s%s", lost.n ? ", " : "", tests[i].name);
		if (tests[i].instead)
			buf_printf(&lost, " (%s)", tests[i].instead);
	}
	if (lost.n)
		conf_diag_add(ld->diag, CONF_WARNING, ld->path, l->number, "postscreen is not implemented: this line is served as smtpd, without %s",
			buf_cstr(&lost));
	else
		conf_diag_add(ld->diag, CONF_NOTE, ld->path, l->number, "postscreen is not implemented: this line is served as smtpd, without its tests");
	buf_fini(&lost);
}

/* what a postscreen line says in names of its own counts; the rest is said by the line of the smtpd behind it, of which there may be
 * many processes, and one postscreen */
void master_screen_line(struct master_load *ld, struct master_line *l)
{
	const char *proxy = conf_get(ld->conf, "postscreen_upstream_proxy_protocol");

	tell_screen(ld, l);
	l->maxproc = ld->behind.maxproc;
	for (size_t i = 0; i < ld->behind.n_overrides && l->n_overrides < MASTER_OVERRIDES; i++)
		l->overrides[l->n_overrides++] = mem_dupz(ld->behind.overrides[i]);
	if (!proxy || !*proxy || l->n_overrides == MASTER_OVERRIDES)
		return;
	l->overrides[l->n_overrides++] = mem_dupz("smtpd_upstream_proxy_protocol=$postscreen_upstream_proxy_protocol");
}

void master_screen_find(struct master_load *ld, struct str text)
{
	struct lines lines;
	struct str line;
	struct buf why;
	bool found = false;

	lines_init(&lines, text);
	buf_init(&why, 300);
	while (!found && lines_next(&lines, &line)) {
		struct master_line l;

		found = master_line_parse(line, lines.line, &l, &why) && str_eq(l.type, STR("pass")) && str_eq(l.program, STR("smtpd"));
		if (found)
			ld->behind = l;
		else
			master_line_fini(&l);
	}
	buf_fini(&why);
	lines_fini(&lines);
}
