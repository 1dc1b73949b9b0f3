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

const struct access_word access_word_class = { "class", ACCESS_NO_ARGUMENT, 0, class, NULL };

static const struct access_word words[] = {
	{ "permit", ACCESS_NO_ARGUMENT, ACCESS_ENDS, permit, NULL },
	{ "reject", ACCESS_NO_ARGUMENT, ACCESS_CLOSES | ACCESS_ENDS, reject, NULL },
	{ "defer", ACCESS_NO_ARGUMENT, ACCESS_CLOSES | ACCESS_ENDS, defer, NULL },
	{ "warn_if_reject", ACCESS_NO_ARGUMENT, ACCESS_WARNS, pass, NULL },
	{ "defer_if_permit", ACCESS_NO_ARGUMENT, ACCESS_CLOSES, defer_if_permit, NULL },
	{ "defer_if_reject", ACCESS_NO_ARGUMENT, 0, defer_if_reject, NULL },

	/* the client */
	{ "permit_mynetworks", ACCESS_NO_ARGUMENT, 0, access_permit_mynetworks, NULL },
	{ "permit_inet_interfaces", ACCESS_NO_ARGUMENT, 0, access_permit_inet_interfaces, NULL },
	{ "permit_sasl_authenticated", ACCESS_NO_ARGUMENT, 0, access_permit_sasl, NULL },
	{ "reject_unknown_client_hostname", ACCESS_NO_ARGUMENT, 0, access_unknown_client, NULL },
	{ "reject_unknown_client", ACCESS_NO_ARGUMENT, 0, access_unknown_client, NULL },
	{ "reject_unknown_reverse_client_hostname", ACCESS_NO_ARGUMENT, 0, access_unknown_reverse, NULL },
	{ "reject_plaintext_session", ACCESS_NO_ARGUMENT, 0, access_plaintext, NULL },
	{ "reject_unauth_pipelining", ACCESS_NO_ARGUMENT, 0, access_pipelining, NULL },
	{ "check_client_access", ACCESS_TABLE, 0, access_check_client, NULL },
	{ "reject_rbl_client", ACCESS_ZONE, 0, access_rbl_client, access_listed },
	{ "permit_dnswl_client", ACCESS_ZONE, 0, access_dnswl_client, access_list_permits },
	{ "reject_rhsbl_client", ACCESS_ZONE, 0, access_rhsbl_client, access_listed },

	/* its name */
	{ "reject_invalid_helo_hostname", ACCESS_NO_ARGUMENT, 0, access_invalid_helo, NULL },
	{ "reject_invalid_hostname", ACCESS_NO_ARGUMENT, 0, access_invalid_helo, NULL },
	{ "reject_non_fqdn_helo_hostname", ACCESS_NO_ARGUMENT, 0, access_non_fqdn_helo, NULL },
	{ "reject_non_fqdn_hostname", ACCESS_NO_ARGUMENT, 0, access_non_fqdn_helo, NULL },
	{ "reject_unknown_helo_hostname", ACCESS_NO_ARGUMENT, 0, access_unknown_helo, access_helo_answered },
	{ "reject_unknown_hostname", ACCESS_NO_ARGUMENT, 0, access_unknown_helo, access_helo_answered },
	{ "permit_naked_ip_address", ACCESS_NO_ARGUMENT, 0, access_naked_ip, NULL },
	{ "check_helo_access", ACCESS_TABLE, 0, access_check_helo, NULL },
	{ "reject_rhsbl_helo", ACCESS_ZONE, 0, access_rhsbl_helo, access_listed },

	/* the sender */
	{ "reject_non_fqdn_sender", ACCESS_NO_ARGUMENT, 0, access_non_fqdn_sender, NULL },
	{ "reject_unknown_sender_domain", ACCESS_NO_ARGUMENT, 0, access_unknown_sender_domain, access_sender_domain_answered },
	{ "reject_unlisted_sender", ACCESS_NO_ARGUMENT, 0, access_unlisted_sender, NULL },
	{ "reject_unverified_sender", ACCESS_NO_ARGUMENT, 0, access_unverified_sender, access_sender_verified },
	{ "check_sender_access", ACCESS_TABLE, 0, access_check_sender, NULL },
	{ "reject_rhsbl_sender", ACCESS_ZONE, 0, access_rhsbl_sender, access_listed },
	/* nobody logs in, and smtpd_sender_login_maps stops the start: no sender has an owner who must */
	{ "reject_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, pass, NULL },
	{ "reject_authenticated_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, pass, NULL },
	{ "reject_unauthenticated_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, pass, NULL },
	{ "reject_known_sender_login_mismatch", ACCESS_NO_ARGUMENT, 0, pass, NULL },

	/* the recipient */
	{ "permit_auth_destination", ACCESS_NO_ARGUMENT, 0, access_auth_destination, NULL },
	{ "reject_unauth_destination", ACCESS_NO_ARGUMENT, ACCESS_CLOSES, access_unauth_reject, NULL },
	{ "defer_unauth_destination", ACCESS_NO_ARGUMENT, ACCESS_CLOSES, access_unauth_defer, NULL },
	{ "reject_non_fqdn_recipient", ACCESS_NO_ARGUMENT, 0, access_non_fqdn_recipient, NULL },
	{ "reject_unknown_recipient_domain", ACCESS_NO_ARGUMENT, 0, access_unknown_recipient_domain, access_recipient_domain_answered },
	{ "reject_unlisted_recipient", ACCESS_NO_ARGUMENT, 0, access_unlisted_recipient, NULL },
	{ "check_recipient_maps", ACCESS_NO_ARGUMENT, 0, access_unlisted_recipient, NULL },
	{ "reject_unverified_recipient", ACCESS_NO_ARGUMENT, ACCESS_KNOWS, access_unverified_recipient, access_recipient_verified },
	{ "reject_multi_recipient_bounce", ACCESS_NO_ARGUMENT, 0, access_many_recipients, NULL },
	{ "check_recipient_access", ACCESS_TABLE, ACCESS_KNOWS, access_check_recipient, NULL },
	{ "reject_rhsbl_recipient", ACCESS_ZONE, 0, access_rhsbl_recipient, access_listed },
	{ "check_etrn_access", ACCESS_TABLE, 0, access_check_etrn, NULL },

	/* known, and not done */
	{ "check_policy_service", ACCESS_TEXT, 0, NULL, NULL },
	{ "check_client_a_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_client_mx_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_client_ns_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_reverse_client_hostname_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_reverse_client_hostname_a_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_reverse_client_hostname_mx_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_reverse_client_hostname_ns_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_helo_a_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_helo_mx_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_helo_ns_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_sender_a_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_sender_mx_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_sender_ns_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_recipient_a_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_recipient_mx_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_recipient_ns_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_ccert_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "check_sasl_access", ACCESS_TABLE, 0, NULL, NULL },
	{ "permit_tls_clientcerts", ACCESS_NO_ARGUMENT, 0, NULL, NULL },
	{ "permit_tls_all_clientcerts", ACCESS_NO_ARGUMENT, 0, NULL, NULL },
	{ "permit_mx_backup", ACCESS_NO_ARGUMENT, 0, NULL, NULL },
	{ "permit_rhswl_client", ACCESS_ZONE, 0, NULL, NULL },
	{ "reject_rhsbl_reverse_client", ACCESS_ZONE, 0, NULL, NULL },
	{ "reject_unknown_forward_client_hostname", ACCESS_NO_ARGUMENT, 0, NULL, NULL },
	{ "reject_maps_rbl", ACCESS_NO_ARGUMENT, 0, NULL, NULL },
	{ "check_relay_domains", ACCESS_NO_ARGUMENT, 0, NULL, NULL },
	{ "sleep", ACCESS_TEXT, 0, NULL, NULL },
};

const struct access_word *access_word_find(struct str name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieq(name, str_of(words[i].name)))
			return &words[i];
	return NULL;
}

const struct access_word *access_word_of_table(enum access_stage stage)
{
	static const char *const names[ACCESS_STAGES] = {
		[ACCESS_CLIENT] = "check_client_access", [ACCESS_HELO] = "check_helo_access", [ACCESS_SENDER] = "check_sender_access",
		[ACCESS_RELAY] = "check_recipient_access", [ACCESS_RECIPIENT] = "check_recipient_access", [ACCESS_ETRN] = "check_etrn_access",
	};

	return names[stage] ? access_word_find(str_of(names[stage])) : NULL;
}
