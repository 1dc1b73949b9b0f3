/* smtp_advice - what a transport's settings contradict: warnings of relayd -t and of every start, if diag takes advice. Nothing else depends on them. */
#ifndef CORE_DELIVER_SMTP_SMTP_ADVICE_H
#define CORE_DELIVER_SMTP_SMTP_ADVICE_H

#include "core/deliver/smtp/smtp_profile.h"

/* smtp_advise - p is whole; the findings name the parameters that its program reads */
void smtp_advise(const struct smtp_profile *p, struct conf_diag *diag);

#endif
