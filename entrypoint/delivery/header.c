#include "header.h"

#include <string.h>
#include <strings.h>

size_t
header_end(const char *text, size_t size, size_t from)
{
	const char *end;

	if (size && text[0] == '\n')
		return 1;
	from = from ? from - 1 : 0;
	end = memmem(text + from, size - from, "\n\n", 2);
	return end ? (size_t)(end - text) + 2 : 0;
}

/* RFC 5322, 2.2: a line that begins with white space goes on with the field before. */
size_t
next_field(const struct header *header, size_t at, struct field *field)
{
	const char *start = header->text + at, *end = header->text + header->size, *line = start, *colon;

	if (start >= end)
		return 0;
	do {
		line = memchr(line, '\n', (size_t)(end - line));
		line = line ? line + 1 : end;
	} while (line < end && (*line == ' ' || *line == '\t'));
	colon = memchr(start, ':', (size_t)(line - start));
	field->name = start;
	field->name_size = colon ? (size_t)(colon - start) : 0;
	field->size = (size_t)(line - start);
	return at + field->size;
}

bool
is_named(const struct field *field, const char *name)
{
	return field->name_size == strlen(name) &&
	    strncasecmp(field->name, name, field->name_size) == 0;
}

const char *
value_of(const struct field *field, size_t *size)
{
	*size = field->size - field->name_size - 1;
	return field->name + field->name_size + 1;
}

static void
take_out(struct header *header, size_t at, size_t size)
{
	memmove(header->text + at, header->text + at + size, header->filled - at - size);
	header->size -= size;
	header->filled -= size;
}

/* RFC 5322, 4.5: white space may stand before the colon, and Dovecot reads it so. */
static bool
is_read_as(struct field field, const char *name)
{
	while (field.name_size && memchr(" \t\r\n", field.name[field.name_size - 1], 4))
		field.name_size--;
	return is_named(&field, name);
}

void
drop_fields(struct header *header, const char *name)
{
	/* In one pass, whatever number a stranger has sent. */
	size_t from = 0, to = 0, next;
	struct field field;

	while ((next = next_field(header, from, &field))) {
		if (!is_read_as(field, name)) {
			memmove(header->text + to, header->text + from, field.size);
			to += field.size;
		}
		from = next;
	}
	take_out(header, to, from - to);
}

void
drop_first(struct header *header, const char *name)
{
	struct field field;

	if (next_field(header, 0, &field) && is_named(&field, name))
		take_out(header, 0, field.size);
}
