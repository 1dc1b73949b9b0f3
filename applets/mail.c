/* mail - send mail from scripts and by hand: mailx without a mailbox reader. The message is made by core/msg/draft and
 * goes the way of sendmail. Input that does not come from a terminal is text and nothing else: no ~ commands, ever. */
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/attachments.h"
#include "applets/letter.h"
#include "applets/submission.h"
#include "core/base/env.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/draft.h"
#include "core/submit/own_server.h"

static int run(int argc, char **argv);
static const char *const aliases[] = { "mailx", NULL };
enum { OPT_FILE_NAME = OPT_FIRST_OWN, OPT_IGNORED };
static const struct opt options[] = {
	{ 's', 's', "subject", OPT_ARG, "TEXT", "subject" },
	{ 'r', 'r', "return-address", OPT_ARG, "ADDR", "sender, of the envelope and in From" },
	{ 'c', 'c', "cc", OPT_ARG, "LIST", "carbon copies" },
	{ 'b', 'b', "bcc", OPT_ARG, "LIST", "blind copies" },
	{ 'a', 'a', "append", OPT_ARG, "X", "\"Name: value\" adds a header field, the name of a file attaches it" },
	{ 'A', 'A', "attach", OPT_ARG, "FILE", "attach a file (an account name of s-nail is ignored)" },
	{ 'C', 'C', NULL, OPT_ARG, "FIELD", "add a header field \"Name: value\"" },
	{ 'q', 'q', NULL, OPT_ARG, "FILE", "begin the text with that of FILE" },
	{ 'm', 'm', NULL, OPT_ARG, "FILE", "take the text from FILE" },
	{ 'M', 'M', "content-type", OPT_ARG, "TYPE", "media type of the text, such as text/html" },
	{ OPT_FILE_NAME, 0, "content-filename", OPT_ARG, "NAME", "what the next file that is attached is called" },
	{ OPT_FILE_NAME, 0, "content-name", OPT_ARG, NULL, NULL },
	{ OPT_IGNORED, 0, "encoding", OPT_ARG, NULL, NULL }, { OPT_IGNORED, 0, "mime", OPT_NONE, NULL, NULL },
	{ 't', 't', "to", OPT_NONE, NULL, "the input begins with header fields; recipients are taken from them too" },
	{ 'E', 'E', NULL, OPT_NONE, NULL, "send nothing when the text is empty" },
	{ 'S', 'S', NULL, OPT_ARG, "NAME=VALUE", "from, replyto, ttycharset, skipemptybody and the server for this mail: mta, smtp, "
		"smtp-use-starttls, smtp-auth, smtp-auth-user, smtp-auth-password, tls-verify, tls-ca-file; others are ignored" },
	{ 'F', 'F', NULL, OPT_NONE, NULL, NULL },
	{ 'u', 'u', NULL, OPT_ARG, NULL, NULL }, { 'T', 'T', NULL, OPT_ARG, NULL, NULL },
	{ 'n', 'n', NULL, OPT_NONE, NULL, NULL }, { 'N', 'N', NULL, OPT_NONE, NULL, NULL },
	{ 'i', 'i', NULL, OPT_NONE, NULL, NULL }, { 'I', 'I', NULL, OPT_NONE, NULL, NULL },
	{ 'd', 'd', NULL, OPT_NONE, NULL, NULL }, { ':', ':', NULL, OPT_ARG, NULL, NULL },
	{ 'e', 'e', NULL, OPT_NONE, NULL, NULL }, { 'H', 'H', NULL, OPT_NONE, NULL, NULL },
	{ 'f', 'f', NULL, OPT_NONE, NULL, NULL },
	{ 'X', 'X', NULL, OPT_ARG, NULL, NULL }, { 'Y', 'Y', NULL, OPT_ARG, NULL, NULL }, { 'L', 'L', NULL, OPT_ARG, NULL, NULL },
	{ 'D', 'D', NULL, OPT_NONE, NULL, NULL }, { 'R', 'R', NULL, OPT_NONE, NULL, NULL }, { 'B', 'B', NULL, OPT_NONE, NULL, NULL },
	{ '#', '#', NULL, OPT_NONE, NULL, NULL }, { '~', '~', NULL, OPT_NONE, NULL, NULL }, { '.', '.', NULL, OPT_NONE, NULL, NULL },
	{ 'v', 'v', "verbose", OPT_NONE, NULL, "say how the message went" },
	{ OPT_VERSION, 'V', "version", OPT_NONE, NULL, "print the version" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_mail = {
	.name = "mail",
	.aliases = aliases,
	.summary = "send a mail from a script or by hand",
	.usage = "[-s SUBJECT] [-r FROM] [-c LIST] [-b LIST] [-a FILE|FIELD]... [-E] TO... [-- SENDMAIL-OPTION...]",
	.options = options,
	.notes = "The text is read from standard input. -d -F -i -I -n -N -T -u -: -X -Y -L -D -R -B -# -~ --encoding --mime are accepted\n"
		"and ignored, -. ends the options, --content-name is --content-filename; there is no mailbox reader (-e, -f and -H answer\n"
		"that there is no mail).",
	.run = run,
};

struct mail {
	struct conf *conf;
	struct draft draft;
	struct own_server server;
	const char *text_file, *quote_file;
	const char *sender, *full_name; /* -f and -F behind "--": for sendmail, so not the From field */
	const char *file_name;         /* of the next attachment */
	struct attachments files;
	bool skip_empty, verbose, read_mode;
	char **operands;
	int n_operands;
};

/* --- options -------------------------------------------------------------------------------------------------------- */

static int attach(struct mail *m, const char *path)
{
	int code = attachments_add(&m->files, path);

	if (m->file_name)
		m->files.v[m->files.n - 1].name = m->file_name;
	m->file_name = NULL;
	return code;
}

/* attach_or_field - -a: bsd-mailx and GNU mean a header field, s-nail means a file, which may be called backup-10:30.log */
static int attach_or_field(struct mail *m, const char *text)
{
	if (compose_is_field(str_of(text)) && (strstr(text, ": ") || access(text, F_OK) < 0)) {
		draft_add_field(&m->draft, text);
		return EX_OK;
	}
	if (access(text, F_OK) == 0)
		return attach(m, text);
	return applet_fail(EX_USAGE, "-a %s: neither a header field (Name: value) nor a file", text);
}

static void set_variable(struct mail *m, const char *text)
{
	const char *eq = strchr(text, '=');
	struct str name = str_make(text, eq ? (size_t)(eq - text) : strlen(text));

	if (str_eq(name, STR("skipemptybody")))
		m->skip_empty = true;
	if (!own_server_set(&m->server, name, eq ? eq + 1 : NULL))
		draft_set(&m->draft, name, eq ? eq + 1 : "");
}

/* is_command - GNU's -E takes a command of mailx; elsewhere it is a flag. Words that begin so are no addresses */
static bool is_command(const char *word)
{
	static const char *const commands[] = { "set ", "unset ", "setenv ", "unsetenv ", "alias ", "ignore ", "retain ", "sendheader " };

	for (size_t i = 0; word && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strncmp(word, commands[i], strlen(commands[i])))
			return true;
	return false;
}

static int take_option(struct mail *m, struct opt_parse *o, int id)
{
	const char *arg = o->arg;

	switch (id) {
	case 's': m->draft.subject = arg; break;
	case 'r': m->draft.from = arg; break;
	case 'c': draft_add_list(&m->draft.cc, arg); break;
	case 'b': draft_add_list(&m->draft.bcc, arg); break;
	case 'a': return attach_or_field(m, arg);
	/* s-nail's -A names an account, which nobody has here */
	case 'A': return access(arg, F_OK) == 0 || strpbrk(arg, "./") ? attach(m, arg) : EX_OK;
	case 'C': draft_add_field(&m->draft, arg); break;
	case 'q': m->quote_file = arg; break;
	case 'm': m->text_file = arg; break;
	case 'M': m->draft.type = arg; break;
	case 't': m->draft.with_headers = true; break;
	case 'E':
		if (!o->in && is_command(o->argv[o->at]))
			o->at++;
		else
			m->skip_empty = true;
		break;
	case 'S': set_variable(m, arg); break;
	case 'v': m->verbose = true; break;
	case '.': opt_end(o); break;
	case OPT_FILE_NAME: m->file_name = arg; break;
	case 'e': case 'H': case 'f': m->read_mode = true; break;
	}
	return EX_OK;
}

/* --- the way out ---------------------------------------------------------------------------------------------------- */

static int compose(struct mail *m, struct submission *s, struct str text, struct buf *message)
{
	struct buf why;
	int code = EX_OK;

	if (m->draft.with_headers && (m->files.n || m->draft.type))
		return applet_fail(EX_USAGE, "-t: the input is the whole message; nothing can be attached, nor does it take -M");
	m->draft.files = m->files.v;
	m->draft.n_files = m->files.n;
	buf_init(&why, LIMIT_REPLY_TEXT);
	if (draft_compose(&m->draft, &s->arena, text, message, &why) < 0)
		code = applet_fail(EX_DATAERR, "%s", buf_cstr(&why));
	buf_fini(&why);
	return code;
}

static int send_mail(struct mail *m)
{
	struct submission s;
	struct buf text, message;
	int code;

	submission_init(&s, m->conf);
	s.verbose = m->verbose;
	s.own_server = own_server_given(&m->server);
	s.extract = m->draft.with_headers;
	s.author = true;
	if (m->full_name)
		s.full_name = mem_dupz(m->full_name);
	buf_init(&message, (size_t)1 << 40);
	code = letter_text(m->conf, m->quote_file, m->text_file, &m->draft.subject, &text);
	if (!code && m->skip_empty && !text.n && !m->files.n)
		goto out;
	if (!code)
		code = submission_sender(&s, m->sender ? "-f" : "-r", m->sender ? m->sender : m->draft.from);
	if (!code)
		code = compose(m, &s, buf_view(&text), &message);
	if (!code) {
		draft_recipients(&m->draft, &s.arena, &s.rcpts);
		code = submission_send(&s, buf_view(&message));
	}
	if (code > 1 && isatty(STDIN_FILENO))
		letter_save(buf_view(&text));
out:
	buf_fini(&text);
	buf_fini(&message);
	submission_fini(&s);
	return code;
}

/* sendmail_option - one of those behind "--", whose argument may be the next word; how many words it takes */
static int sendmail_option(struct mail *m, const char *word, const char *next)
{
	char letter = word[1];
	bool takes = letter && strchr("ABCFLNORVXbefhopr", letter);
	const char *value = word[2] ? word + 2 : next ? next : "";

	if (letter == 'f' || letter == 'r')
		m->sender = value;
	if (letter == 'F')
		m->full_name = value;
	return takes && !word[2] && next;
}

/* sort_operands - recipients, and after "--" options for sendmail, of which -f, -r and -F matter */
static int sort_operands(struct mail *m, int argc, char **argv)
{
	int n = m->n_operands;

	/* what stands behind "--" is at the end of the operands */
	for (int i = argc - 1, k = n - 1; i > 0 && k >= 0 && argv[i] == m->operands[k]; i--, k--)
		if (!strcmp(argv[i - 1], "--"))
			n = k;
	for (int i = n; i < m->n_operands; i++) {
		char *word = m->operands[i];

		if (word[0] == '-')
			i += sendmail_option(m, word, i + 1 < m->n_operands ? m->operands[i + 1] : NULL);
		else
			draft_add_list(&m->draft.to, word);
	}
	for (int i = 0; i < n; i++)
		draft_add_list(&m->draft.to, m->operands[i]);
	if (m->read_mode)
		return applet_fail(1, "No mail for this user (there is no mailbox reader)");
	if (m->draft.to.overflow || m->draft.cc.overflow || m->draft.bcc.overflow)
		return applet_fail(EX_USAGE, "too many recipients: a list is longer than %d bytes", LIMIT_HEADER);
	if (!m->draft.to.n && !m->draft.cc.n && !m->draft.bcc.n && !m->draft.with_headers)
		return applet_usage_error(&applet_mail, "no recipient (reading a mailbox is not supported)");
	return EX_OK;
}

static void mail_fini(struct mail *m)
{
	attachments_fini(&m->files);
	draft_fini(&m->draft);
	own_server_fini(&m->server);
	mem_free(m->operands);
	if (m->conf)
		conf_free(m->conf);
}

static int run(int argc, char **argv)
{
	struct mail m = { .operands = mem_array(NULL, (size_t)argc, sizeof(char *)) };
	struct opt_parse o;
	int id, code = EX_OK;

	draft_init(&m.draft);
	own_server_init(&m.server);
	m.draft.reply_to = env_get("REPLYTO");
	opt_init(&o, options, argc, argv, m.operands);
	while (!code && (id = opt_next(&o)) != OPT_END && id != OPT_HELP && id != OPT_VERSION)
		code = id == OPT_BAD ? applet_usage_error(&applet_mail, "%s", o.error) : take_option(&m, &o, id);
	m.n_operands = o.n_operands;
	if (!code && (id == OPT_HELP || id == OPT_VERSION)) {
		code = id == OPT_HELP ? applet_help(&applet_mail) : applet_version();
	} else if (!code) {
		code = sort_operands(&m, argc, argv);
		m.conf = code ? NULL : submission_conf(&m.server, m.verbose);
		code = code ? code : m.conf ? send_mail(&m) : EX_CONFIG;
	}
	mail_fini(&m);
	return code;
}
