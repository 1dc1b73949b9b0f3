/* seccomp - one filter for this thread and all that come after: these system calls, with these arguments, and no other.
 *
 * Whatever is not named answers EPERM, x32's numbers too; what libc asks for and does without (clone3, openat2 …) answers ENOSYS, so
 * that it takes the older call; the numbers of another architecture end the process. seccomp(2): a filter sees numbers only, never what a
 * pointer leads to: paths and addresses are Landlock's business. */
#ifndef CORE_BASE_SECCOMP_H
#define CORE_BASE_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

/* a row allows `call` where both tests hold: (argument & mask) == value. Mask 0 always holds. Rows of one call stand together: one
 * that holds is enough. Arguments are looked at as the kernel reads an int: the low 32 bits; SECCOMP_HIGH(n) is the other half */
#define SECCOMP_HIGH(n) ((n) + 6)
struct seccomp_rule {
	int call;
	struct { uint8_t arg; uint32_t mask, value; } test[2];
};
#define SECCOMP(name) { .call = SYS_##name }
#define SECCOMP_IF(name, ...) { .call = SYS_##name, .test = { __VA_ARGS__ } }
#define SECCOMP_IS(n, is) { .arg = (n), .mask = UINT32_MAX, .value = (uint32_t)(is) }
#define SECCOMP_WITHOUT(n, bits) { .arg = (n), .mask = (uint32_t)(bits), .value = 0 }
/* seccomp_allow - 0, or -1 with errno (ENOSYS: not on this architecture; EINVAL: too many rows). Sets no_new_privs. */
int seccomp_allow(const struct seccomp_rule *rules, size_t n);

#endif
