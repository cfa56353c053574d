/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): what Delivered-To says decides nothing.
 *
 * Before each delivery smtpd looks for a Delivered-To field with the recipient's address, and bounces
 * the mail as a loop where it finds one, whoever wrote it: to a sender whom a stranger has chosen,
 * and mail that somebody has resent as well. Here, it finds none. `deliver` and the filters know
 * loops by a mark that nobody else can write (entrypoint/delivery/mark.c, filters/loops.py).
 * Every other comparison is the C library's.
 */
#include <dlfcn.h>
#include <string.h>
#include <strings.h>

/* As mda_check_loop in mda.c has it: the first argument, and with the space. */
#define FIELD "Delivered-To: "

typedef int compare(const char *, const char *, size_t);

int
strncasecmp(const char *one, const char *other, size_t size)
{
	static compare *real;

	if (size == sizeof FIELD - 1 && strncmp(one, FIELD, size) == 0)
		return 1;
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "strncasecmp");
	return real(one, other, size);
}
