#include "hmac.h"

#include <string.h>

#include <sha2.h> /* of libmd, which is linked in */

#define INNER 0x36
#define OUTER 0x5c

/* The digest of the padded key and of what comes after it. */
static void
padded(const unsigned char key[SHA256_BLOCK_LENGTH], unsigned char pad, const unsigned char *text,
    size_t size, unsigned char digest[HMAC_SIZE])
{
	unsigned char block[SHA256_BLOCK_LENGTH];
	SHA2_CTX context;

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = key[i] ^ pad;
	SHA256Init(&context);
	SHA256Update(&context, block, sizeof block);
	SHA256Update(&context, text, size);
	SHA256Final(digest, &context);
}

void
hmac_sha256(const char *key, size_t key_size, const char *text, size_t size,
    unsigned char digest[HMAC_SIZE])
{
	unsigned char block[SHA256_BLOCK_LENGTH] = {0}, inner[HMAC_SIZE];
	SHA2_CTX context;

	if (key_size > sizeof block) {
		SHA256Init(&context);
		SHA256Update(&context, (const unsigned char *)key, key_size);
		SHA256Final(block, &context);
	} else
		memcpy(block, key, key_size);
	padded(block, INNER, (const unsigned char *)text, size, inner);
	padded(block, OUTER, inner, sizeof inner, digest);
}
