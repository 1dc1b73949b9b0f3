/*
 * fuzz_smtp_server.c - the server machine on any bytes. Byte 0: options, byte 1: size of the pieces, byte 2: which events the
 * owner refuses; the rest is what the client sends. Checks the order of events, the form of replies and of content, and
 * that the size of the pieces changes nothing.
 */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct session {
	struct smtp_server s;
	struct arena arena;
	struct buf out, seen;
	unsigned refuse, count;
	size_t content;
	bool cr, open, ended;
};

static void promise(bool kept, const char *what)
{
	if (!kept)
		BUG(what);
}

static void check_content(struct session *x, struct str piece)
{
	promise(piece.n > 0, "empty piece");
	for (size_t i = 0; i < piece.n; i++) {
		promise((piece.p[i] == '\n') == x->cr, "a bare LF or a stray CR in the content");
		x->cr = piece.p[i] == '\r';
	}
	x->content += piece.n;
}

static void check_replies(struct str out)
{
	struct str line;

	promise(out.n == 0 || str_ends(out, STR("\r\n")), "a reply without its end");
	while (str_cut(&out, '\n', &line))
		promise(line.n >= 4 && line.p[0] >= '2' && line.p[0] <= '5' && ascii_is_digit(line.p[1]) && ascii_is_digit(line.p[2]) &&
		        (line.p[3] == ' ' || line.p[3] == '-') && line.p[line.n - 1] == '\r' && !memchr(line.p, 0, line.n),
		        "a malformed reply");
}

static void on_event(struct session *x, enum smtp_server_event e)
{
	static const int yes[] = { 0, 250, 250, 250, 354, 0, 250, 0, 0, 235, 252, 250 };
	struct reply r = { .code = 0 };

	promise(!x->ended, "an event after the end");
	buf_byte(&x->seen, (char)('A' + (int)e));
	promise(x->s.out->overflow || x->s.errors < 1000, "errors without end");
	if (e == SMTP_SERVER_BODY) {
		buf_truncate(&x->seen, x->seen.n - 1);
		check_content(x, x->s.chunk);
	}
	if (e == SMTP_SERVER_RSET)
		promise(x->open, "RSET without a transaction"), x->open = false;
	if (e == SMTP_SERVER_DATA || e == SMTP_SERVER_RSET)
		x->content = 0, x->cr = false;
	if (e == SMTP_SERVER_DATA || e == SMTP_SERVER_MESSAGE)
		promise(x->open && x->s.envelope.n_rcpts > 0, "content without recipients");
	if (e == SMTP_SERVER_MESSAGE)
		promise(x->content == x->s.envelope.size && !x->cr, "the content's size");
	x->ended = e == SMTP_SERVER_QUIT || e == SMTP_SERVER_HANGUP;
	if (e == SMTP_SERVER_STARTTLS)
		smtp_server_tls_done(&x->s);
	if ((size_t)e >= sizeof(yes) / sizeof(yes[0]) || yes[e] == 0)
		return;
	r.code = (x->refuse >> (x->count++ % 8)) & 1 ? 450 : yes[e];
	if (e == SMTP_SERVER_MAIL)
		x->open = r.code == 250;
	if (e == SMTP_SERVER_MESSAGE && r.code == 250)
		x->open = false;
	if (e == SMTP_SERVER_AUTH)
		promise(x->s.auth_user[0] && x->s.auth_password[0] && !strchr(x->s.auth_user, '\n'), "a user without a name");
	smtp_server_answer(&x->s, &r);
}

/* give all input in pieces; what is left comes again with the next piece, in a block of exactly its size */
static void run(struct session *x, const struct smtp_server_options *o, struct str in, size_t piece, unsigned refuse)
{
	size_t taken = 0, given = 0;

	memset(x, 0, sizeof(*x));
	x->refuse = refuse;
	arena_init(&x->arena, 64 * 1024);
	buf_init(&x->out, 16 * 1024 * 1024);
	buf_init(&x->seen, 16 * 1024 * 1024);
	smtp_server_init(&x->s, o, &x->out, &x->arena);
	smtp_server_greet(&x->s);
	while (given < in.n) {
		struct str view;
		enum smtp_server_event e;
		char *block;

		given = in.n - given > piece ? given + piece : in.n;
		block = malloc(given - taken + 1);
		memcpy(block, in.p + taken, given - taken);
		view = str_make(block, given - taken);
		while ((e = smtp_server_next(&x->s, &view)) != SMTP_SERVER_WANT_INPUT)
			on_event(x, e);
		taken = given - view.n;
		free(block);
		promise(given - taken <= LIMIT_SASL_RESPONSE, "input left lying");
	}
	check_replies(buf_view(&x->out));
}

static void end(struct session *x)
{
	smtp_server_fini(&x->s);
	arena_fini(&x->arena);
	buf_fini(&x->out);
	buf_fini(&x->seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct session whole, pieces;
	struct smtp_server_options o = { .hostname = "h.example", .banner = "h.example ESMTP", .recipient_limit = 3, .hard_error_limit = 20,
		.junk_command_limit = 20, .auth_mechanisms = "PLAIN LOGIN", .pipelining = true };
	struct str in;

	if (size < 3)
		return 0;
	o.size_limit = data[0] & 1 ? 50 : 0;
	o.auth = o.etrn = data[0] & 2;
	o.auth_in_clear = data[0] & 4;
	o.starttls = data[0] & 8;
	o.tls_required = data[0] & 16;
	o.chunking = o.dsn = !(data[0] & 32);
	o.smtputf8 = !(data[0] & 64);
	o.strict_envelopes = o.lmtp = data[0] & 128;
	in = str_make((const char *)data + 3, size - 3);
	run(&whole, &o, in, size, data[2]);
	run(&pieces, &o, in, data[1] ? data[1] : 1, data[2]);
	/* STARTTLS depends on what came with it, and so it must */
	if (!o.starttls) {
		promise(str_eq(buf_view(&whole.out), buf_view(&pieces.out)), "pieces change the replies");
		promise(str_eq(buf_view(&whole.seen), buf_view(&pieces.seen)), "pieces change the events");
	}
	end(&whole);
	end(&pieces);
	return 0;
}
