/* HMAC (RFC 2104) with SHA-256. */
#pragma once

#include <stddef.h>

#define HMAC_SIZE 32

void hmac_sha256(const char *key, size_t key_size, const char *text, size_t size,
    unsigned char digest[HMAC_SIZE]);
