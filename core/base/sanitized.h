/* sanitized - is this a build with a sanitizer? Its runtime asks for more than the program does: a few calls, the folder of its reports. */
#ifndef CORE_BASE_SANITIZED_H
#define CORE_BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
