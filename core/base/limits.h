/* limits - every bound in the program has a name and a reason here. Sizes are bytes unless said.
 * What an administrator may change is a parameter (core/conf/params.def), not a row here. */
#ifndef CORE_BASE_LIMITS_H
#define CORE_BASE_LIMITS_H

#define LIMIT_SMTP_COMMAND 2048          /* a command line with its CRLF: RFC 5321 says 512, extensions add; Postfix: 2048 */
#define LIMIT_GROUP_FILE (64 * 1024)     /* /proc/self/cgroup, and limits in files below /sys/fs/cgroup */
#define LIMIT_SMTP_LONG_LINE (64 * 1024) /* skipped of a command line that is too long; then the session ends */
#define LIMIT_SMTP_DISCARD (256 * 1024 * 1024) /* content of refused messages read for nothing per session; then it ends */
#define LIMIT_SMTP_OVERSHOOT 1000        /* recipients past the limit that are refused but are no errors (Postfix) */
#define LIMIT_SMTP_BLIND_BODY (64 * 1024) /* with CHUNKING, a message up to this is sent before its recipient is answered */
#define LIMIT_SMTP_REPLY_LINE 2048       /* looked at of a reply line from a server: the rest is cut, the code believed */
#define LIMIT_SMTP_REPLY (1024 * 1024)   /* bytes of one reply; more is somebody who never ends */
#define LIMIT_SMTP_AUTH_LINE 512         /* an AUTH command with its CRLF; a longer initial response waits (RFC 4954 section 4) */
#define LIMIT_REPLY_TEXT 1024            /* reply text kept for logs, bounces and the queue */
#define LIMIT_ADDRESS 1024               /* one address, quoted form; RFC 5321 says 64 + 1 + 255, Postfix accepts more */
#define LIMIT_DOMAIN 255                 /* RFC 1035 */
#define LIMIT_HELO 255
#define LIMIT_ENVID 100                  /* RFC 3461 section 4.4 */
#define LIMIT_ATTACHMENT (256 * 1024 * 1024) /* a file that mail takes along; one without an end is refused there */
#define LIMIT_ORCPT 500                  /* RFC 3461 section 4.2 */
#define LIMIT_SESSION_ARENA (512 * 1024) /* one transaction: sender, names, notes, what restrictions need */
#define LIMIT_RECIPIENT (5 * 1024)       /* … and for each recipient that smtpd_recipient_limit allows: address as written, completed, ORCPT */
#define LIMIT_TRANSACTION_MOST (2 * LIMIT_STORE_ENVELOPE) /* … but what no record of the queue could hold is not gathered */
#define LIMIT_DROP_ARENA 16              /* … of a local program: as many times that */
#define LIMIT_SESSIONS_RESERVED_SHARE 10 /* this part of all places is kept for our own clients: mynetworks and local users */
#define LIMIT_SESSIONS_WAITING 1000      /* connections that wait for a place at a listener with a process limit; more are sent away */
#define LIMIT_SUBMIT_SESSIONS 100        /* of one local user at the submit socket; sendmail then leaves mail in maildrop */
#define LIMIT_SESSION_STEP 50           /* commands of a session in one step of the loop; then the others have their turn */
#define LIMIT_SESSION_FAIR (16 * 1024)   /* memory of a session that is never ended for want of memory */
#define LIMIT_CONNECTION_KERNEL (6 * 1024) /* reckoned for what the kernel needs for a connection; control groups count it */
#define LIMIT_SESSION_INPUT (64 * 1024)  /* read ahead per session; a large body costs a read and a write per piece of this size */
#define LIMIT_SESSION_OUTPUT (256 * 1024)/* replies that the peer does not read; then the session ends */
#define LIMIT_HEADER (4 * 1024 * 1024)   /* all header fields of a message, in memory until it is queued; honest mail has a 30th */
#define LIMIT_HEADER_FAIR (128 * 1024)   /* … that no other message is asked about */
#define LIMIT_HEADERS_HELD (64 * 1024 * 1024) /* … of all messages on their way in that have more than that; further ones wait */
#define LIMIT_HEADER_NAME 2048           /* a line without a colon up to there is no field; Postfix: line_length_limit */
#define LIMIT_FORWARD_ARENA (4 * 1024 * 1024) /* addresses of one alias, LIMIT_ALIAS_TARGETS of them at their longest, and their list */
#define LIMIT_NOTICE (4 * 1024 * 1024)   /* what a notice says beside the message that comes back: 500 recipients and replies at their longest */
#define LIMIT_REPORT (50 * 1024)         /* transcript of a session with errors that the postmaster gets; Postfix: 50,000 */
#define LIMIT_REPORT_LINE 900            /* of one line of it */
#define LIMIT_REPORT_PAUSE 1000000       /* microseconds between two of them: a client with a thousand sessions is told of by a few */
#define LIMIT_NOTICE_ROWS 500            /* recipients in one notice; more get several */
#define LIMIT_MESSAGE_RCPTS 100000       /* recipients of one message after expansion, 100 bytes each */
#define LIMIT_RCPT_EXPANSION 1000        /* … that one may become (Postfix: virtual_alias_expansion_limit) */
#define LIMIT_DOWNGRADE_HELD (64 * 1024) /* of a part looked through for 8-bit bytes before it is encoded for safety */
#define LIMIT_CHECK_LOGGED 200           /* of a header field or body line that a check found; Postfix: 200 */
#define LIMIT_CHECK_SENT_LOGGED 60       /* … on its way out; Postfix: 60 */
#define LIMIT_CHECK_BCC 1000             /* recipients that checks add to a message: each is compared with all */
#define LIMIT_CHECK_LINE 2048            /* a longer body line is looked at in pieces; Postfix: line_length_limit */
#define LIMIT_CHECK_SLICE 20000          /* microseconds that checks have a thread of the pool; then whoever waits there is next */
#define LIMIT_CHECK_PIECE (16 * 1024)    /* of content that is looked at line by line on its way out: in lines of nothing 10 ms */
#define LIMIT_CHECK_SIFT 64              /* lines of a message that the loop itself passes by where no rule can match: 0.2 ms with the most rules */
#define LIMIT_MIME_DEPTH 102             /* parts in parts; what is deeper is body (Postfix: mime_nesting_limit of 100, and two) */
#define LIMIT_MIME_FIELD 102400          /* one field, as far as it is looked at (Postfix: header_size_limit) */
#define LIMIT_MIME_BOUNDARY 2048         /* Postfix: mime_boundary_length_limit */
#define LIMIT_SASL_RESPONSE 12288        /* RFC 4954 section 4 */
#define LIMIT_PASSWORD 256                /* of a client that logs in: SHA-crypt's work grows with its square */
#define LIMIT_PASSWORD_ENTRY 512         /* what a table says of it */
#define LIMIT_PASSWORD_ROUNDS 1000000    /* of SHA-crypt and PBKDF2 in such an entry: half a second */
#define LIMIT_PASSWORD_COST 14           /* of bcrypt: a second */
#define LIMIT_SCRAM_NONCE 256            /* a client's half of it; all make 18 to 32 bytes */
#define LIMIT_AUTH_USER 256              /* a login name, as Dovecot or a table has it */
#define LIMIT_AUTH_WHY 200               /* why a login failed, for the reply and the log */
#define LIMIT_AUTH_LINE 8192             /* of an authentication server (Dovecot: AUTH_CLIENT_MAX_LINE_LENGTH) */
#define LIMIT_AUTH_TOLD 5                /* entries of a table of users that the start complains about … */
#define LIMIT_AUTH_LOOKED_AT 10000       /* … of so many that it looks at */
#define LIMIT_JSON_DEPTH 16              /* objects in objects of a JSON text */
#define LIMIT_OAUTH_TEXT (16 * 1024)     /* a credential, a request for a token and its answer: RSA keys and signed tokens are long */
#define LIMIT_OAUTH_WHY 500              /* why there is no token, for the log and the queue */
#define LIMIT_OAUTH_PORTS 8              /* of token endpoints that the sandbox lets pass, for each transport */
#define LIMIT_OAUTH_EXPIRY 253402300800ll /* seconds: the year 10000; later ones are nonsense */
#define LIMIT_OAUTH_DEVICE 1800          /* seconds in which a person has to enter a code: half an hour where more is said, or nothing */
#define LIMIT_OAUTH_INTERVAL 60          /* seconds between two looks whether it has been entered: nobody would wait longer */
#define LIMIT_OAUTH_LIVES (366 * 86400)  /* seconds of a token: a year */
#define LIMIT_CONF_FILE (1024 * 1024)    /* main.cf or master.cf */
#define LIMIT_CONF_VALUE (256 * 1024)    /* one value after expansion */
#define LIMIT_CONF_DEPTH 100             /* nested $name */
#define LIMIT_CONF_STEPS 20000           /* $names replaced for one value */
#define LIMIT_MAP_VALUE (64 * 1024)      /* one lookup result */
#define LIMIT_MAP_TEXT (256 * 1024 * 1024) /* a table loaded as text */
#define LIMIT_MAP_STEPS (4 * 1024 * 1024) /* what all rules of a pcre table may cost for one key: 20 ms or so; Postfix: the match limit of PCRE, for each */
#define LIMIT_REWRITE_STEPS (4 * 1024 * 1024) /* … and for the addresses of a header, or a recipient and what becomes of it: the same once more */
#define LIMIT_REWRITE_ASK 1200           /* … as which an address counts that a table is asked for: six keys */
#define LIMIT_MAP_SIFT 4096              /* rules of a table that are passed by at once; all of a longer one are asked */
#define LIMIT_PATTERN_DEPTH 60           /* groups in groups of one expression */
#define LIMIT_PATTERN_REPEAT 1000        /* {n} in it: each is written out; PCRE: 65535 */
#define LIMIT_PATTERN_TREE (4 * 1024 * 1024) /* one expression while it is read: 30,000 items */
#define LIMIT_PATTERN_STEPS 20000        /* … and as a program, its {n} written out; PCRE: 64 kB */
#define LIMIT_PATTERN_STACK (256 * 1024) /* ways that were left for later in one match */
#define LIMIT_PATTERN_TRIED (64 * 1024 * 1024) /* marks of branches and places: 1,000 branches of a text of LIMIT_MAP_VALUE use 8 MB */
#define LIMIT_CDB_HELD (4 * 1024 * 1024) /* a cdb table up to this that relayd asks often is kept in memory */
#define LIMIT_CDB_RECORD (16 * 1024 * 1024) /* key and value of one cdb record while a table is walked */
#define LIMIT_KEYS_LOOKED_AT 10000      /* keys of a table in which the start looks for those that never match: a millisecond */
#define LIMIT_MAP_AHEAD 16u              /* entries that wait on their way into a table until the memory for them has come */
#define LIMIT_CONN_READ (64 * 1024)      /* one read from a socket; also cipher text waiting on either side of a session */
#define LIMIT_CONN_WARM 128              /* connections that keep empty buffers for their next bytes; others give them back */
#define LIMIT_TLS_SUITES 64              /* ciphers that the library has, all of them together */
#define LIMIT_TLS_FILE (4 * 1024 * 1024) /* certificates and keys; a distribution's CA bundle has 250 kB */
#define LIMIT_TLS_CHAIN 8                /* certificates that smtpd_tls_CAfile adds to a chain */
#define LIMIT_SNI_NAMES 1000             /* names with certificates of their own, 10 kB each */
#define LIMIT_TLS_IDENTITIES 4           /* own key and chain pairs: RSA, ECDSA, and room to change them */
#define LIMIT_TLS_KEPT_BLOCKS 128        /* blocks of each size that a thread keeps for its next handshake: 500 KiB at most */
#define LIMIT_DNS_RECORDS 100            /* records used of one answer (threats G3) */
#define LIMIT_DNS_CNAMES 10              /* aliases followed */
#define LIMIT_DNS_POINTERS 127           /* followed for one name: it has no more labels */
#define LIMIT_DNS_MESSAGE 65535
#define LIMIT_DNS_CACHE 10000            /* names remembered */
#define LIMIT_DNS_CACHE_BYTES (4 * 1024 * 1024) /* replies remembered, for each of three purposes */
#define LIMIT_DNS_REPLY (512 * 1024)     /* one reply taken apart: eight times its longest */
#define LIMIT_DNS_KEY 400                /* what a question is remembered by: type, name and server asked */
#define LIMIT_DNS_FLIGHTS 256            /* questions on the wire at once, a descriptor each; more wait */
#define LIMIT_DNS_WRONG 32               /* replies with another id or question; then TCP, where guessing is of no use */
#define LIMIT_DNS_SILENT 32              /* questions in a row to servers that the caller named (mxcheck) without an answer; then none is asked */
#define LIMIT_DNS_SEARCH 6               /* domains of a search line that are used: what resolv.conf(5) promises */
#define LIMIT_DNS_SERVERS 8              /* name servers used */
#define LIMIT_HOSTS_FILE (4 * 1024 * 1024)
#define LIMIT_PROBE_OUTPUT (64 * 1024 * 1024) /* metrics of all targets of mxcheck, its list of targets */
#define LIMIT_PROBE_FACTS 400            /* DNS questions about one domain; an SPF record may cost 130 */
#define LIMIT_PROBE_MEMORY (512 * 1024)  /* answers and findings of one domain */
#define LIMIT_STS_POLICY (64 * 1024)     /* an MTA-STS policy (RFC 8461 3.3) */
#define LIMIT_STS_DOMAIN (LIMIT_DOMAIN - 9) /* … is at "mta-sts." and "_mta-sts." of the domain */
#define LIMIT_STS_DOMAINS 4096           /* whose policy, or its absence, is remembered: those that were sent to last */
#define LIMIT_STS_HELD (2 * 1024 * 1024) /* … and what all that may hold, some 300 bytes for most: a domain's own policy has up to 20 KB */
#define LIMIT_STS_LOOKUPS 128            /* … that are being asked about at once; mail for more waits a moment */
#define LIMIT_STS_FILE (4 * 1024 * 1024) /* the file of policies: a few hundred bytes for each */
#define LIMIT_TLSRPT_TALLIES 4096        /* of sessions for TLS reports: days, domains and policies */
#define LIMIT_TLSRPT_HELD (2 * 1024 * 1024) /* … and what they may hold; the oldest go */
#define LIMIT_TLSRPT_FAILURES 32         /* kinds of failures in one, which are told one by one; the others are in its sum */
#define LIMIT_TLSRPT_REASON 200          /* the words for one */
#define LIMIT_TLSRPT_FILE (8 * 1024 * 1024) /* the file of tallies, which earlier versions let grow */
#define LIMIT_TLSRPT_REPORT (512 * 1024) /* a report in JSON: policies and failures of a domain on a day */
#define LIMIT_TLSRPT_RUA 4               /* addresses of a domain that get its report */
#define LIMIT_FETCH_HEADER (16 * 1024)   /* of an HTTPS answer: its header section, and what chunks add to its body */
#define LIMIT_FETCH_ADDRESSES 4          /* of an HTTPS server that are tried; the next ones would say the same */
#define LIMIT_FETCH_LOGIN 512             /* user and password for a proxy, in https_proxy; what is longer is cut, and refused by it */
#define LIMIT_NS_SERVERS 13              /* name servers of a zone that are asked one by one; the root has as many */
#define LIMIT_NS_ADDRESSES 4             /* of each, of one family */
#define LIMIT_NS_ABOVE 3                 /* servers of the zone above that are asked when all of these are silent */
#define LIMIT_SPF_WALK 60                /* lookups counted of a record that needs too many: enough to say how far it is off */
#define LIMIT_SPF_REACH 256              /* networks of one SPF record that are kept apart, to see who may send */
#define LIMIT_SPF_DEPTH 20               /* records that include each other */
#define LIMIT_PROXY_HEADER 4096          /* version 2 with TLVs; ordinary ones have a few hundred bytes */
#define LIMIT_HTTP_REQUEST 8192          /* request line and headers of a health check or a scrape */
#define LIMIT_HTTP_PIECE (16 * 1024)     /* of an answer that waits in a connection until the one who asked has taken it */
#define LIMIT_METRIC_BUCKETS 12         /* of a histogram */
#define LIMIT_METRIC_LABELS 192          /* a set of labels that was not known before: a code, a cipher and who vouches */
#define LIMIT_METRIC_LEARNT 32           /* … of one family; what comes after is counted together */
#define LIMIT_METRIC_NAME 300            /* of a destination, as a label */
#define LIMIT_METRIC_TEXT (1024 * 1024)  /* all of /metrics: a thousand destinations have two thirds of it */
#define LIMIT_METRIC_WALK 20000          /* queued messages that one step counts: two milliseconds at worst */
#define LIMIT_VERIFY_ENTRIES 50000       /* addresses remembered by address verification, about 300 bytes each */
#define LIMIT_VERIFY_TEXT 250            /* of what the server said about one; Postfix: 250 */
#define LIMIT_VERIFY_FILE (64 * 1024 * 1024) /* the cache as a file: old lines, too */
#define LIMIT_HTTP_CONNECTIONS 64        /* health checks at the same time */
#define LIMIT_HTTP_CLIENT 32             /* … of one address */
#define LIMIT_USER_NAME 64               /* name of an account; longer ones nobody has (shadow: 32, NSS modules more) */
#define LIMIT_USER_HOME 1024             /* its home folder */
#define LIMIT_USER_ENTRY (8 * 1024)      /* its whole entry in the user database */
#define LIMIT_ACCESS_DEPTH 10            /* restriction lists that call each other; Postfix: 100, but nobody nests ten */
#define LIMIT_ACCESS_STEPS 10000         /* words judged for one command: lists that call each other twice grow as 2^n. People write dozens */
#define LIMIT_ACCESS_RULES (1024 * 1024) /* the restriction lists of one listener */
#define LIMIT_ACCESS_CLASSES 1000        /* smtpd_restriction_classes */
#define LIMIT_ACCESS_HOSTS 20            /* servers of a domain that check_*_mx_access and its like look at */
#define LIMIT_ACCESS_SLEEP 300           /* seconds of sleep: SMTP clients wait five minutes for an answer (RFC 5321 section 4.5.3.2) */
#define LIMIT_ACCESS_LISTED 16           /* addresses of a list's answer that are looked at; lists give a handful */
#define LIMIT_ALIAS_DEPTH 100            /* alias of an alias */
#define LIMIT_FIELD_TOKENS 10240         /* words and signs of an address field that may be rewritten; what is behind them stays (Postfix cuts it off) */
#define LIMIT_CANONICAL_STEPS 10         /* canonical entries that lead from one address to the next; Postfix: 10 */
#define LIMIT_RECIPIENTS_SLICE 10000     /* microseconds in which recipients are expanded; then the others have their turn */
#define LIMIT_ALIAS_TARGETS 1000
#define LIMIT_ALIAS_ELEMENTS 4000        /* … and what is written for them: comments, repetitions, what cannot be understood */
#define LIMIT_ALIAS_WORDS LIMIT_ADDRESS  /* bytes of one element that are looked at together: a display name, a comment, an address */
#define LIMIT_ALIAS_INCLUDE (256 * 1024) /* an :include: file */
#define LIMIT_DKIM_DOMAIN 253            /* a domain or selector as text (RFC 1035 section 2.3.4) */
#define LIMIT_DKIM_KEYS 1000             /* keys of one folder, looked through for each message that is signed */
#define LIMIT_DKIM_RULES 10000           /* lines of a SigningTable, looked through for each message that is signed */
#define LIMIT_DKIM_TABLE (4 * 1024 * 1024) /* a KeyTable or SigningTable */
#define LIMIT_DKIM_INSTANCES 16          /* fields of one name that are signed, the last ones; mail has one, and of traces a handful */
#define LIMIT_DKIM_FIELD (32 * 1024)     /* a DKIM-Signature field: LIMIT_DKIM_INSTANCES of each name, and a signature */
#define LIMIT_CLIENT_PIECE (64 * 1024)   /* one read of content that is sent or copied */
#define LIMIT_CLIENT_FEED (128 * 1024)   /* content waiting in an outbound connection; the rest stays in the queue file */
#define LIMIT_CLIENT_MX 20               /* MX hosts of a domain that are looked at */
#define LIMIT_CLIENT_DEAD 64             /* addresses remembered as failing, so that they are asked last */
#define LIMIT_CLIENT_SKIPPED 4           /* such addresses put off to the end of one try */
#define LIMIT_CLIENT_TURN 8              /* messages to one of several equal addresses before the next one has its turn */
#define LIMIT_CLIENT_TLS_SAVED 64        /* TLS sessions that a transport remembers, a few KB each; the oldest goes */
#define LIMIT_CLIENT_TLS_NAMES 32        /* names or fingerprints that a certificate is matched with; each is compared with each of its names */
#define LIMIT_CLIENT_SITE 300            /* one next hop as written: brackets, a domain, a port */
#define LIMIT_SECCOMP_STEPS 1024         /* instructions of a filter of system calls; ours have some 400, the kernel takes 4096 */
#define LIMIT_SETTINGS_READS 4096        /* files that a configuration reads: tables, lists, certificates, secrets */
#define LIMIT_SANDBOX_PORTS 256          /* ports of listeners and next hops, where they are fixed at the start */
#define LIMIT_HELPER_CHILDREN 64         /* mailbox deliveries as users at the same time */
#define LIMIT_HELPER_USER 8              /* … as one of them, who can stop what runs as he: the others have their places */
#define LIMIT_HELPER_END 12              /* seconds that the helper waits at its end for those that run: a mailbox has two locks of five */
#define LIMIT_LOG_LINE 4096              /* one record; longer fields are cut */
#define LIMIT_LOG_BUFFER (256 * 1024)    /* records waiting for the write of this tick, or for a log server */
#define LIMIT_LOG_AGAIN USEC_PER_SEC     /* between two tries to reach a log server */
#define LIMIT_LOG_FINISH (USEC_PER_SEC / 2) /* at the end: for a reader or log server that does not take what waits */
#define LIMIT_TRACE_LOGS 16              /* logs that relayctl trace reads at once */
#define LIMIT_TRACE_INPUT (256 * 1024 * 1024) /* of a log from standard input, which is kept in memory */
#define LIMIT_LOG_REPEATS 10             /* records of the same words within LIMIT_LOG_WINDOW; the rest is counted */
#define LIMIT_LOG_WINDOW (60 * USEC_PER_SEC)
#define LIMIT_LOG_TEXTS 16               /* texts that are watched for that, the latest ones */
#define LIMIT_CONTROL_USER 16            /* connections of one user to the control socket */
#define LIMIT_CONTROL_USERS 48           /* … of all users but root and ourselves */
#define LIMIT_EXPLAIN_ROWS (4 * 1024 * 1024) /* what relayctl explain tells: a thousand addresses of an alias, with every key tried */
#define LIMIT_CONTROL_LINE 4096          /* one request on the control socket */
#define LIMIT_INHERITED 64               /* listening sockets that a supervisor or an earlier relayd hands over */
#define LIMIT_GIVE_HEADER (16 * 1024 * 1024) /* header section of a message from another queue, which may have allowed more than we do */
#define LIMIT_IMPORT_FILE (1024 * 1024 * 1024) /* a queue file of Postfix, which is read whole */
#define LIMIT_HANDSHAKES 4096            /* steps of TLS handshakes that wait for a thread; past that … */
#define LIMIT_HANDSHAKES_CLIENT 64       /* … no client may have more than this among them */
#define LIMIT_GENERATIONS 256            /* configurations in memory at the same time: each reload makes one, its last session ends it */
#define LIMIT_PICKUP_NAMES 20000         /* of drops told by the kernel and not looked at; past it the folder is listed once more */
#define LIMIT_PICKUP_REFUSED 20000       /* files in maildrop remembered as no drops; further ones are looked at with each list */
#define LIMIT_PICKUP_TOLD 100            /* … that are named in the log */
#define LIMIT_POOL_THREADS 4
#define LIMIT_RELAY_THREADS 8            /* relayd's, which is as many handshakes at a time; each keeps up to 500 KiB */
#define LIMIT_TLS_KEY_COPIES 8           /* of an RSA key: one signs one handshake at a time */
#define LIMIT_ENVELOPE_NAME 64           /* a field's name in an envelope, those of later versions too */
#define LIMIT_STORE_ENVELOPE (64 * 1024 * 1024) /* envelope or recipient states of one message in the queue */
#define LIMIT_STORE_PENDING (16 * 1024 * 1024)  /* records waiting for a flush; past it new messages are refused */
#define LIMIT_STORE_HELD (8 * 1024 * 1024)      /* content of unfinished messages in memory; past it they go to files early */
#define LIMIT_STORE_ENTRIES 65536        /* records in one segment, so that its footer stays small */
#define LIMIT_STORE_OPEN_SEGMENTS 128    /* descriptors kept for reading */
#define LIMIT_SCHEDULE_BACKLOG 200       /* deliveries waiting in memory for one destination; more wait as messages */
#define LIMIT_STORE_SPARES 2             /* emptied segments kept to be written again */
#define LIMIT_STORE_SMALL 16             /* segments that a restart closed early; past it they are written together */
#define LIMIT_STORE_RESULTS 20           /* results that are worth a flush of their own: a crash repeats what they would have told */
#define LIMIT_STORE_SEGMENT (1024 * 1024 * 1024) /* one segment: offsets in it have 32 bits, and reading it at start takes seconds */
#define LIMIT_STORE_SEGMENT_SHARE 64     /* a segment is at most this part of the volume: some full ones wait for their end */
#define LIMIT_STORE_SEGMENT_LEAST (64 * 1024) /* … but never smaller: each costs a few flushes */
#define LIMIT_STORE_ALLOCATE_SHARE 32    /* a new segment is given at most this part of what is free */
#define LIMIT_STORE_ALLOCATE_FROM (256ull << 20) /* … and nothing when less than this is free: every block counts there */
#define LIMIT_STORE_INODES 16            /* free ones that new mail leaves for segments and sockets */
#define LIMIT_STORE_PLENTY (1ull << 30)  /* while twice this is free, not every message asks anew … */
#define LIMIT_STORE_PLENTY_HOLDS 100000  /* … for so many microseconds: what is written in between is far less */

#endif
