/* net_certs.h - certificates for the tests of core/net, made once per program by the openssl command into t_tmpdir():
 * ca.pem, other.pem (another CA), and NAME.pem + NAME.key for good (names and an address), rsa, cn (no SAN), expired,
 * wrong (another name), self (self-signed), both.pem (key and chain of good in one file). */
#ifndef TESTS_UNIT_NET_CERTS_H
#define TESTS_UNIT_NET_CERTS_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/t.h"

static const char net_certs_script[] =
	"set -e; cd \"$0\"; exec 2>log\n"
	"key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }\n"
	"ca() { key $1; openssl req -x509 -new -key $1.key -subj \"/O=Test/CN=$1\" -days 30 -out $1.pem; }\n"
	"cert() { n=$1; subj=$2; san=$3; shift 3; [ -e $n.key ] || key $n\n"
	" openssl req -new -key $n.key -subj \"$subj\" -out $n.csr\n"
	" if [ \"$san\" ]; then echo \"subjectAltName=$san\"; fi > $n.ext\n"
	" openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -set_serial $$ -extfile $n.ext -out $n.pem \"$@\"; }\n"
	"ca ca; ca other\n"
	"cert good '/O=Test/CN=mx.example.com' 'DNS:mx.example.com,DNS:*.wild.example.com,IP:127.0.0.1,IP:::1' -days 30\n"
	"openssl genrsa -out rsa.key 2048\n"
	"cert rsa '/CN=mx.example.com' 'DNS:mx.example.com' -days 30\n"
	"cert cn '/O=Test/CN=mx.example.com' '' -days 30\n"
	"cert wrong '/CN=mx.example.com' 'DNS:other.example.net' -days 30\n"
	"cert expired '/CN=mx.example.com' 'DNS:mx.example.com' -days -1\n"
	"key self; openssl req -x509 -new -key self.key -subj /CN=mx.example.com -addext subjectAltName=DNS:mx.example.com"
	" -days 30 -out self.pem\n"
	"cat good.key good.pem ca.pem > both.pem\n"
	"cat good.key good.pem ca.pem rsa.key rsa.pem > two.pem\n"
	"{ echo '-----BEGIN CERTIFICATE-----'; echo AAAA; echo '-----END CERTIFICATE-----'; cat other.pem ca.pem; } > bundle.pem\n"
	"mkdir folder; cp ca.pem folder/ca.pem; cp ca.pem folder/12ab34cd.0; echo x > folder/README; mkdir void; touch ready\n";

/* net_cert - the path of a file, in one of a few buffers that are used in turn; NULL when openssl is missing */
static const char *net_cert(const char *name)
{
	static char ring[8][256];
	static unsigned at;
	static int tried;
	char *path = ring[at++ % 8];

	snprintf(path, sizeof(ring[0]), "%s/ready", t_tmpdir());
	if (!tried) {
		pid_t pid = fork();

		tried = 1;
		if (pid == 0) {
			execl("/bin/sh", "sh", "-c", net_certs_script, t_tmpdir(), (char *)NULL);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
	if (access(path, R_OK))
		return NULL;
	snprintf(path, sizeof(ring[0]), "%s/%s", t_tmpdir(), name);
	return path;
}

#endif
