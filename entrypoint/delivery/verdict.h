/*
 * What the account's junk filter says of a message (entrypoint/junk/verdict_server.py), if it says
 * so in time: a delivery never waits longer for it, and goes on without.
 */
#pragma once

#include "header.h"

/* Ours alone: the answer, which Sieve reads, and what `filters.inbound` knows of the client. */
#define JUNK_FIELD "X-Signpost-Junk"
#define FACTS_FIELD "X-Signpost-Facts"

/* Of a message, from its top, as much is judged. */
#define JUDGED 131072
#define LONGEST_ANSWER 900

/*
 * What `filters.inbound` has written into a message; "" where it has not seen it. smtpd's own
 * Received field stands below that, and what the client has sent below both. What the script of
 * another account has sent on was not written here, for all that: of it nothing is known.
 */
const char *facts_of(const struct header *header);

/* `mark`: the HMAC of this delivery's mark, or "". The answer; "" where there is none. */
const char *ask_for_verdict(const char *account, const char *sender, const char *mark,
    const char *facts, const struct header *message);
