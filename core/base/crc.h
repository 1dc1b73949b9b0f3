/* crc - CRC-32C (Castagnoli), with the processor's instruction where it has one. Start with 0 and chain. */
#ifndef CORE_BASE_CRC_H
#define CORE_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n); /* the way without the instruction; for tests */

#endif
