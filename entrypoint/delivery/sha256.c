/*
 * SHA-256 and HMAC. `deliver` has no libraries, since it starts for every message, and hashes a few
 * hundred bytes.
 */
#include "sha256.h"

#include <stdint.h>
#include <string.h>

#define BLOCK 64

struct sha256 {
	uint32_t state[8];
	uint64_t size;
	unsigned char block[BLOCK];
};

static const uint32_t rounds[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t
rotated(uint32_t word, int by)
{
	return word >> by | word << (32 - by);
}

static void
take_block(struct sha256 *hash)
{
	uint32_t words[64], now[8];

	for (int i = 0; i < 16; i++)
		words[i] = (uint32_t)hash->block[4 * i] << 24 | (uint32_t)hash->block[4 * i + 1] << 16 |
		    (uint32_t)hash->block[4 * i + 2] << 8 | (uint32_t)hash->block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t far = words[i - 15], near = words[i - 2];

		words[i] = words[i - 16] + words[i - 7] +
		    (rotated(far, 7) ^ rotated(far, 18) ^ far >> 3) +
		    (rotated(near, 17) ^ rotated(near, 19) ^ near >> 10);
	}
	memcpy(now, hash->state, sizeof now);
	for (int i = 0; i < 64; i++) {
		uint32_t one = now[7] + (rotated(now[4], 6) ^ rotated(now[4], 11) ^ rotated(now[4], 25)) +
		    ((now[4] & now[5]) ^ (~now[4] & now[6])) + rounds[i] + words[i];
		uint32_t two = (rotated(now[0], 2) ^ rotated(now[0], 13) ^ rotated(now[0], 22)) +
		    ((now[0] & now[1]) ^ (now[0] & now[2]) ^ (now[1] & now[2]));

		memmove(now + 1, now, 7 * sizeof *now);
		now[4] += one;
		now[0] = one + two;
	}
	for (int i = 0; i < 8; i++)
		hash->state[i] += now[i];
}

static void
begin(struct sha256 *hash)
{
	static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

	memcpy(hash->state, first, sizeof first);
	hash->size = 0;
}

static void
add(struct sha256 *hash, const unsigned char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		hash->block[hash->size++ % BLOCK] = text[i];
		if (hash->size % BLOCK == 0)
			take_block(hash);
	}
}

static void
finish(struct sha256 *hash, unsigned char digest[SHA256_SIZE])
{
	uint64_t bits = 8 * hash->size;
	unsigned char byte = 0x80;

	do {
		add(hash, &byte, 1);
		byte = 0;
	} while (hash->size % BLOCK != BLOCK - 8);
	for (int i = 7; i >= 0; i--) {
		byte = (unsigned char)(bits >> (8 * i));
		add(hash, &byte, 1);
	}
	for (int i = 0; i < SHA256_SIZE; i++)
		digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void
hmac_sha256(const char *key, size_t key_size, const char *text, size_t size,
    unsigned char digest[SHA256_SIZE])
{
	unsigned char pad[BLOCK] = {0};
	struct sha256 hash;

	begin(&hash);
	if (key_size > BLOCK) {
		add(&hash, (const unsigned char *)key, key_size);
		finish(&hash, pad);
		begin(&hash);
	} else
		memcpy(pad, key, key_size);
	for (int i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	add(&hash, pad, BLOCK);
	add(&hash, (const unsigned char *)text, size);
	finish(&hash, digest);
	for (int i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	begin(&hash);
	add(&hash, pad, BLOCK);
	add(&hash, digest, SHA256_SIZE);
	finish(&hash, digest);
}
