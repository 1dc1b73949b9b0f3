/* simple - transports whose next hop is the answer: error(8), retry(8), discard(8). What relaybox does not have (pipe,
 * virtual) defers with the reason: a configuration never makes mail bounce. */
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"

struct simple_job {
	struct list link;              /* deliver.simple_jobs */
	struct loop_task task;
	struct deliver *d;
	struct delivery *job;
	const char *service;
};

static const struct simple_program {
	int code;                      /* 0: not one of these */
	char digit;                    /* class of an enhanced code that the text may begin with */
	const char *enhanced, *text;
} programs[MASTER_PROGRAMS] = {
	[MASTER_ERROR] = { 550, '5', "5.0.0", "Address is undeliverable" },
	[MASTER_RETRY] = { 450, '4', "4.0.0", "Address is undeliverable" },
	[MASTER_DISCARD] = { 250, '2', "2.0.0", "discarded" },
};

/* take_enhanced - "5.1.1 text": the code off the front, with the class that counts here */
static struct str take_enhanced(struct str text, char digit, char out[12])
{
	struct str rest = text, word, parts, number;
	uint64_t n;
	unsigned count = 0;

	if (!str_word(&rest, " \t", &word) || word.n > 11 || !ascii_is_one_of(word.p[0], "245"))
		return text;
	parts = word;
	while (str_cut(&parts, '.', &number)) {
		if (!str_to_u64(number, &n) || number.n > 3)
			return text;
		count++;
	}
	if (count != 3)
		return text;
	memcpy(out, word.p, word.n);
	out[word.n] = 0;
	out[0] = digit;
	return str_trim(rest);
}

void simple_answer(const struct master_transport *t, struct str text, struct reply *out)
{
	const struct simple_program *p = &programs[t->program];
	char enhanced[12];

	if (!p->code) {
		reply_set(out, 451, "4.3.5", "transport %s needs the program \"%s\", which relaybox does not have: use lmtp, smtp or local",
			t->name, master_programs[t->program].name);
		return;
	}
	memcpy(enhanced, p->enhanced, sizeof("5.0.0"));
	text = take_enhanced(text, p->digit, enhanced);
	if (!text.n)
		text = str_of(p->text);
	reply_set(out, p->code, enhanced, "%.*s", STR_ARG(text));
}

static void run(struct loop_task *task)
{
	struct simple_job *s = LIST_ITEM(task, struct simple_job, task);
	struct delivery_facts f = { .service = s->service };
	struct deliver *d = s->d;
	struct delivery *job = s->job;

	list_remove(&s->link);
	mem_free(s);
	deliver_finish(d, job, &f);
}

void simple_start(struct deliver *d, struct delivery *job)
{
	struct simple_job *s = MEM_NEW(struct simple_job);
	struct reply r;

	s->d = d;
	s->job = job;
	s->service = master_programs[job->dest->transport->program].name;
	simple_answer(job->dest->transport, str_of(job->dest->nexthop), &r);
	delivery_answer_all(job, &r, "none", "");
	list_append(&d->simple_jobs, &s->link);
	loop_task_init(&s->task, run);
	loop_defer(d->o.loop, &s->task);
}

void simple_free_all(struct deliver *d)
{
	LIST_EACH(&d->simple_jobs, it, tmp) {
		struct simple_job *s = LIST_ITEM(it, struct simple_job, link);

		list_remove(&s->task.link);
		mem_free(s);
	}
	list_init(&d->simple_jobs);
}
