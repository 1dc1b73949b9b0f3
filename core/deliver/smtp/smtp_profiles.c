/* smtp_profiles - the profiles of a configuration's transports: opened together, found by name, refreshed. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_profile.h"

struct deliver_profiles {
	struct list all;               /* struct smtp_profile.link */
};

bool smtp_profile_is(const struct master_transport *t)
{
	return master_programs[t->program].connects;
}

struct deliver_profiles *deliver_profiles_new(const struct master *m, struct conf_diag *diag)
{
	struct deliver_profiles *all = MEM_NEW(struct deliver_profiles);
	size_t errors = diag->errors;

	list_init(&all->all);
	for (size_t i = 0; i < m->n_transports; i++) {
		struct conf_diag found;

		if (!smtp_profile_is(&m->transports[i]))
			continue;
		/* transports without options of their own would say the same again */
		conf_diag_part(&found, diag);
		list_append(&all->all, &smtp_profile_new(&m->transports[i], &found)->link);
		conf_diag_take(diag, &found, m->transports[i].conf);
	}
	if (diag->errors == errors)
		return all;
	deliver_profiles_free(all);
	return NULL;
}

void deliver_profiles_ports(const struct deliver_profiles *p, void (*fn)(void *ctx, uint16_t port), void *ctx)
{
	LIST_EACH(&p->all, it, tmp) {
		const struct smtp_profile *one = LIST_ITEM(it, struct smtp_profile, link);

		for (size_t i = 0; i < one->n_token_ports; i++)
			fn(ctx, one->token_ports[i]);
	}
}

void deliver_profiles_free(struct deliver_profiles *all)
{
	if (!all)
		return;
	LIST_EACH(&all->all, it, tmp) {
		list_remove(it);
		smtp_profile_unref(LIST_ITEM(it, struct smtp_profile, link));
	}
	mem_free(all);
}

/* A destination may still name a transport of the last configuration: its name decides, the new settings count. One that is gone
 * serves this delivery and no other. */
struct smtp_profile *smtp_profile_find(struct deliver *d, const struct master_transport *t)
{
	struct conf_diag diag;
	struct smtp_profile *p;

	LIST_EACH(&d->o.profiles->all, it, tmp) {
		p = LIST_ITEM(it, struct smtp_profile, link);
		if (strcmp(p->transport->name, t->name))
			continue;
		p->refs++;
		return p;
	}
	conf_diag_init(&diag);
	p = smtp_profile_new(t, &diag);
	for (size_t i = 0; i < diag.n; i++)
		log_warn("smtp", "transport %s: %s", t->name, diag.v[i].text);
	conf_diag_fini(&diag);
	return p;
}

struct tls_context *smtp_profile_web(struct deliver *d)
{
	LIST_EACH(&d->o.profiles->all, it, tmp)
		if (LIST_ITEM(it, struct smtp_profile, link)->web)
			return LIST_ITEM(it, struct smtp_profile, link)->web;
	return NULL;
}

void smtp_profile_refresh_all(struct deliver *d)
{
	usec now = loop_now(d->o.loop);

	if (now < d->refresh_at)
		return;
	d->refresh_at = now + USEC_PER_SEC;
	LIST_EACH(&d->o.profiles->all, it, tmp) {
		struct smtp_profile *p = LIST_ITEM(it, struct smtp_profile, link);

		maps_refresh(&p->tls_policy, now);
		maps_refresh(&p->sasl, now);
		maps_refresh(&p->generic.maps, now);
		checks_refresh(p->checks, now);
	}
}
