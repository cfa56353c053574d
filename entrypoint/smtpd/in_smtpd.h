/*
 * What libraries share that are loaded into smtpd (LD_PRELOAD, by start-smtpd) and stand in front of
 * functions of others. In every other program, a filter's above all, they are idle.
 */
#ifndef IN_SMTPD_H
#define IN_SMTPD_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Before a call of real_FUNCTION; find_real() looks for all that a library stands in front of. */
#define FIND_REAL(function) do { if (real_##function == NULL) find_real(); } while (0)

/* The one that every program needs, a filter too: whom to ask for names (resolv_conf.c). */
#define FOR_EVERY_PROGRAM "/usr/local/libexec/resolv_conf.so"

static bool in_smtpd;

/* Later the name is gone: smtpd writes its title over it. */
__attribute__((constructor)) static void
look_where_we_are(void)
{
	const char *loaded = getenv("LD_PRELOAD");

	in_smtpd = strcmp(program_invocation_short_name, "smtpd") == 0;
	if (in_smtpd)
		return;
	/* What a filter starts does not need the others. */
	if (loaded != NULL && strstr(loaded, FOR_EVERY_PROGRAM) != NULL)
		setenv("LD_PRELOAD", FOR_EVERY_PROGRAM, 1);
	else
		unsetenv("LD_PRELOAD");
}

#endif
