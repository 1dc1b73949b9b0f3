/* seccomp - see seccomp.h. A block of the filter for each call, in the order of the table: what is asked most stands first. */
#include "core/base/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/base/limits.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#define NATIVE_ARCH 0
#endif
/* the halves of an argument, as both architectures order them */
#define LOW_OF(arg) (offsetof(struct seccomp_data, args) + (arg) % 6 * sizeof(uint64_t) + ((arg) < 6 ? 0 : sizeof(uint32_t)))
#define PERMITTED SECCOMP_RET_ALLOW
#define FORBIDDEN (SECCOMP_RET_ERRNO | EPERM)
#define UNKNOWN (SECCOMP_RET_ERRNO | ENOSYS)

/* newer forms of calls, for which libc has an older one */
static const int absent[] = {
	435 /* clone3 */, 436 /* close_range */, 437 /* openat2 */, 439 /* faccessat2 */, 452 /* fchmodat2 */, 334 /* rseq of x86-64 */,
};

struct program {
	struct sock_filter v[LIMIT_SECCOMP_STEPS];
	size_t n;
};

static void step(struct program *p, unsigned code, uint32_t k, unsigned yes, unsigned no)
{
	if (p->n < LIMIT_SECCOMP_STEPS)
		p->v[p->n] = (struct sock_filter){ (uint16_t)code, (uint8_t)yes, (uint8_t)no, k };
	p->n++;
}

static void load(struct program *p, size_t offset)
{
	step(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void give(struct program *p, uint32_t answer)
{
	step(p, BPF_RET | BPF_K, answer, 0, 0);
}

static void jump_here(struct program *p, size_t from)
{
	if (from < LIMIT_SECCOMP_STEPS)
		p->v[from].jf = (uint8_t)(p->n - from - 1);
}

static void compare(struct program *p, uint32_t value)
{
	step(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
}

/* alternative - one row: PERMITTED where its tests hold, else on to what follows */
static void alternative(struct program *p, const struct seccomp_rule *r)
{
	size_t from[2], n = 0;

	for (int i = 0; i < 2; i++) {
		if (!r->test[i].mask)
			continue;
		load(p, LOW_OF(r->test[i].arg));
		step(p, BPF_ALU | BPF_AND | BPF_K, r->test[i].mask, 0, 0);
		from[n++] = p->n;
		compare(p, r->test[i].value);
	}
	give(p, PERMITTED);
	while (n)
		jump_here(p, from[--n]);
}

/* block - all rows of one call, which begin at rules[0]; how many */
static size_t block(struct program *p, const struct seccomp_rule *rules, size_t n)
{
	size_t from = p->n, i = 0;

	compare(p, (uint32_t)rules[0].call);
	do
		alternative(p, &rules[i]);
	while (++i < n && rules[i].call == rules[0].call);
	if (rules[0].test[0].mask || rules[0].test[1].mask)
		give(p, FORBIDDEN);
	jump_here(p, from);
	return i;
}

int seccomp_allow(const struct seccomp_rule *rules, size_t n)
{
	struct program p = { .n = 0 };
	struct sock_fprog program = { .filter = p.v };

	if (!NATIVE_ARCH) {
		errno = ENOSYS;
		return -1;
	}
	load(&p, offsetof(struct seccomp_data, arch));
	step(&p, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	give(&p, SECCOMP_RET_KILL_PROCESS);
	load(&p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; )
		i += block(&p, rules + i, n - i);
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		step(&p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)absent[i], 0, 1);
		give(&p, UNKNOWN);
	}
	give(&p, FORBIDDEN);
	if (p.n > LIMIT_SECCOMP_STEPS) {
		errno = EINVAL;
		return -1;
	}
	program.len = (unsigned short)p.n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
