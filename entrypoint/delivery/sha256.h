/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). */
#pragma once

#include <stddef.h>

#define SHA256_SIZE 32

void hmac_sha256(const char *key, size_t key_size, const char *text, size_t size,
    unsigned char digest[SHA256_SIZE]);
