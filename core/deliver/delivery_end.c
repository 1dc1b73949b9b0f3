/* delivery_end - a delivery whose recipients all have answers goes back to who gave it. */
#include "core/deliver/deliver_private.h"

void deliver_qid(const struct delivery *job, char out[QID_MAX])
{
	qid_format(out, job->msg->id);
}

void deliver_finish(struct deliver *d, struct delivery *job, struct delivery_facts *f)
{
	char qid[QID_MAX];

	deliver_qid(job, qid);
	f->qid = qid;
	f->now = loop_wall(d->o.loop);
	f->soft_bounce = d->o.conf->soft_bounce || job->dest->soft;
	if (!d->o.silent)
		delivery_log(job, f);
	d->o.done(d->o.ctx, job);
}
