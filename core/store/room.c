/* room - is there space for one more message, and how much of the volume the log may take. See store_private.h.
 *
 * What was preallocated is ours and counts as room: the rest of the head for mail that goes into the log, spares for all,
 * since they are given back as soon as space is short. As in Postfix, new mail is refused while less than queue_minfree or
 * one and a half times the largest message is free. A volume on which that could hardly ever be (it has less than three times
 * the largest message) keeps a quarter free instead: what is large is refused there when it comes, and small mail has a relay. */
#include <errno.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/store/store_private.h"

enum { SMALL_KEEPS = 4 /* a fourth */ };

/* --- measures: arithmetic only ------------------------------------------------------------------------------------------ */

uint64_t room_segment_size(uint64_t wanted, uint64_t total)
{
	uint64_t share = total / LIMIT_STORE_SEGMENT_SHARE;

	share = share < LIMIT_STORE_SEGMENT_LEAST ? LIMIT_STORE_SEGMENT_LEAST : share;
	return wanted < share ? wanted : share;
}

uint64_t room_to_allocate(uint64_t segment_size, uint64_t free)
{
	uint64_t share = free / LIMIT_STORE_ALLOCATE_SHARE;

	if (free < LIMIT_STORE_ALLOCATE_FROM)
		return 0;
	return segment_size < share ? segment_size : share;
}

bool room_is_small(uint64_t total, uint64_t message_limit)
{
	return total / 3 < message_limit;
}

uint64_t room_to_keep(uint64_t total, uint64_t min_free, uint64_t message_limit)
{
	uint64_t keep = room_is_small(total, message_limit) ? total / SMALL_KEEPS : message_limit + message_limit / 2;

	return keep > min_free ? keep : min_free;
}

/* --- at the start --------------------------------------------------------------------------------------------------------- */

static void warn_if_small(const struct store *s)
{
	const struct store_options *o = &s->o;
	unsigned long long total = s->volume, most = total / 3 / 1000 * 1000;

	if (s->o.read_only)
		return;
	if ((uint64_t)o->min_free >= total)
		log_warn("qmgr", "queue_minfree = %lld is more than the volume of queue_directory has (%llu bytes): no mail is accepted; "
			"set less", (long long)o->min_free, total);
	else if (room_is_small(total, (uint64_t)o->message_limit))
		log_warn("qmgr", "the volume of queue_directory has %llu bytes, too few for message_size_limit = %lld: large messages may be "
			"refused; set message_size_limit = %llu or less, or give it more room", total, (long long)o->message_limit, most);
}

void room_init(struct store *s)
{
	struct fs_space space;

	if (fs_free_space(s->dir, &space) < 0 || !space.total)
		return;
	s->volume = space.total;
	s->o.segment_size = (int64_t)room_segment_size((uint64_t)s->o.segment_size, space.total);
	if (s->o.big_threshold > s->o.segment_size)
		s->o.big_threshold = s->o.segment_size;
	warn_if_small(s);
}

/* --- while it runs --------------------------------------------------------------------------------------------------------- */

static uint64_t in_spares(const struct store *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n_spares; i++)
		n += s->spares[i].bytes;
	return n;
}

static uint64_t in_head(const struct store *s)
{
	const struct segment *g = s->head;
	uint64_t used = g ? g->end + s->gather.n + s->preparing_bytes : 0;

	return g && g->allocated > used ? g->allocated - used : 0;
}

static size_t pending_bytes(const struct store *s)
{
	return s->gather.n + s->preparing_bytes;
}

static bool is_enough(struct store *s, const struct fs_space *space, uint64_t size, uint64_t keep)
{
	uint64_t ours = in_spares(s);

	/* the rest of the head is of no use to a body that goes to a file of its own */
	if (size <= (uint64_t)s->o.big_threshold)
		ours += in_head(s);
	if (space->bytes < keep)
		segment_drop_spares(s);
	return space->bytes + ours >= keep && space->inodes >= LIMIT_STORE_INODES;
}

static uint64_t kept(const struct store *s)
{
	return s->volume ? room_to_keep(s->volume, (uint64_t)s->o.min_free, (uint64_t)s->o.message_limit) : (uint64_t)s->o.min_free;
}

bool store_room(struct store *s, struct store_room *out)
{
	struct fs_space space;

	if (fs_free_space(s->dir, &space) < 0)
		return false;
	*out = (struct store_room){ .bytes = space.bytes + in_spares(s) + in_head(s), .kept = kept(s), .inodes = space.inodes };
	return true;
}

bool store_has_room(struct store *s, uint64_t size)
{
	uint64_t keep = kept(s);
	usec now = clock_mono();
	struct fs_space space;

	if (s->broken) {
		errno = s->broken;
		return false;
	}
	if (pending_bytes(s) > LIMIT_STORE_PENDING) {
		errno = EAGAIN;
		return false;
	}
	if (size + size / 2 > keep)
		keep = size + size / 2;
	if (keep <= LIMIT_STORE_PLENTY && s->room_asked && now < s->room_asked + LIMIT_STORE_PLENTY_HOLDS)
		return true;
	if (fs_free_space(s->dir, &space) < 0)
		return false;
	s->room_asked = space.bytes >= 2 * LIMIT_STORE_PLENTY && space.inodes >= 1024 * (uint64_t)LIMIT_STORE_INODES ? now : 0;
	s->is_short = !is_enough(s, &space, size, keep);
	errno = ENOSPC;
	return !s->is_short;
}
