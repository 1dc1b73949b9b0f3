/* device - see device.h. */
#include "core/oauth/device.h"

#include "core/base/json_read.h"
#include "core/base/limits.h"

#define INTERVAL (5 * USEC_PER_SEC)            /* where none is said, and what each slow_down adds */

static void on_member(void *ctx, const struct json_member *m)
{
	struct oauth_device *d = ctx;
	const struct { const char *name; struct str *to; } texts[] = {
		{ "device_code", &d->device_code }, { "user_code", &d->user_code }, { "verification_uri", &d->url },
		{ "verification_url", &d->url } /* what Google called it before the standard */, { "verification_uri_complete", &d->url_complete },
	};
	const struct { const char *name; usec *to, most; } times[] = {
		{ "expires_in", &d->lives, LIMIT_OAUTH_DEVICE }, { "interval", &d->interval, LIMIT_OAUTH_INTERVAL },
	};
	uint64_t seconds;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (m->kind == JSON_STRING && str_eq(m->name, str_of(texts[i].name)))
			*texts[i].to = m->value;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (m->kind <= JSON_NUMBER && str_eq(m->name, str_of(times[i].name)) && str_to_u64(m->value, &seconds))
			*times[i].to = (seconds < (uint64_t)times[i].most ? (usec)seconds : times[i].most) * USEC_PER_SEC;
}

bool device_hear(struct str json, struct arena *a, struct oauth_device *out)
{
	*out = (struct oauth_device){ .lives = LIMIT_OAUTH_DEVICE * USEC_PER_SEC, .interval = INTERVAL };
	if (!json_read_object(json, a, on_member, out))
		return false;
	if (out->interval < USEC_PER_SEC)
		out->interval = USEC_PER_SEC;
	return out->device_code.n && out->user_code.n && out->url.n;
}

void device_ask(const struct oauth_device *d, struct str client_id, struct str client_secret, struct buf *form)
{
	credential_put(form, "grant_type", STR("urn:ietf:params:oauth:grant-type:device_code"));
	credential_put(form, "client_id", client_id);
	credential_put(form, "client_secret", client_secret);
	credential_put(form, "device_code", d->device_code);
}

bool device_waits(struct str error, usec *interval)
{
	if (str_eq(error, STR("slow_down"))) {
		*interval += INTERVAL;
		return true;
	}
	return str_eq(error, STR("authorization_pending"));
}
