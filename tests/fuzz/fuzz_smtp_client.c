/*
 * fuzz_smtp_client.c - the client machine against any bytes for a server. Byte 0: options, byte 1: size of the pieces; the
 * rest is what the server sends. Checks the accounting of recipients (threats E7) and that nothing is written but commands.
 */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/smtp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RCPTS = 3, MESSAGES = 3 };

static struct session {
	struct smtp_client c;
	struct smtp_tx tx;
	struct buf out;
	unsigned begun, judged[RCPTS], accepted, done, stage;
	bool over, tls, ahead;         /* ahead: the next transaction begins as early as it may */
} x;

static const struct rcpt rcpts[RCPTS] = {
	{ .addr = { "a@d.example", 11 }, .orcpt = { "rfc822;x", 8 } }, { .addr = { "\xc3\xbc@d.example", 12 } },
	{ .addr = { "c@d.example", 11 }, .notify = DSN_NOTIFY_NEVER },
};
static const struct rcpt *const pointers[RCPTS] = { &rcpts[0], &rcpts[1], &rcpts[2] };

static void promise(bool kept, const char *what)
{
	if (!kept)
		BUG(what);
}

static void on_rcpt(void)
{
	promise(x.c.rcpt < RCPTS && x.judged[x.c.rcpt]++ == 0, "a recipient judged twice");
	x.accepted += reply_verdict(&x.c.reply) == VERDICT_DONE;
}

static void on_done(void)
{
	promise(x.accepted > 0 && x.judged[0] + x.judged[1] + x.judged[2] == RCPTS, "the end before the recipients");
	promise(++x.done <= (x.c.opt.lmtp ? x.accepted : 1), "done too often");
	promise(x.c.last == (!x.c.opt.lmtp || x.done == x.accepted), "last");
}

/* the transaction before is over */
static void check_over(void)
{
	promise(x.begun == 0 || x.judged[0] + x.judged[1] + x.judged[2] == RCPTS, "a recipient forgotten");
	promise(x.begun == 0 || x.tx.probe || x.done == (x.c.opt.lmtp ? x.accepted : x.accepted > 0), "a recipient without an end");
	memset(x.judged, 0, sizeof(x.judged));
	x.accepted = x.done = 0;
}

static void on_ready(void)
{
	promise(smtp_client_is_reusable(&x.c), "ready but not reusable");
	check_over();
	if (x.begun++ < MESSAGES)
		smtp_client_begin(&x.c, &x.tx);
	else
		smtp_client_quit(&x.c);
}

static void on_hello(void)
{
	if (!x.tls && (x.c.extensions & SMTP_EXT_STARTTLS))
		smtp_client_starttls(&x.c);
	else if (x.stage++ == 0 && (x.c.extensions & SMTP_EXT_AUTH))
		smtp_client_auth(&x.c, "PLAIN", STR("\0u\0p"), true);
	else
		smtp_client_ready(&x.c);
}

static void on_event(enum smtp_client_event e)
{
	static const struct str content[] = { STR("Subject: x\r\n\r\n.a\r"), STR("\n..\r\n.\r\nb") };

	promise(!x.over, "an event after the end");
	switch (e) {
	case SMTP_CLIENT_HELLO:
		on_hello();
		break;
	case SMTP_CLIENT_STARTTLS:
		x.tls = true;
		smtp_client_tls_done(&x.c);
		break;
	case SMTP_CLIENT_TLS_REFUSED:
	case SMTP_CLIENT_AUTH_DONE:
		smtp_client_ready(&x.c);
		break;
	case SMTP_CLIENT_AUTH:
		smtp_client_auth_step(&x.c, x.stage++ > 3 ? STR_EMPTY : STR("response"));
		break;
	case SMTP_CLIENT_READY:
		on_ready();
		break;
	case SMTP_CLIENT_NEXT:
		check_over();
		break;
	case SMTP_CLIENT_RCPT:
		on_rcpt();
		break;
	case SMTP_CLIENT_BODY:
		smtp_client_body(&x.c, content[0], false);
		smtp_client_body(&x.c, content[1], true);
		if (x.ahead && x.begun < MESSAGES && smtp_client_takes_next(&x.c)) {
			x.begun++;
			smtp_client_begin(&x.c, &x.tx);
		}
		break;
	case SMTP_CLIENT_DONE:
		on_done();
		break;
	default:
		x.over = true;
		break;
	}
}

/* every line that goes out ends in CRLF and holds neither alone */
static void check_out(void)
{
	struct str out = buf_view(&x.out);

	for (size_t i = 0; i < out.n; i++)
		promise(out.p[i] == '\n' ? i > 0 && out.p[i - 1] == '\r' : out.p[i] != '\r' || i + 1 == out.n || out.p[i + 1] == '\n',
		        "a bare CR or LF went out");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_client_options o = { .helo_name = "c.example" };
	size_t taken = 2, given = 2, piece;

	if (size < 3)
		return 0;
	o.lmtp = data[0] & 1;
	o.always_ehlo = data[0] & 2;
	o.chunking = data[0] & 4;
	o.pipelining = data[0] & 8;
	o.line_limit = data[0] & 16 ? 10 : 0;
	memset(&x, 0, sizeof(x));
	x.ahead = data[0] & 128;
	x.tx = (struct smtp_tx){ .sender = STR("s@d.example"), .rcpts = pointers, .n_rcpts = RCPTS, .size = data[0] & 32 ? 70000 : 30,
		.flags = ENVELOPE_8BIT, .probe = data[0] & 64, .envid = STR("id"), .ret = DSN_RET_HDRS };
	piece = data[1] ? data[1] : size;
	buf_init(&x.out, 16 * 1024 * 1024);
	smtp_client_init(&x.c, &o, &x.out);
	while (given < size) {
		struct str view;
		enum smtp_client_event e;
		char *block;

		given = size - given > piece ? given + piece : size;
		block = malloc(given - taken + 1);
		memcpy(block, data + taken, given - taken);
		view = str_make(block, given - taken);
		while ((e = smtp_client_next(&x.c, &view)) != SMTP_CLIENT_WANT_INPUT)
			on_event(e);
		taken = given - view.n;
		free(block);
		promise(given - taken < LIMIT_SMTP_REPLY_LINE, "input left lying");
	}
	check_out();
	smtp_client_fini(&x.c);
	buf_fini(&x.out);
	return 0;
}
