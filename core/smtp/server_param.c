/* server_param - ESMTP parameters of MAIL and RCPT: one row each with the extension that must be offered. An unknown one
 * is refused (RFC 5321 section 4.1.1.11), so is one given twice: which would count is a matter of taste (threats E6). */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/msg/mime.h"
#include "core/smtp/grammar.h"
#include "core/smtp/server_private.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* decode xtext into the arena; false: not xtext, too long, or with characters that have no place in an envelope */
static bool take_xtext(struct smtp_server *s, struct str value, size_t max, struct str *out)
{
	struct buf *b = &s->priv->scratch;

	buf_clear(b);
	if (value.n == 0 || !mime_xtext_decode(b, value) || b->overflow || b->n == 0 || b->n > max ||
	    !grammar_is_text(buf_view(b)) || !str_is_utf8(buf_view(b)))
		return false;
	*out = arena_str(s->arena, buf_view(b));
	return out->n > 0;
}

static const char *set_size(struct smtp_server *s, struct str value)
{
	uint64_t n;

	if (value.n == 0 || value.n > 20)
		return "501 5.5.4 Bad message size syntax";
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_is_digit(value.p[i]))
			return "501 5.5.4 Bad message size syntax";
	if (!str_to_u64(value, &n) || n > INT64_MAX)
		return "552 5.3.4 Message size exceeds fixed limit";
	s->declared_size = (int64_t)n;
	return NULL;
}

/* BODY= with another word is no parameter that is known */
static bool is_body(struct str value)
{
	return str_ieq(value, STR("8BITMIME")) || str_ieq(value, STR("7BIT"));
}

static const char *set_body(struct smtp_server *s, struct str value)
{
	if (str_ieq(value, STR("8BITMIME")))
		s->envelope.flags |= ENVELOPE_8BIT;
	return NULL;
}

static const char *set_smtputf8(struct smtp_server *s, struct str value)
{
	if (value.n > 0)
		return "501 5.5.4 Bad SMTPUTF8 parameter syntax";
	s->envelope.flags |= ENVELOPE_SMTPUTF8;
	return NULL;
}

static const char *set_requiretls(struct smtp_server *s, struct str value)
{
	(void)value;
	if (!s->tls && !s->opt.near)
		return "530 5.7.0 Must issue a STARTTLS command first";
	s->envelope.flags |= ENVELOPE_REQUIRETLS;
	return NULL;
}

static const char *set_ret(struct smtp_server *s, struct str value)
{
	if (str_ieq(value, STR("FULL")))
		s->envelope.ret = DSN_RET_FULL;
	else if (str_ieq(value, STR("HDRS")))
		s->envelope.ret = DSN_RET_HDRS;
	else
		return "501 5.5.4 Bad RET parameter syntax";
	return NULL;
}

static const char *set_envid(struct smtp_server *s, struct str value)
{
	return take_xtext(s, value, LIMIT_ENVID, &s->envelope.envid) ? NULL : "501 5.5.4 Bad ENVID parameter syntax";
}

/* RFC 4954 section 5: who submitted it, says the client. We vouch for nobody else, so it is checked and dropped. */
static const char *set_auth(struct smtp_server *s, struct str value)
{
	struct str who;

	if (str_eq(value, STR("<>")) || take_xtext(s, value, LIMIT_ADDRESS, &who))
		return NULL;
	return "501 5.5.4 Bad AUTH parameter syntax";
}

static const char *set_notify(struct smtp_server *s, struct str value)
{
	return grammar_notify(value, &s->rcpt_notify) ? NULL : "501 5.5.4 Error: Bad NOTIFY parameter syntax";
}

static const char *set_orcpt(struct smtp_server *s, struct str value)
{
	static const char bad[] = "501 5.5.4 Error: Bad ORCPT parameter syntax";
	ptrdiff_t semicolon = str_chr(value, ';');
	struct str decoded, type;

	if (semicolon <= 0)
		return bad;
	type = str_head(value, (size_t)semicolon);
	for (size_t i = 0; i < type.n; i++)
		if (!ascii_is_alnum(type.p[i]) && type.p[i] != '-')
			return bad;
	/* xtext may be empty (RFC 3461 section 4): nothing was said */
	if (value.n == type.n + 1)
		return NULL;
	if (!take_xtext(s, str_from(value, type.n + 1), LIMIT_ORCPT, &decoded))
		return bad;
	s->rcpt_orcpt = arena_printf(s->arena, "%.*s;%.*s", STR_ARG(type), STR_ARG(decoded));
	return NULL;
}

struct param_row {
	const char *name;
	unsigned offer;        /* needs this extension; 0 = none */
	bool may_be_bare;
	const char *(*set)(struct smtp_server *s, struct str value);
};

static const char *unsupported(struct buf *text, struct str name, struct str value, bool has_value)
{
	buf_clear(text);
	buf_printf(text, "555 5.5.4 Unsupported option: %.*s%s%.*s", STR_ARG(str_head(name, 100)), has_value ? "=" : "",
		STR_ARG(str_head(value, 100)));
	return buf_cstr(text);
}

static const char *take_params(struct smtp_server *s, struct str rest, const struct param_row *rows, size_t n)
{
	struct buf *text = &s->priv->scratch;
	struct str name, value;
	unsigned seen = 0;
	bool has_value;

	for (;;) {
		enum grammar_result got = grammar_param(&rest, &name, &value, &has_value);
		const char *no;
		size_t i;

		if (got == GRAMMAR_MORE)
			return NULL;
		for (i = 0; got == GRAMMAR_OK && i < n; i++)
			if (str_ieq(name, str_of(rows[i].name)) && (!rows[i].offer || server_offers(s, rows[i].offer)))
				break;
		if (got == GRAMMAR_BAD || i == n) {
			return unsupported(text, name, value, has_value);
		}
		if (rows[i].set == set_body && !is_body(value))
			return unsupported(text, name, value, has_value);
		no = (seen & 1u << i) || has_value == rows[i].may_be_bare ?
		     "501 5.5.4 Bad parameter: given twice, or with a value missing or too much" : rows[i].set(s, value);
		if (s->arena->overflow)
			return server_no_room;
		if (no)
			return no;
		seen |= 1u << i;
	}
}

const char *server_mail_params(struct smtp_server *s, struct str params)
{
	static const struct param_row rows[] = {
		{ "SIZE", 0, false, set_size }, { "BODY", 0, false, set_body },
		{ "SMTPUTF8", OFFER_SMTPUTF8, true, set_smtputf8 }, { "RET", OFFER_DSN, false, set_ret },
		{ "ENVID", OFFER_DSN, false, set_envid }, { "AUTH", 0, false, set_auth },
		{ "REQUIRETLS", OFFER_REQUIRETLS, true, set_requiretls },
	};

	s->envelope.flags = 0;
	s->envelope.ret = DSN_RET_DEFAULT;
	s->envelope.envid = STR_EMPTY;
	s->declared_size = 0;
	return params.n > 0 ? take_params(s, params, rows, COUNT(rows)) : NULL;
}

const char *server_rcpt_params(struct smtp_server *s, struct str params)
{
	static const struct param_row rows[] = {
		{ "NOTIFY", OFFER_DSN, false, set_notify }, { "ORCPT", OFFER_DSN, false, set_orcpt },
	};

	s->rcpt_notify = DSN_NOTIFY_DEFAULT;
	s->rcpt_orcpt = STR_EMPTY;
	return params.n > 0 ? take_params(s, params, rows, COUNT(rows)) : NULL;
}
