/* without_dkim - in place of core/dkim and what signs on the way out, in builds that leave them out (config.mk): nothing is signed, and the
 * parameters that would ask for it are refused (core/conf/without.c). */
#include "core/deliver/smtp/smtp_sign.h"

struct dkim_keys *dkim_keys_open(const struct dkim_options *o, struct buf *why) { return NULL; }
void dkim_keys_unref(struct dkim_keys *k) { }
bool dkim_keys_for(const struct dkim_keys *k, const struct dkim_key *key, struct str domain) { return false; }
bool dkim_is_domain(struct str s) { return false; }
struct smtp_sign *smtp_sign_new(const struct smtp_sign_options *o) { return NULL; }
void smtp_sign_free(struct smtp_sign *x) { }
void smtp_sign_add(struct smtp_sign *x, struct str piece, bool last) { }
