/* admission - see admission.h. As long as there are places, none of this costs more than places_look. */
#include "core/daemon/admission.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/limit_hit.h"
#include "core/daemon/places.h"
#include "core/daemon/pressure.h"
#include "core/daemon/session.h"
#include "core/daemon/web.h"

#define FULL_WARNING (60 * USEC_PER_SEC)   /* between two lines about a limit that is reached */
#define CALM (10 * USEC_PER_SEC)           /* stress ends when nobody had to do without for so long */

struct waiting {
	struct list link;
	int fd;
	bool own;
	struct client *client;
};

/* is_own - behind a balancer that is the balancer, until its header tells of whom */
static bool is_own(const struct service *v, const struct ipaddr *a)
{
	struct match *m = v->proxy ? v->proxy_networks : v->mynetworks;

	return m && match_address(m, a) == MAP_FOUND;
}

/* --- stress ----------------------------------------------------------------------------------------------------------- */

static void set_stress(struct relay *r, const struct service *v, bool on)
{
	v->load->stress = on;
	log_info("master", "service on port %u: stress mode %s", v->port, on ? "on" : "off");
	session_stress(r, v->load);
}

static void someone_does_without(struct relay *r, const struct service *v)
{
	struct service_load *load = v->load;
	usec now = loop_now(r->loop);

	load->full_at = now;
	if (!load->stress)
		set_stress(r, v, true);
	if (load->warned && now - load->warned <= FULL_WARNING)
		return;
	load->warned = now;
	if (v->max_sessions && !pressure_is_on(r))
		log_warn("master", "service on port %u has reached its process limit \"%lld\": new clients may experience noticeable delays; "
			"raise its maxproc in master.cf, or default_process_limit", v->port, (long long)v->max_sessions);
	else if (pressure_is_on(r))
		log_warn("master", "memory_limit: %zu bytes are held and %zu may be: clients are turned away", pressure_used(r), r->memory_limit);
	else
		log_warn("master", "service on port %u: %zu sessions are all that this process may have: clients are turned away; "
			"raise its limit of open files (ulimit -n)", v->port, r->max_sessions);
}

static bool is_calm(const struct relay *r, const struct service *v)
{
	return loop_now(r->loop) - v->load->full_at >= CALM && !v->load->n_waiting && r->n_sessions <= r->max_sessions / 2 &&
	       (!v->max_sessions || v->load->sessions <= v->max_sessions / 2);
}

/* --- who waits -------------------------------------------------------------------------------------------------------- */

static void turn_away(int fd, const struct service *v)
{
	char text[300];
	int n;

	limit_hit(LIMIT_HIT_SESSIONS);
	n = snprintf(text, sizeof(text), "421 4.3.2 %s Error: too many connections, try again later\r\n", v->smtp.hostname);

	if (n > 0 && n < (int)sizeof(text))
		(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void leave(struct relay *r, const struct service *v, struct waiting *w)
{
	list_remove(&w->link);
	v->load->n_waiting--;
	r->n_waiting--;
	clients_leave(w->client);
	mem_free(w);
}

/* let_wait - false: this client, or all, have enough that wait */
static bool let_wait(struct relay *r, const struct service *v, int fd, bool own, const struct ipaddr *address)
{
	int64_t most = v->conf->smtpd_client_connection_count_limit;
	struct waiting *w;

	if (r->n_waiting >= LIMIT_SESSIONS_WAITING)
		return false;
	w = MEM_NEW(struct waiting);
	*w = (struct waiting){ .fd = fd, .own = own, .client = clients_enter(&r->clients, address, service_prefix(v, address)) };
	if (!own && most && w->client->connections > (unsigned)most) {
		clients_leave(w->client);
		mem_free(w);
		return false;
	}
	if (own)
		list_push(&v->load->waiting, &w->link);
	else
		list_append(&v->load->waiting, &w->link);
	v->load->n_waiting++;
	r->n_waiting++;
	return true;
}

/* send_away - all that wait there */
static void send_away(struct relay *r, const struct service *v)
{
	LIST_EACH(&v->load->waiting, it, tmp) {
		struct waiting *w = LIST_ITEM(it, struct waiting, link);

		turn_away(w->fd, v);
		leave(r, v, w);
	}
}

/* seat - those that wait at this listener, as far as places go */
static void seat(struct relay *r, const struct service *v)
{
	struct list *first;

	while ((first = list_first(&v->load->waiting)) != NULL) {
		struct waiting *w = LIST_ITEM(first, struct waiting, link);
		int fd = w->fd;

		if (places_look(r, v, w->own) != PLACE_FREE)
			return;
		leave(r, v, w);
		session_open(r, v, fd, -1);
	}
}

static bool is_there(const struct settings *s, const struct service_load *load)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (s->services[i].load == load)
			return true;
	return false;
}

void admission_move(struct relay *r, const struct settings *before)
{
	for (size_t i = 0; i < before->n_services; i++)
		if (!is_there(r->settings, before->services[i].load))
			send_away(r, &before->services[i]);
}

static void on_places(struct loop_task *t)
{
	struct relay *r = LIST_ITEM(t, struct relay, places);

	for (size_t i = 0; i < r->settings->n_services; i++)
		if (r->stopping)
			send_away(r, &r->settings->services[i]);
		else
			seat(r, &r->settings->services[i]);
}

void admission_look(struct relay *r)
{
	for (size_t i = 0; i < r->settings->n_services; i++) {
		const struct service *v = &r->settings->services[i];

		if (v->load->stress && is_calm(r, v))
			set_stress(r, v, false);
	}
	if (r->n_waiting)
		loop_defer(r->loop, &r->places);
}

void admission_init(struct relay *r)
{
	loop_task_init(&r->places, on_places);
}

/* --- the door --------------------------------------------------------------------------------------------------------- */

static void take_local(struct relay *r, const struct service *v, int fd)
{
	struct ucred u;
	socklen_t n = sizeof(u);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) != 0)
		close(fd);
	else if (places_look(r, v, true) != PLACE_FREE)
		turn_away(fd, v);
	else
		session_open(r, v, fd, (int64_t)u.uid);
}

/* take_crowded - there is no place for a stranger */
static void take_crowded(struct relay *r, const struct service *v, int fd)
{
	struct sockaddr_storage peer;
	socklen_t n = sizeof(peer);
	struct ipaddr address = { 0 };
	enum place place;
	bool own;

	if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0) {
		close(fd);
		return;
	}
	ipaddr_from_sockaddr((struct sockaddr *)&peer, &address);
	own = is_own(v, &address);
	someone_does_without(r, v);
	place = places_look(r, v, own);
	if (place == PLACE_FREE)
		session_open(r, v, fd, -1);
	else if (place == PLACE_NONE || !let_wait(r, v, fd, own, &address))
		turn_away(fd, v);
}

void admission_take(struct relay *r, const struct service *v, int fd, bool local)
{
	if (v->http)
		web_open(r, fd);
	else if (local)
		take_local(r, v, fd);
	else if (places_look(r, v, false) == PLACE_FREE)
		session_open(r, v, fd, -1);
	else
		take_crowded(r, v, fd);
}
