/* device - the words of the device authorization grant (RFC 8628): what the endpoint gives a person to do, and what its answers to the
 * question "has it been done?" mean. Pure; login.h has the exchange. */
#ifndef CORE_OAUTH_DEVICE_H
#define CORE_OAUTH_DEVICE_H

#include "core/oauth/credential.h"

struct oauth_device {                  /* texts live in the arena */
	struct str device_code;        /* a secret */
	struct str user_code, url;     /* what is to be typed, and where */
	struct str url_complete;       /* with the code in it; "" where there is none */
	usec lives, interval;
};
/* device_hear - section 3.2; false: it is none */
bool device_hear(struct str json, struct arena *a, struct oauth_device *out);
/* device_ask - the body of the question, section 3.4 */
void device_ask(const struct oauth_device *d, struct str client_id, struct str client_secret, struct buf *form);
/* device_waits - section 3.5: is this error no end, but says to ask again? *interval grows where it says so */
bool device_waits(struct str error, usec *interval);

#endif
