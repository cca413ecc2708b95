/* SPDX-License-Identifier: GPL-2.0-only */
/* What both sides of the model have to agree on: tests/clients/model.c and operate.c */
#include <stdint.h>

enum { SLOTS = 4, MAX_SIZE = 1 << 18 };

/* Of a content; never negative as a long long */
static uint64_t hash(const char *p, long long len)
{
	uint64_t h = 0xcbf29ce484222325;

	while (len-- > 0)
		h = (h ^ (*p++ & 255)) * 0x100000001b3;
	return h >> 1;
}

/* What a write with this seed writes at off */
static void fill(char *p, long long off, long long len, long long seed)
{
	for (long long i = 0; i < len; i++)
		p[i] = seed * 131 + (off + i) * 7 + ((off + i) >> 8);
}
