/* submit_socket - see submit_socket.h. relayd is one more server, which is near: no TLS, no login, lines as they are. */
#include "core/submit/submit_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/format.h"
#include "core/base/mem.h"
#include "core/net/local_socket.h"
#include "core/submit/submit_judge.h"
#include "core/submit/submit_road.h"

/* settings_of - c, for a server that is this host's own; its texts stay c's */
static struct conf settings_of(const struct conf *c)
{
	struct conf own = *c;

	own.smtp_tls_security_level = CONF_TLS_NONE;
	own.smtp_tls_level_is_ours = own.smtp_tls_wrappermode = own.smtp_sasl_auth_enable = false;
	own.smtp_tls_policy_maps = own.smtp_discard_ehlo_keywords = own.smtp_fallback_relay = own.smtp_bind_address = "";
	own.smtp_bind_address6 = own.smtp_generic_maps = "";
	own.smtp_header_checks = own.smtp_mime_header_checks = own.smtp_nested_header_checks = own.smtp_body_checks = "";
	own.smtp_tls_mta_sts = own.requiretls_enable = own.smtp_tlsrpt_enable = false;
	own.smtp_line_length_limit = 0;
	own.smtp_server_is_ours = true;
	own.smtp_always_send_ehlo = true;
	own.smtp_never_send_ehlo = false;
	return own;
}

/* "host relayd[…] said: 550 5.1.1 … (in reply to …)": which server that was is clear */
static void shorten(struct reply *r)
{
	struct str text = str_of(r->text), tail = STR(" (in reply to ");
	ptrdiff_t said = str_find(text, STR("] said: ")), end = str_rchr(text, '(');
	char line[sizeof(r->text)];

	if (said < 0 || !str_starts(text, STR("host ")))
		return;
	said += 8;
	if (end > said && str_starts(str_from(text, (size_t)end - 1), tail))
		text = str_head(text, (size_t)end - 1);
	text = str_from(text, (size_t)said);
	format_text(line, sizeof(line), "%.*s", STR_ARG(text));
	memcpy(r->text, line, sizeof(line));
}

static int hand_over(struct submit_road *road, const struct envelope *e, struct submit_result *out, enum verdict *verdicts)
{
	struct road_hop *hops = mem_array(NULL, e->n_rcpts, sizeof(*hops));
	struct delivery_result *results = mem_array(NULL, e->n_rcpts, sizeof(*results));
	struct buf why;
	int code = SUBMIT_NOT_THERE;

	buf_init(&why, LIMIT_MAP_VALUE);
	for (size_t i = 0; i < e->n_rcpts; i++)
		hops[i] = (struct road_hop){ .transport = &road->master->transports[0], .nexthop = STR("unix:submit") };
	if (submit_road_run(road, e, hops, results, &why) < 0) {
		format_text(out->why, sizeof(out->why), "%s", buf_cstr(&why));
	} else {
		for (size_t i = 0; i < e->n_rcpts; i++)
			shorten(&results[i].reply);
		code = submit_judge(e, results, out, verdicts);
		/* a relayd that is going down has said so before it took anything: the other ways are still open */
		if (!submit_was_answered(e, results))
			code = SUBMIT_NOT_THERE;
	}
	buf_fini(&why);
	mem_free(results);
	mem_free(hops);
	return code;
}

int submit_socket(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out, enum verdict *verdicts)
{
	static char name[] = "smtp";
	struct conf own = settings_of(c);
	struct master_transport transport = { .name = name, .program = MASTER_SMTP, .conf = &own };
	struct master master = { .transports = &transport, .n_transports = 1 };
	struct submit_road road = { .conf = &own, .master = &master, .options = o, .content = content };
	struct envelope sized = *e;

	road.socket = local_connect(c->queue_directory, "submit");
	if (road.socket < 0) {
		format_text(out->why, sizeof(out->why), "no relayd answers at %s/submit: %s", c->queue_directory, strerror(errno));
		return SUBMIT_NOT_THERE;
	}
	if (fcntl(road.socket, F_SETFL, O_NONBLOCK) < 0) {
		format_text(out->why, sizeof(out->why), "cannot wait for events: %s", strerror(errno));
		close(road.socket);
		return SUBMIT_NOT_THERE;
	}
	sized.size = content.n;
	return hand_over(&road, &sized, out, verdicts);
}
