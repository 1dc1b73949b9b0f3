/* mail - send mail from scripts and by hand: mailx without a mailbox reader. The message is made by core/msg/compose and
 * goes the way of sendmail. Input that does not come from a terminal is text and nothing else: no ~ commands, ever. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/attachments.h"
#include "applets/letter.h"
#include "applets/submission.h"
#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/msg/compose.h"
#include "core/msg/crlf.h"
#include "core/msg/header.h"

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
		"smtp-auth-user, smtp-auth-password; others are ignored" },
	{ 'F', 'F', NULL, OPT_NONE, NULL, NULL },
	{ 'u', 'u', NULL, OPT_ARG, NULL, NULL }, { 'T', 'T', NULL, OPT_ARG, NULL, NULL },
	{ 'n', 'n', NULL, OPT_NONE, NULL, NULL }, { 'N', 'N', NULL, OPT_NONE, NULL, NULL },
	{ 'i', 'i', NULL, OPT_NONE, NULL, NULL }, { 'I', 'I', NULL, OPT_NONE, NULL, NULL },
	{ 'd', 'd', NULL, OPT_NONE, NULL, NULL }, { ':', ':', NULL, OPT_ARG, NULL, NULL },
	{ 'e', 'e', NULL, OPT_NONE, NULL, NULL }, { 'H', 'H', NULL, OPT_NONE, NULL, NULL },
	{ 'f', 'f', NULL, OPT_NONE, NULL, NULL },
	{ 'v', 'v', "verbose", OPT_NONE, NULL, "say how the message went" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_mail = {
	.name = "mail",
	.aliases = aliases,
	.summary = "send a mail from a script or by hand",
	.usage = "[-s SUBJECT] [-r FROM] [-c LIST] [-b LIST] [-a FILE|FIELD]... [-E] TO... [-- SENDMAIL-OPTION...]",
	.options = options,
	.notes = "The text is read from standard input. -d -F -i -I -n -N -T -u -: --encoding --mime are accepted and\n"
		"ignored, --content-name is --content-filename; there is no mailbox reader (-e, -f and -H answer that there is no mail).",
	.run = run,
};

struct draft {
	struct conf *conf;
	const char *subject, *from, *reply_to, *charset, *type, *text_file, *quote_file;
	const char *server, *user, *password; /* -S mta=, smtp-auth-… */
	const char *sender, *full_name; /* -f and -F behind "--": for sendmail, so not the From field */
	const char *file_name;         /* of the next attachment */
	struct str *fields;
	size_t n_fields;
	struct attachments files;
	struct buf cc, bcc, to;
	bool skip_empty, with_headers, verbose, read_mode;
	char **operands;
	int n_operands;
};

/* --- options -------------------------------------------------------------------------------------------------------- */

/* add_to_list - a list of addresses; as with any mailx, white space parts them where the text has nothing but words */
static void add_to_list(struct buf *list, const char *text)
{
	bool words = !strpbrk(text, ",\"\\(<:;");

	if (list->n)
		buf_z(list, ", ");
	for (; *text; text++)
		buf_byte(list, words && ascii_is_space(*text) ? ',' : *text);
}

static void add_field(struct draft *d, struct str field)
{
	d->fields = mem_array(d->fields, d->n_fields + 1, sizeof(*d->fields));
	d->fields[d->n_fields++] = field;
}

static int attach(struct draft *d, const char *path)
{
	int code = attachments_add(&d->files, path);

	if (d->file_name)
		d->files.v[d->files.n - 1].name = d->file_name;
	d->file_name = NULL;
	return code;
}

/* attach_or_field - -a: bsd-mailx and GNU mean a header field, s-nail means a file, which may be called backup-10:30.log */
static int attach_or_field(struct draft *d, const char *text)
{
	if (compose_is_field(str_of(text)) && (strstr(text, ": ") || access(text, F_OK) < 0)) {
		add_field(d, str_of(text));
		return EX_OK;
	}
	if (access(text, F_OK) == 0)
		return attach(d, text);
	return applet_fail(EX_USAGE, "-a %s: neither a header field (Name: value) nor a file", text);
}

static int set_variable(struct draft *d, const char *text)
{
	const char *eq = strchr(text, '='), *value = eq ? eq + 1 : "";
	struct str name = str_make(text, eq ? (size_t)(eq - text) : strlen(text));
	const struct { const char *name; const char **place; } rows[] = {
		{ "from", &d->from }, { "replyto", &d->reply_to }, { "reply-to", &d->reply_to }, { "ttycharset", &d->charset },
		{ "mta", &d->server }, { "smtp", &d->server }, { "smtp-auth-user", &d->user }, { "user", &d->user },
		{ "smtp-auth-password", &d->password }, { "password", &d->password },
	};

	if (str_eq(name, STR("skipemptybody"))) {
		d->skip_empty = true;
		return EX_OK;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(name, str_of(rows[i].name)))
			*rows[i].place = value;
	return EX_OK;
}

static int take_option(struct draft *d, int id, const char *arg)
{
	switch (id) {
	case 's': d->subject = arg; break;
	case 'r': d->from = arg; break;
	case 'c': add_to_list(&d->cc, arg); break;
	case 'b': add_to_list(&d->bcc, arg); break;
	case 'a': return attach_or_field(d, arg);
	/* s-nail's -A names an account, which nobody has here */
	case 'A': return access(arg, F_OK) == 0 || strpbrk(arg, "./") ? attach(d, arg) : EX_OK;
	case 'C': add_field(d, str_of(arg)); break;
	case 'q': d->quote_file = arg; break;
	case 'm': d->text_file = arg; break;
	case 'M': d->type = arg; break;
	case 't': d->with_headers = true; break;
	case 'E': d->skip_empty = true; break;
	case 'S': return set_variable(d, arg);
	case 'v': d->verbose = true; break;
	case OPT_FILE_NAME: d->file_name = arg; break;
	case 'e': case 'H': case 'f': d->read_mode = true; break;
	}
	return EX_OK;
}

/* --- the text ------------------------------------------------------------------------------------------------------- */

static int read_text_file(const char *path, struct buf *out)
{
	struct buf raw;
	struct crlf_clean c;
	int r;

	buf_init(&raw, out->max);
	r = fs_read_file(path, &raw);
	if (r == 0) {
		crlf_clean_init(&c);
		crlf_clean_add(&c, out, buf_view(&raw));
		crlf_clean_end(&c, out, true);
	}
	buf_fini(&raw);
	return r < 0 ? applet_fail(EX_NOINPUT, "cannot read %s: %s", path, strerror(errno)) : EX_OK;
}

static int read_text(struct draft *d, struct buf *out)
{
	struct buf input;
	int code = EX_OK;

	buf_init(out, (size_t)1 << 40);
	if (d->quote_file)
		code = read_text_file(d->quote_file, out);
	if (code || d->text_file)
		return code ? code : read_text_file(d->text_file, out);
	if (isatty(STDIN_FILENO))
		return letter_read(&d->subject, out);
	code = submission_read(d->conf, false, &input);
	buf_str(out, buf_view(&input));
	buf_fini(&input);
	return code;
}

/* --- the way out ---------------------------------------------------------------------------------------------------- */

/* url_host - "smtp://host:587", "submission://host" … -> "[host]:587", as relayhost has it */
static bool url_host(const char *url, struct buf *out)
{
	static const struct { const char *scheme, *port; } schemes[] = {
		{ "smtp://", "25" }, { "smtps://", "465" }, { "submission://", "587" }, { "submissions://", "465" }, { "", "25" },
	};
	struct str rest = str_of(url);
	const char *port = NULL;

	for (size_t i = 0; !port; i++)
		if (str_istarts(rest, str_of(schemes[i].scheme))) {
			port = schemes[i].port;
			rest = str_from(rest, strlen(schemes[i].scheme));
		}
	if (!rest.n || str_chr(rest, '/') >= 0)
		return false;
	if (rest.p[0] == '[' || str_chr(rest, ':') < 0)
		buf_printf(out, rest.p[0] == '[' ? "%.*s:%s" : "[%.*s]:%s", STR_ARG(rest), port);
	else
		buf_printf(out, "[%.*s]:%.*s", (int)str_chr(rest, ':'), rest.p, STR_ARG(str_from(rest, (size_t)str_chr(rest, ':') + 1)));
	return true;
}

/* add_raw - text that main.cf shall take as it is: a $ is doubled */
static void add_raw(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '$')
			buf_byte(out, '$');
		buf_byte(out, *text);
	}
}

/* has_own_server - -S mta=; a path is the sendmail program of mailx, which is us */
static bool has_own_server(const struct draft *d)
{
	return d->server && d->server[0] != '/';
}

/* open_conf - the configuration; a server given with -S replaces its relayhost for this mail */
static struct conf *open_conf(const struct draft *d)
{
	struct conf_diag diag;
	struct conf *c = NULL;
	struct buf host, relayhost, maps;
	const char *extra[6] = { NULL };

	if (!has_own_server(d))
		return applet_conf(NULL, d->verbose);
	buf_init(&host, LIMIT_ADDRESS);
	buf_init(&relayhost, LIMIT_CONF_VALUE);
	buf_init(&maps, LIMIT_CONF_VALUE);
	if (url_host(d->server, &host)) {
		buf_printf(&relayhost, "relayhost=%s", buf_cstr(&host));
		extra[0] = buf_cstr(&relayhost);
		extra[1] = "sendmail_submission=direct";
		if (d->user && d->password) {
			buf_z(&maps, "smtp_sasl_password_maps=static:{");
			add_raw(&maps, d->user);
			buf_byte(&maps, ':');
			add_raw(&maps, d->password);
			buf_byte(&maps, '}');
			extra[2] = buf_cstr(&maps);
			extra[3] = "smtp_sasl_auth_enable=yes";
			extra[4] = "smtp_sasl_tls_security_options=noanonymous";
		}
		conf_diag_init(&diag);
		c = conf_load(conf_default_directory(NULL), extra, &diag);
		if (!c)
			conf_diag_print(&diag, stderr, applet_name());
		conf_diag_fini(&diag);
	} else {
		applet_fail(0, "-S mta=%s: not a server (smtp://host:port)", d->server);
	}
	if (maps.p)
		mem_wipe(maps.p, maps.cap);
	buf_fini(&host);
	buf_fini(&relayhost);
	buf_fini(&maps);
	return c;
}

/* add_to_message - -t: the text is the whole message; its fields stand, and the options put in what it lacks */
static int add_to_message(struct arena *a, struct buf *out, const struct compose *given, struct buf *why)
{
	struct compose m = *given;
	struct str text = inject_skip_from_lines(m.text), headers = str_head(text, header_body_split(text));
	const struct { const char *name; struct str *field; } rows[] = {
		{ "From", &m.from }, { "Cc", &m.cc }, { "Reply-To", &m.reply_to }, { "Subject", &m.subject },
	};
	struct header h;

	m.to = STR_EMPTY;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (header_find(headers, rows[i].name, &h))
			*rows[i].field = STR_EMPTY;
	if (compose_fields(a, out, &m, why) < 0)
		return -1;
	buf_str(out, text);
	return 0;
}

static int compose(struct draft *d, struct submission *s, struct str text, struct buf *message)
{
	char boundary[40];
	struct buf why, type;
	struct compose m = { .from = str_of(d->from), .reply_to = str_of(d->reply_to), .to = buf_view(&d->to),
		.cc = buf_view(&d->cc), .subject = str_of(d->subject), .text = text, .charset = d->charset, .files = d->files.v,
		.n_files = d->files.n, .boundary = boundary };
	int code = EX_OK;

	snprintf(boundary, sizeof(boundary), "=_%08x%08x%08x", random_u32(), random_u32(), random_u32());
	buf_init(&why, LIMIT_REPLY_TEXT);
	buf_init(&type, LIMIT_ADDRESS);
	if (d->type) {
		buf_printf(&type, "Content-Type: %s%s", d->type, strchr(d->type, ';') || strncmp(d->type, "text/", 5) != 0 ? "" :
			"; charset=utf-8");
		add_field(d, buf_view(&type));
	}
	m.fields = d->fields;
	m.n_fields = d->n_fields;
	s->extract = d->with_headers;
	if (d->with_headers && (d->files.n || d->type))
		code = applet_fail(EX_USAGE, "-t: the input is the whole message; nothing can be attached, nor does it take -M");
	else if ((d->with_headers ? add_to_message : compose_message)(&s->arena, message, &m, &why) < 0)
		code = applet_fail(EX_DATAERR, "%s", buf_cstr(&why));
	buf_fini(&why);
	buf_fini(&type);
	return code;
}

static int add_recipients(struct draft *d, struct submission *s)
{
	const struct buf *lists[] = { &d->to, &d->cc, &d->bcc };

	for (size_t i = 0; i < 3; i++)
		if (lists[i]->n && !inject_add_list(&s->arena, &s->rcpts, arena_str(&s->arena, buf_view(lists[i]))))
			return applet_fail(EX_DATAERR, "recipient: %s", s->rcpts.error);
	return EX_OK;
}

static int send_draft(struct draft *d)
{
	struct submission s;
	struct buf text, message;
	int code;

	submission_init(&s, d->conf);
	s.verbose = d->verbose;
	s.own_server = has_own_server(d);
	if (d->full_name)
		s.full_name = mem_dupz(d->full_name);
	buf_init(&message, (size_t)1 << 40);
	code = read_text(d, &text);
	if (!code && d->skip_empty && !text.n && !d->files.n)
		goto out;
	if (!code)
		code = submission_sender(&s, d->sender ? d->sender : d->from);
	if (!code)
		code = compose(d, &s, buf_view(&text), &message);
	if (!code)
		code = add_recipients(d, &s);
	if (!code)
		code = submission_send(&s, buf_view(&message));
	if (code > 1 && isatty(STDIN_FILENO))
		letter_save(buf_view(&text));
out:
	buf_fini(&text);
	buf_fini(&message);
	submission_fini(&s);
	return code;
}

/* sendmail_option - one of those behind "--", whose argument may be the next word; how many words it takes */
static int sendmail_option(struct draft *d, const char *word, const char *next)
{
	char letter = word[1];
	bool takes = letter && strchr("ABCFLNORVXbefhopr", letter);
	const char *value = word[2] ? word + 2 : next ? next : "";

	if (letter == 'f' || letter == 'r')
		d->sender = value;
	if (letter == 'F')
		d->full_name = value;
	return takes && !word[2] && next;
}

/* sort_operands - recipients, and after "--" options for sendmail, of which -f, -r and -F matter */
static int sort_operands(struct draft *d, int argc, char **argv)
{
	int n = d->n_operands;

	/* what stands behind "--" is at the end of the operands */
	for (int i = argc - 1, k = n - 1; i > 0 && k >= 0 && argv[i] == d->operands[k]; i--, k--)
		if (!strcmp(argv[i - 1], "--"))
			n = k;
	for (int i = n; i < d->n_operands; i++) {
		char *word = d->operands[i];

		if (word[0] == '-')
			i += sendmail_option(d, word, i + 1 < d->n_operands ? d->operands[i + 1] : NULL);
		else
			add_to_list(&d->to, word);
	}
	for (int i = 0; i < n; i++)
		add_to_list(&d->to, d->operands[i]);
	if (d->read_mode)
		return applet_fail(1, "No mail for this user (there is no mailbox reader)");
	if (d->to.overflow || d->cc.overflow || d->bcc.overflow)
		return applet_fail(EX_USAGE, "too many recipients: a list is longer than %d bytes", LIMIT_HEADER);
	if (!d->to.n && !d->cc.n && !d->bcc.n && !d->with_headers)
		return applet_usage_error(&applet_mail, "no recipient (reading a mailbox is not supported)");
	return EX_OK;
}

static void draft_fini(struct draft *d)
{
	attachments_fini(&d->files);
	mem_free(d->fields);
	buf_fini(&d->to);
	buf_fini(&d->cc);
	buf_fini(&d->bcc);
	mem_free(d->operands);
	if (d->conf)
		conf_free(d->conf);
}

static int run(int argc, char **argv)
{
	struct draft d = { .reply_to = env_get("REPLYTO") };
	struct opt_parse o;
	int id, code = EX_OK;

	d.operands = mem_array(NULL, (size_t)argc, sizeof(char *));
	buf_init(&d.to, LIMIT_HEADER);
	buf_init(&d.cc, LIMIT_HEADER);
	buf_init(&d.bcc, LIMIT_HEADER);
	opt_init(&o, options, argc, argv, d.operands);
	while (!code && (id = opt_next(&o)) != OPT_END && id != OPT_HELP)
		code = id == OPT_BAD ? applet_usage_error(&applet_mail, "%s", o.error) : take_option(&d, id, o.arg);
	d.n_operands = o.n_operands;
	if (!code && id == OPT_HELP) {
		code = applet_help(&applet_mail);
	} else if (!code) {
		code = sort_operands(&d, argc, argv);
		d.conf = code ? NULL : open_conf(&d);
		code = code ? code : d.conf ? send_draft(&d) : EX_CONFIG;
	}
	draft_fini(&d);
	return code;
}
