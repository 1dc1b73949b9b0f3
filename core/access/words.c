/* words - the table of restrictions: name, argument, what it asks. A new word is one row here and one function. What has no function
 * is known, so that its argument is not taken for a word, and refused at the start. */
#include "core/access/access_private.h"

static enum access_says permit(struct access_run *r, const struct access_row *row)
{
	(void)r;
	(void)row;
	return ACCESS_PERMIT;
}

static enum access_says pass(struct access_run *r, const struct access_row *row)
{
	(void)r;
	(void)row;
	return ACCESS_NEXT;
}

static enum access_says reject(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return access_refuse(r, ACCESS_WHO_STAGE, (int)r->request->conf->reject_code, "5.7.1", "Access denied");
}

static enum access_says defer(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return access_refuse(r, ACCESS_WHO_STAGE, (int)r->request->conf->defer_code, "4.3.2", "Try again later");
}

static enum access_says defer_if_permit(struct access_run *r, const struct access_row *row)
{
	(void)row;
	access_refuse(r, ACCESS_WHO_STAGE, 450, "4.7.0", "defer_if_permit requested");
	return access_put_off(r, "");
}

static enum access_says defer_if_reject(struct access_run *r, const struct access_row *row)
{
	(void)row;
	access_refuse(r, ACCESS_WHO_STAGE, 450, "4.7.0", "defer_if_reject requested");
	return access_keep(r, &r->if_reject);
}

static enum access_says class(struct access_run *r, const struct access_row *row)
{
	return access_call(r, row->list);
}

const struct access_word access_word_class = { "class", ACCESS_NO_ARGUMENT, 0, .judge = class };

static const struct access_word words[] = {
	{ "permit", ACCESS_NO_ARGUMENT, ACCESS_ENDS, .judge = permit },
	{ "reject", ACCESS_NO_ARGUMENT, ACCESS_CLOSES | ACCESS_ENDS, .judge = reject },
	{ "defer", ACCESS_NO_ARGUMENT, ACCESS_CLOSES | ACCESS_ENDS, .judge = defer },
	{ "warn_if_reject", ACCESS_NO_ARGUMENT, ACCESS_WARNS, .judge = pass },
	{ "defer_if_permit", ACCESS_NO_ARGUMENT, ACCESS_CLOSES, .judge = defer_if_permit },
	{ "defer_if_reject", ACCESS_NO_ARGUMENT, 0, .judge = defer_if_reject },

	/* the client */
	{ "permit_mynetworks", ACCESS_NO_ARGUMENT, 0, .judge = access_permit_mynetworks },
	{ "permit_inet_interfaces", ACCESS_NO_ARGUMENT, 0, .judge = access_permit_inet_interfaces },
	{ "permit_sasl_authenticated", ACCESS_NO_ARGUMENT, 0, .judge = access_permit_sasl },
	{ "reject_unknown_client_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_unknown_client },
	{ "reject_unknown_client", ACCESS_NO_ARGUMENT, 0, .judge = access_unknown_client },
	{ "reject_unknown_reverse_client_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_unknown_reverse },
	{ "reject_plaintext_session", ACCESS_NO_ARGUMENT, 0, .judge = access_plaintext },
	{ "reject_unauth_pipelining", ACCESS_NO_ARGUMENT, 0, .judge = access_pipelining },
	{ "check_client_access", ACCESS_TABLE, 0, .judge = access_check_client },
	{ "reject_rbl_client", ACCESS_ZONE, 0, .judge = access_rbl_client, .answered = access_listed },
	{ "permit_dnswl_client", ACCESS_ZONE, 0, .judge = access_dnswl_client, .answered = access_list_permits },
	{ "reject_rhsbl_client", ACCESS_ZONE, 0, .judge = access_rhsbl, .answered = access_listed, .who = ACCESS_WHO_CLIENT },

	/* its name */
	{ "reject_invalid_helo_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_invalid_helo },
	{ "reject_invalid_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_invalid_helo },
	{ "reject_non_fqdn_helo_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_non_fqdn_helo },
	{ "reject_non_fqdn_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_non_fqdn_helo },
	{ "reject_unknown_helo_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_unknown_helo, .answered = access_helo_answered },
	{ "reject_unknown_hostname", ACCESS_NO_ARGUMENT, 0, .judge = access_unknown_helo, .answered = access_helo_answered },
	{ "permit_naked_ip_address", ACCESS_NO_ARGUMENT, 0, .judge = access_naked_ip },
	{ "check_helo_access", ACCESS_TABLE, 0, .judge = access_check_helo },
	{ "reject_rhsbl_helo", ACCESS_ZONE, 0, .judge = access_rhsbl, .answered = access_listed, .who = ACCESS_WHO_HELO },

	/* the sender */
	{ "reject_non_fqdn_sender", ACCESS_NO_ARGUMENT, 0, .judge = access_non_fqdn_sender },
	{ "reject_unknown_sender_domain", ACCESS_NO_ARGUMENT, 0, .judge = access_unknown_sender_domain, .answered = access_sender_domain_answered },
	{ "reject_unlisted_sender", ACCESS_NO_ARGUMENT, 0, .judge = access_unlisted_sender },
	{ "reject_unverified_sender", ACCESS_NO_ARGUMENT, 0, .judge = access_unverified_sender, .answered = access_sender_verified },
	{ "check_sender_access", ACCESS_TABLE, 0, .judge = access_check_sender },
	{ "reject_rhsbl_sender", ACCESS_ZONE, 0, .judge = access_rhsbl, .answered = access_listed, .who = ACCESS_WHO_SENDER },
	{ "reject_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, .judge = access_login_mismatch },
	{ "reject_authenticated_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, .judge = access_user_mismatch },
	{ "reject_unauthenticated_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, .judge = access_stranger_mismatch },
	{ "reject_known_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, .judge = access_known_mismatch },

	/* the recipient */
	{ "permit_auth_destination", ACCESS_NO_ARGUMENT, 0, .judge = access_auth_destination },
	{ "reject_unauth_destination", ACCESS_NO_ARGUMENT, ACCESS_CLOSES, .judge = access_unauth_reject },
	{ "defer_unauth_destination", ACCESS_NO_ARGUMENT, ACCESS_CLOSES, .judge = access_unauth_defer },
	{ "reject_non_fqdn_recipient", ACCESS_NO_ARGUMENT, 0, .judge = access_non_fqdn_recipient },
	{ "reject_unknown_recipient_domain", ACCESS_NO_ARGUMENT, 0, .judge = access_unknown_recipient_domain, .answered = access_recipient_domain_answered },
	{ "reject_unlisted_recipient", ACCESS_NO_ARGUMENT, 0, .judge = access_unlisted_recipient },
	{ "check_recipient_maps", ACCESS_NO_ARGUMENT, 0, .judge = access_unlisted_recipient },
	{ "reject_unverified_recipient", ACCESS_NO_ARGUMENT, ACCESS_KNOWS, .judge = access_unverified_recipient, .answered = access_recipient_verified },
	{ "reject_multi_recipient_bounce", ACCESS_NO_ARGUMENT, 0, .judge = access_many_recipients },
	{ "check_recipient_access", ACCESS_TABLE, ACCESS_KNOWS, .judge = access_check_recipient },
	{ "reject_rhsbl_recipient", ACCESS_ZONE, 0, .judge = access_rhsbl, .answered = access_listed, .who = ACCESS_WHO_RECIPIENT },
	{ "check_etrn_access", ACCESS_TABLE, 0, .judge = access_check_etrn },

	/* hosts of what the client says it is */
#define HOSTS(name, of) \
	{ "check_" name "_a_access", ACCESS_TABLE, 0, .judge = access_check_hosts, .answered = access_hosts_answered, .who = of, .hosts = ACCESS_HOSTS_A }, \
	{ "check_" name "_mx_access", ACCESS_TABLE, 0, .judge = access_check_hosts, .answered = access_hosts_answered, .who = of, .hosts = ACCESS_HOSTS_MX }, \
	{ "check_" name "_ns_access", ACCESS_TABLE, 0, .judge = access_check_hosts, .answered = access_hosts_answered, .who = of, .hosts = ACCESS_HOSTS_NS },
	HOSTS("client", ACCESS_WHO_CLIENT)
	HOSTS("reverse_client_hostname", ACCESS_WHO_REVERSE)
	HOSTS("helo", ACCESS_WHO_HELO)
	HOSTS("sender", ACCESS_WHO_SENDER)
	HOSTS("recipient", ACCESS_WHO_RECIPIENT)
	{ "check_reverse_client_hostname_access", ACCESS_TABLE, 0, .judge = access_check_reverse, .who = ACCESS_WHO_REVERSE },
	{ "reject_rhsbl_reverse_client", ACCESS_ZONE, 0, .judge = access_rhsbl, .answered = access_listed, .who = ACCESS_WHO_REVERSE },
	{ "permit_rhswl_client", ACCESS_ZONE, 0, .judge = access_rhsbl, .answered = access_list_permits, .who = ACCESS_WHO_CLIENT },
	{ "permit_mx_backup", ACCESS_NO_ARGUMENT, 0, .judge = access_mx_backup, .answered = access_mx_backup_answered, .hosts = ACCESS_HOSTS_MX },

	/* logins and certificates: who has none is passed by, as in Postfix */
	{ "check_sasl_access", ACCESS_TABLE, 0, .judge = access_check_login },
	{ "check_ccert_access", ACCESS_TABLE, ACCESS_CERTS, .judge = access_check_ccert, .note = "no client is asked for a certificate, so this list "
		"finds none: set smtpd_tls_ask_ccert = yes" },
	{ "permit_tls_clientcerts", ACCESS_NO_ARGUMENT, ACCESS_CERTS, .judge = access_permit_ccert, .note = "no client is asked for a certificate, so "
		"nobody is let in by one: set smtpd_tls_ask_ccert = yes" },
	{ "permit_tls_all_clientcerts", ACCESS_NO_ARGUMENT, ACCESS_CERTS, .judge = access_permit_all_ccerts, .note = "no client is asked for a "
		"certificate, so nobody is let in by one: set smtpd_tls_ask_ccert = yes" },

	{ "sleep", ACCESS_SECONDS, 0, .judge = access_sleep, .answered = access_slept },
	/* old words */
	{ "reject_maps_rbl", ACCESS_NO_ARGUMENT, ACCESS_OLD_LISTS, .judge = pass },
	{ "check_relay_domains", ACCESS_NO_ARGUMENT, ACCESS_CLOSES | ACCESS_ENDS, .judge = access_relay_domains },

	/* known, and not done */
	{ "check_policy_service", ACCESS_TEXT, 0, .note = "policy services are not asked: let another server ask it, or use "
		"reject_rbl_client and check_*_access in its place" },
};

const struct access_word *access_word_find(struct str name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieq(name, str_of(words[i].name)))
			return &words[i];
	return NULL;
}

const char *access_word_nearest(struct str name)
{
	const char *best = NULL;
	unsigned least = 2 + (unsigned)(name.n / 6);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && least; i++) {
		unsigned d = conf_distance(name, str_of(words[i].name), least - 1);

		if (d < least) {
			least = d;
			best = words[i].name;
		}
	}
	return best;
}

const struct access_word *access_word_of_table(enum access_stage stage)
{
	static const char *const names[ACCESS_STAGES] = {
		[ACCESS_CLIENT] = "check_client_access", [ACCESS_HELO] = "check_helo_access", [ACCESS_SENDER] = "check_sender_access",
		[ACCESS_RELAY] = "check_recipient_access", [ACCESS_RECIPIENT] = "check_recipient_access", [ACCESS_ETRN] = "check_etrn_access",
	};

	return names[stage] ? access_word_find(str_of(names[stage])) : NULL;
}
