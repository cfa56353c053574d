/*
 * A mark is `TIME HMAC`. The HMAC is over the time, the address and what of a message survives
 * forwarding: its Message-ID, its Date and who has resent it. filters/delivery_marks.py has the same.
 *
 * A server on the way may add a Message-ID or a Date where there is none. So a mark for a message
 * without one is known in a message with one, too; whoever has a message may not choose, as the mark
 * was written for what it had.
 */
#include "mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hmac.h"

static char key[128];
static size_t key_size;

bool
read_key(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	key_size = fread(key, 1, sizeof key, file);
	fclose(file);
	while (key_size && key[key_size - 1] == '\n')
		key_size--;
	return key_size > 0;
}

/* Of a field's value; it is cut where nobody's is as long (RFC 5322, 2.1.1). */
#define LONGEST 998

struct text {
	char bytes[LONGEST + 1];
	size_t size;
};

/* The first field's value without its white space, which folding changes; then a line's end. */
static struct text
identity(const struct header *header, const char *name)
{
	struct text text = {.size = 0};
	struct field field;

	for (size_t at = 0, next; (next = next_field(header, at, &field)); at = next) {
		size_t size;
		const char *value;

		if (!is_named(&field, name))
			continue;
		value = value_of(&field, &size);
		for (size_t i = 0; i < size && text.size < LONGEST; i++)
			if (!memchr(" \t\r\n", value[i], 4))
				text.bytes[text.size++] = value[i];
		break;
	}
	text.bytes[text.size++] = '\n';
	return text;
}

struct message {
	struct text id, date, resent;
};

static struct message
look_at(const struct header *header)
{
	struct message message = {.id = identity(header, "Message-ID"),
	    .date = identity(header, "Date"), .resent = identity(header, "Resent-Message-ID")};

	/* RFC 5322, 3.6.6: who resends a message by hand makes it another one. */
	if (message.resent.size == 1)
		message.resent = identity(header, "Resent-From");
	return message;
}

static size_t
append(char *text, size_t at, const char *bytes, size_t size)
{
	memcpy(text + at, bytes, size);
	return at + size;
}

static void
write_hmac(const struct message *message, bool with_id, bool with_date, const char *name,
    const char *address, struct mark *mark)
{
	static const struct text none = {.bytes = "\n", .size = 1};
	const struct text *parts[] = {with_id ? &message->id : &none,
	    with_date ? &message->date : &none, &message->resent};
	char text[4 * sizeof *parts[0]];
	unsigned char digest[HMAC_SIZE];
	int length = snprintf(text, sizeof *parts[0], "%s\n%s\n%s\n",
	    strcmp(name, DELIVERED_FIELD) == 0 ? "delivered" : "forwarded", address, mark->time);
	size_t size = (size_t)length < sizeof *parts[0] ? (size_t)length : sizeof *parts[0] - 1;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		size = append(text, size, parts[i]->bytes, parts[i]->size);
	hmac_sha256(key, key_size, text, size, digest);
	for (int i = 0; i < MARK_HMAC / 2; i++)
		snprintf(mark->hmac + 2 * i, 3, "%02x", digest[i]);
}

void
new_mark(const struct header *header, const char *mailbox, struct mark *mark)
{
	struct message message = look_at(header);

	snprintf(mark->time, sizeof mark->time, "%llx", (unsigned long long)time(NULL));
	write_hmac(&message, true, true, DELIVERED_FIELD, mailbox, mark);
}

static bool
read_mark(const struct field *field, struct mark *mark)
{
	char value[128] = "";
	size_t size;
	const char *start = value_of(field, &size);
	char more;

	if (size >= sizeof value)
		return false;
	memcpy(value, start, size);
	return sscanf(value, " %16[0-9a-f] %32[0-9a-f] %c", mark->time, mark->hmac, &more) == 2 &&
	    strlen(mark->hmac) == MARK_HMAC;
}

static bool
is_ours(const struct message *message, const char *name, const char *address,
    const struct mark *found)
{
	struct mark mark = *found;

	for (int with = 0; with < 4; with++) {
		write_hmac(message, with & 1, with & 2, name, address, &mark);
		if (strcmp(mark.hmac, found->hmac) == 0)
			return true;
	}
	return false;
}

int
find_marks(const struct header *header, const char *name, const char *address,
    struct mark marks[MOST_MARKS])
{
	struct message message = look_at(header);
	struct field field;
	int seen = 0, found = 0;

	for (size_t at = 0, next; seen < MOST_MARKS && (next = next_field(header, at, &field));
	     at = next) {
		if (!is_named(&field, name))
			continue;
		seen++;
		if (read_mark(&field, &marks[found]) && is_ours(&message, name, address, &marks[found]))
			found++;
	}
	return found;
}
