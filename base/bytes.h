// SPDX-License-Identifier: MIT
// Owns whole numbers in foreign bytes, of either order, at any address. Refuses to know how many there are.
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_READER(name, type, convert)             \
	static inline type name(const uint8_t *p)     \
	{                                             \
		type value;                           \
						      \
		memcpy(&value, p, sizeof(value));     \
		return convert(value);                \
	}

BYTES_READER(bytes_le16, uint16_t, le16toh)
BYTES_READER(bytes_le32, uint32_t, le32toh)
BYTES_READER(bytes_le64, uint64_t, le64toh)
BYTES_READER(bytes_be32, uint32_t, be32toh)
BYTES_READER(bytes_be64, uint64_t, be64toh)

#undef BYTES_READER
