/* mxcheck - what the files of this applet share: the options as values, and running them. */
#ifndef APPLETS_MXCHECK_H
#define APPLETS_MXCHECK_H

#include "core/probe/probe_list.h"

enum mxcheck_form { MXCHECK_TEXT, MXCHECK_JSON, MXCHECK_NAGIOS, MXCHECK_PROMETHEUS };
struct mxcheck {
	struct probe_options opt;
	struct dns_options dns;
	probe_start_fn start;
	char **targets;
	size_t n;
	enum mxcheck_form form;
	const char *output;            /* file, replaced as a whole after each round; NULL: standard output */
	bool quiet, progress;
	usec every;                    /* --watch: time from one round's start to the next; 0: one round */
	uint64_t rounds;               /* 0: until interrupted */
};
/* mxcheck_rounds - look at all targets, again and again where asked; the exit status */
int mxcheck_rounds(struct mxcheck *k);

#endif
