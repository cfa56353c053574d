/* What lies in a mailbox already. */
#pragma once

#include "mark.h"

/* Whether a message with one of these marks is in the account's Maildir, its Trash aside. */
bool holds(const char *maildir, const struct mark marks[], int count);
