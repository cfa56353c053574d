/* A message's header section as bytes: its fields, one after the other, and taking some out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct header {
	char *text; /* lines end in LF; what follows the section may stand behind it */
	size_t size;  /* of the section, its empty line included */
	size_t filled;
};

struct field {
	const char *name; /* where it begins */
	size_t name_size, size;
};

/* The section's end in what is there; 0 where it has none yet. `from`: what was looked through. */
size_t header_end(const char *text, size_t size, size_t from);

/* The field behind `at` (the first for 0), and where the next one begins; 0 at the end. */
size_t next_field(const struct header *header, size_t at, struct field *field);
bool is_named(const struct field *field, const char *name);
const char *value_of(const struct field *field, size_t *size);

/* Takes out every field of this name, white space before its colon or not. */
void drop_fields(struct header *header, const char *name);
/* Takes out the first line if it is a field of this name. */
void drop_first(struct header *header, const char *name);
