/* control_adopt - a whole message for the queue, as it lay in another one: its envelope is taken as it is, its content is not touched.
 * Root's and our own word is enough for that. The answer, with its queue id, comes once the message is durable. */
#include <errno.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/control_private.h"
#include "core/view/give.h"

/* what comes next: the parts in their order, and nothing behind them */
enum part { PART_ENVELOPE, PART_HEADER, PART_BODY, PARTS };
struct intake {
	struct peer *peer;             /* NULL: it went; what is being committed is kept all the same */
	struct relay *relay;
	struct arena arena;
	struct buf envelope, header;   /* text, as it came */
	uint64_t left[PARTS];
	unsigned flags;
	char origin[GIVE_ORIGIN];
	struct store_writer *writer;   /* NULL: not begun, or committed */
	struct envelope e;
	struct qmsg *message;
};

static void intake_free(struct intake *in)
{
	if (in->peer)
		in->peer->intake = NULL;
	if (in->writer)
		store_abort(in->writer);
	buf_fini(&in->envelope);
	buf_fini(&in->header);
	arena_fini(&in->arena);
	mem_free(in);
}

/* tell - the answer, and the end */
static void tell(struct intake *in, const char *problem)
{
	struct peer *p = in->peer;

	intake_free(in);
	if (!p)
		return;
	control_finish(p, problem);
	/* else its event goes on with that */
	if (!p->running)
		control_send(p);
}

static void succeed(struct intake *in)
{
	struct qmsg *m = in->message;
	char qid[QID_MAX];

	qid_format(qid, m->id);
	log_text(LOG_SEV_INFO, "pickup", 0, qid, "adopted: was %s", in->origin);
	if (in->peer)
		buf_printf(&in->peer->conn->out, "+%s\n", qid);
	schedule_add(in->relay->schedule, m, true);
	tell(in, NULL);
}

static void on_flags(void *ctx, struct qmsg *m, int error)
{
	(void)m;
	(void)error;                   /* then the store is broken, and says so */
	succeed(ctx);
}

/* keep_flags - what the other queue's owner wanted of it is in the store before the other queue is told to forget it */
static bool keep_flags(struct intake *in)
{
	struct rcpt_state *states;

	if (!in->flags)
		return false;
	in->message->flags |= in->flags;
	return store_states(in->relay->store, in->message, &in->arena, &states) == 0 &&
	       store_update(in->relay->store, in->message, states, 0, on_flags, in) == 0;
}

static void on_committed(void *ctx, struct qmsg *m, int error)
{
	struct intake *in = ctx;

	if (!m) {
		tell(in, strerror(error));
		return;
	}
	in->message = m;
	in->relay->counts.mail[0]++;
	if (!keep_flags(in))
		succeed(in);
}

static const char *begin(struct intake *in)
{
	uint64_t id;

	if (!envelope_parse(&in->arena, buf_view(&in->envelope), &in->e) || !in->e.n_rcpts)
		return "the envelope cannot be read";
	if (in->e.unknown.n)
		return "the envelope has a field that this version of relaybox does not know";
	if (in->flags & QMSG_HOLD)
		in->e.flags |= ENVELOPE_HOLD;
	if (store_is_broken(in->relay->store))
		return "a flush of the queue failed: restart relayd after the disk is well";
	if (!store_has_room(in->relay->store, in->left[PART_BODY]) || !(in->writer = store_begin(in->relay->store, &id)))
		return strerror(errno);
	return NULL;
}

static void commit(struct intake *in)
{
	struct store_writer *w = in->writer;

	in->writer = NULL;
	in->peer->more = NULL;
	conn_deadline(in->peer->conn, USEC_NEVER);
	store_commit(w, &in->e, buf_view(&in->header), on_committed, in);
}

/* take_some - what there is of the next part; false: nothing more can be done now, or it is over */
static bool take_some(struct intake *in)
{
	struct buf *from = &in->peer->conn->in;
	enum part part = PART_ENVELOPE;
	struct str piece;
	const char *no;
	bool good = true;

	while (part < PARTS && !in->left[part])
		part++;
	if (part == PARTS) {
		commit(in);
		return false;
	}
	piece = str_head(buf_view(from), in->left[part] < from->n ? (size_t)in->left[part] : from->n);
	if (!piece.n)
		return false;
	if (part == PART_BODY)
		good = store_add(in->writer, piece) == 0;
	else
		good = buf_str(part == PART_HEADER ? &in->header : &in->envelope, piece);
	in->left[part] -= piece.n;
	buf_consume(from, piece.n);
	if (good && (part != PART_ENVELOPE || in->left[part]))
		return true;
	no = good ? begin(in) : strerror(errno);
	if (no)
		tell(in, no);
	return !no;
}

static void more(struct peer *p)
{
	/* it goes on as long as something comes */
	conn_deadline(p->conn, loop_now(p->relay->loop) + CONTROL_ANSWER_TIME);
	p->running = true;
	while (p->intake && take_some(p->intake))
		;
	p->running = false;
}

void control_adopt_gone(struct peer *p)
{
	if (!p->intake)
		return;
	p->intake->peer = NULL;
	/* a commit under way has the rest */
	if (p->more)
		intake_free(p->intake);
	p->intake = NULL;
}

void control_adopt(struct peer *p, struct str args)
{
	struct intake *in = MEM_NEW(struct intake);
	struct str word;
	uint64_t flags = 0;
	bool good = true;

	in->peer = p;
	in->relay = p->relay;
	p->intake = in;
	arena_init(&in->arena, 4 * (size_t)LIMIT_STORE_ENVELOPE);
	buf_init(&in->envelope, LIMIT_STORE_ENVELOPE);
	buf_init(&in->header, LIMIT_GIVE_HEADER);
	for (int i = 0; i < PARTS; i++)
		good &= str_word(&args, " ", &word) && str_to_u64(word, &in->left[i]);
	good &= str_word(&args, " ", &word) && str_to_u64(word, &flags) && in->left[PART_ENVELOPE];
	in->flags = (unsigned)flags & (QMSG_HOLD | QMSG_EXPIRE | QMSG_WARNED);
	snprintf(in->origin, sizeof(in->origin), "%.*s", STR_ARG(str_trim(args)));
	if (!good || in->left[PART_ENVELOPE] > LIMIT_STORE_ENVELOPE || in->left[PART_HEADER] > LIMIT_GIVE_HEADER) {
		intake_free(in);
		control_finish(p, good ? "the message is larger than this version of relaybox takes" : "wrong request");
		return;
	}
	p->conn->in.max = LIMIT_SESSION_INPUT;
	p->more = more;
}
