/* The marks of what we have done with a message before, which nobody else can write. */
#pragma once

#include "header.h"

/* What `deliver` has stored, and what the filters have let an alias send elsewhere. */
#define DELIVERED_FIELD "X-Signpost-Delivered"
#define FORWARDED_FIELD "X-Signpost-Forwarded"
/* Hexadecimal digits: when the message was delivered, and the HMAC. */
#define MARK_TIME 16
#define MARK_HMAC 32
/* As many of a message are looked at, from the top. */
#define MOST_MARKS 50

struct mark {
	char time[MARK_TIME + 1], hmac[MARK_HMAC + 1];
};

/* Whether there is a key, without which no mark is written and none is known. */
bool read_key(const char *path);

/* A mark for a delivery of this message to this mailbox, now. */
void new_mark(const struct header *header, const char *mailbox, struct mark *mark);

/* The marks of this name in a message that say so of this address, from the top; how many. */
int find_marks(const struct header *header, const char *name, const char *address,
    struct mark marks[MOST_MARKS]);
